"""A student learns the volume at hand from a teacher, without labels, and is kept only where that seems to help."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from savem3.distill import DistillRecipe, Student, distill, small_cpu
from savem3.distill import Progress as Learned
from savem3.pipeline import Settings, choose_beta, middle_of
from savem3.predict import predict
from savem3.teacher import Teacher
from savem3.teaching import Lost, Teaching, teach
from savem3.volume import Image, IntensityMap
from savem3.watch import Watch

JUDGED = 2_500_000
"""At most this many voxels in the middle of a volume are looked at to judge a student: some 15 s of one core."""

JUDGES = "quantile"
"""The cutter that students are judged by, whichever cuts the volume in the end."""

BOUNDARY_ALONE = replace(small_cpu(steps=400), learning_rate=5e-4, batch=2, feature_weight=0.0, embedding_weight=0.0)
"""A short training of a student that knows much already: a fifth of the work of `small_cpu` for each step."""

Judge = Callable[[nn.Module], float]
"""How bad a student seems on the volume, without labels; lower is better."""

Curves = dict[str, list[tuple[int, float]]]
"""By name: steps and values."""


@dataclass(frozen=True, slots=True)
class AdaptRecipe:
    """Settings of an adaptation that ends by itself.

    Parameters
    ----------
    training
        All settings of the training; its steps are the most that are taken.
    teaching
        What is learned.
    seconds
        By the clock, teacher's maps included; how many steps that is depends on the machine.
    patience
        So many judgements in a row without a new best end it.
    gain, least_gain
        What a student is kept for: its judgement must be below that of the first by this share, and by this much.
    """

    training: DistillRecipe = BOUNDARY_ALONE
    teaching: Teaching = Teaching()
    seconds: float = 300.0
    patience: int = 2
    gain: float = 0.2
    least_gain: float = 0.005

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds must be above 0, got {self.seconds}")
        if self.patience < 1 or not 0 <= self.gain < 1:
            raise ValueError(f"patience must be at least 1 and gain in 0 to 1, got {self.patience} and {self.gain}")


@dataclass(frozen=True, slots=True)
class Course:
    """How an adaptation went, as plain values.

    Parameters
    ----------
    steps
        That were taken.
    kept_step
        Whose student went on; 0 is the one that it began with.
    reason
        Why it ended, and why that student was kept, in a sentence.
    curves
        Terms of the loss, and the judgements, where there were any.
    """

    steps: int
    kept_step: int
    reason: str
    curves: Curves = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Course:
        """The course that ``asdict`` made plain, read back from JSON."""
        curves = {name: [(int(step), float(value)) for step, value in line] for name, line in record["curves"].items()}
        return cls(int(record["steps"]), int(record["kept_step"]), str(record["reason"]), curves)


def adapt(
    image: Image,
    student: Student,
    teacher: Teacher,
    *,
    recipe: DistillRecipe,
    teaching: Teaching = Teaching(),
    lost: Lost | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
) -> tuple[Student, Course]:
    """Distil a teacher into a student on one unlabelled image, for so many steps.

    Parameters
    ----------
    image
        The volume to learn from.
    student
        Fresh, or trained before; it is changed.
    teacher
        Looks along z, y and x at isotropic volumes (METHOD §4, tri-planar teaching), along z at others.
    recipe
        Settings of the training.
    teaching
        What is learned of the teacher, and besides.
    lost
        Sections that are not to be believed; nothing is learned there.
    device
        Where torch computes.
    watch
        Shows and times the two stages.
    """
    watch, curves = watch or Watch(), Curves()
    with watch.stage("teach") as counter:
        lessons = teach(image, teacher, teaching=teaching, lost=lost, progress=counter)
    with watch.stage("distill") as counter:

        def report(learned: Learned, _: nn.Module) -> None:
            counter(learned.step, recipe.steps)
            _note(curves, learned.step, learned.losses)

        student = distill(student, lessons, recipe=recipe, teacher=teacher, device=device, on_progress=report)
    return student, Course(recipe.steps, recipe.steps, f"{recipe.steps} steps were asked for.", curves)


def adapt_if_it_helps(
    image: Image,
    student: Student,
    teacher: Teacher,
    *,
    recipe: AdaptRecipe,
    judge: Judge,
    lost: Lost | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
    stop_at: int | None = None,
) -> tuple[Student, Course]:
    """Distil while a criterion without labels gets better, and keep the student that looks best by it.

    Parameters
    ----------
    image, student, teacher, lost, device, watch
        See `adapt`.
    recipe
        When to end, and what a student is kept for.
    judge
        The criterion; see `judge_on`.
    clock
        Seconds; only differences count.
    stop_at
        The steps that an earlier run took: so many are taken again, whatever the clock says, and give the same student.
    """
    watch, begun = watch or Watch(), clock()
    with watch.stage("teach") as counter:
        lessons = teach(image, teacher, teaching=recipe.teaching, lost=lost, progress=counter)
    with watch.stage("distill") as counter:
        choosing = Choosing(student, judge, recipe, clock, begun, stop_at)

        def report(learned: Learned, network: nn.Module) -> bool:
            counter(learned.step, recipe.training.steps)
            return choosing.hear(learned, network)

        if not choosing.is_over:
            seen = teacher if recipe.training.feature_weight or recipe.training.embedding_weight else None
            distill(student, lessons, recipe=recipe.training, teacher=seen, device=device, on_progress=report)
    return choosing.result()


class Choosing:
    """Holds, while a student learns, the best one so far, and knows when to end."""

    def __init__(
        self,
        student: Student,
        judge: Judge,
        recipe: AdaptRecipe,
        clock: Callable[[], float],
        begun: float,
        stop_at: int | None,
    ) -> None:
        self.student, self.judge, self.recipe, self.clock, self.begun = student, judge, recipe, clock, begun
        self.stop_at, self.curves, self.last = stop_at, Curves(), 0
        self.first = self.best = judge(deepcopy(student).eval())
        self.best_step, self.waited, self.heard_at = 0, 0, clock()
        self.start = self.values = deepcopy(student.state_dict())
        self.reason = self._why_to_end()
        _note(self.curves, 0, {"criterion": self.first})

    @property
    def is_over(self) -> bool:
        """Whether training is to end."""
        return bool(self.reason)

    def hear(self, learned: Learned, network: nn.Module) -> bool:
        """Judge the network of a step; whether training is to end."""
        if self.is_over:
            return True
        assert isinstance(network, Student)
        judged = self.judge(deepcopy(network).eval())
        self.last = learned.step
        _note(self.curves, learned.step, {**learned.losses, "criterion": judged})
        if judged < self.best:
            self.best, self.best_step, self.waited = judged, learned.step, 0
            self.values = deepcopy(network.state_dict())
        else:
            self.waited += 1
        self.reason = self._why_to_end()
        return self.is_over

    def result(self) -> tuple[Student, Course]:
        """The student that is kept, and the course."""
        wanted = min((1 - self.recipe.gain) * self.first, self.first - self.recipe.least_gain)
        helped = self.best < wanted
        self.student.load_state_dict(self.values if helped else self.start)
        kept = self.best_step if helped else 0
        reason = f"{self.reason or 'All steps were taken.'} {self._verdict(kept)}"
        return self.student.eval(), Course(self.last, kept, reason, self.curves)

    def _why_to_end(self) -> str:
        if self.stop_at is not None:
            return "As many steps as before." if self.last >= self.stop_at else ""
        if self.waited >= self.recipe.patience:
            return f"The criterion was no better {self.waited} times in a row."
        return self._out_of_time() if self._is_late() else ""

    def _is_late(self) -> bool:
        """Whether as long again as since the last look would go beyond the time there is."""
        now = self.clock()
        expected, self.heard_at = now - self.heard_at, now
        return self.stop_at is None and now + expected - self.begun > self.recipe.seconds

    def _out_of_time(self) -> str:
        return f"The {self.recipe.seconds:g} s for it were over."

    def _verdict(self, kept: int) -> str:
        """What became of the student."""
        seen = f"The criterion was {self.first:.4f} at first and {self.best:.4f} at best, at step {self.best_step}"
        if kept:
            return f"{seen}; that student goes on."
        return f"{seen}, not clearly less: the student that it began with goes on."


def judge_on(image: Image, *, intensity: IntensityMap, settings: Settings) -> Judge:
    """The criterion on the middle of an image: how unsteady the neurons are that a student's boundary map is cut into.

    It is the least instability that `choose_beta` finds: how much the neurons change when the fragments that they are
    joined of are finer or coarser.

    Parameters
    ----------
    image, intensity
        The volume; at most `JUDGED` voxels of it are looked at.
    settings
        How it is predicted and cut; its β does not matter.

    Notes
    -----
    Our choice among what was measured (docs/experiments.md). With `quantile` it ranked three maps of each of four
    volumes as their VoI to the truth does, but for ties, and told adapting that helped (ssTEM, VoI 0.51 to 0.29) from
    adapting that harmed (FIB-25, 1.43 to 1.57). How far a student's looks along three axes agree does not tell: it got
    better in both, and so does the agreement with the teacher. One or two seeds, a hundred steps: little evidence.
    """
    part = image.crop(middle_of(image.grid, JUDGED))

    def judge(student: nn.Module) -> float:
        boundary = predict(
            part,
            student,
            intensity=intensity,
            recipe=settings.predict,
            device=settings.device,
            threads=settings.threads,
        )
        return min(unsteady for _, unsteady in choose_beta(boundary, settings=settings).curve)

    return judge


def _note(curves: Curves, step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        curves.setdefault(name, []).append((step, float(value)))
