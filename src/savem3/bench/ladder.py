"""The ladder of the distillation: what each of its terms brings, on the two label-free experiments.

- `sstem_to_fib`: the teacher has seen no label of any FIB-SEM volume; students learn from the raw of FIB-25 samples 1
  and 2 through it, and are scored on sample 2: all of it, and its sections 130–249.
- `fib_to_sstem`: the teacher has seen no label of any ssTEM volume; students learn from the raw of VNC stacks 1 and 2
  and are scored section by section on stack 1: all of it, and its sections 16–19.

Every rung takes the same number of steps from the same fresh weights of its seed. The supervised references learn from
the training split of the scored volume, so only its other sections tell of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from savem3 import bank, distill
from savem3.bench.cutting import score_heard, score_map
from savem3.bench.ladder_lines import Kept
from savem3.grid import Box
from savem3.pipeline import Settings, draw_boundary
from savem3.predict import look_around
from savem3.saem2 import Saem2Teacher
from savem3.teaching import agree_with_itself, draw_lessons
from savem3.volume import BoundaryMap, Image, Sample, intensity_of
from savem3.watch import Watch

INNER = 0.1
"""Weight of the terms on embedding and feature, standardised; the paper's is 1 on maps as they are."""

BUDGET_BYTES = 4 * 2**30
"""Room for what a teacher sees inside one volume."""
PROMPTS = 1000
"""At most so many in each part of the scored volume."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Where students learn and are scored.

    Parameters
    ----------
    raw
        Cards without labels, the scored one last.
    train, validation
        First and last section of the scored volume that the references learn from, and that nobody does.
    sectionwise
        Whether sections are cut one by one, as their truth is.
    """

    raw: tuple[str, ...]
    train: tuple[int, int]
    validation: tuple[int, int]
    sectionwise: bool


@dataclass(frozen=True, slots=True)
class Rung:
    """What a rung of the ladder learns from.

    Parameters
    ----------
    says
        In the table.
    changes
        To the recipe of the first rung.
    teacher
        Whether a teacher's maps are learned.
    labels
        Share of the training sections whose labels are learned.
    agreed
        Whether the teacher's map is first cut and drawn again from its own segments.
    drawn
        How many synthetic volumes with their labels are learned from in half of all crops.
    like
        Another rung, whose student this one takes.
    heard
        Whether the cut hears the teacher's answers to prompts.
    """

    says: str
    changes: dict[str, float | int] = field(default_factory=dict)
    teacher: bool = True
    labels: float = 0.0
    agreed: bool = False
    drawn: int = 0
    like: str = ""
    heard: bool = False


EXPERIMENTS = {
    "sstem_to_fib": Experiment(
        ("fib25_training_sample1_raw", "fib25_training_sample2"), (0, 119), (130, 249), sectionwise=False
    ),
    "fib_to_sstem": Experiment(("vnc_stack2_raw", "vnc_stack1"), (0, 14), (16, 19), sectionwise=True),
}
RUNGS = {
    "bdy": Rung("boundary"),
    "+dst": Rung("boundary, distance", {"distance_weight": 1.0}),
    "+embed": Rung("boundary, embedding", {"embedding_weight": INNER}),
    "+feat": Rung("boundary, embedding, feature", {"embedding_weight": INNER, "feature_weight": INNER}),
    "+2nd": Rung(
        "the same, motion, smooth",
        {"embedding_weight": INNER, "feature_weight": INNER, "motion_weight": 0.05, "smooth_weight": 0.05},
    ),
    "+graph-cut": Rung("the same student, cut with prompts", like="+2nd", heard=True),
    "+drawn": Rung("boundary, and drawn volumes with labels (ours)", drawn=16),
    "agreed": Rung("boundary of the teacher's own segments (ours)", agreed=True),
    "agreed +drawn": Rung("both (ours)", agreed=True, drawn=16),
    "drawn": Rung("drawn volumes with labels alone", teacher=False, drawn=16),
    "labels": Rung("labels", teacher=False, labels=1.0),
    "labels 10 %": Rung("a tenth of the labels", teacher=False, labels=0.1),
    "bdy, labels 10 %": Rung("boundary, a tenth of the labels", labels=0.1),
}


@dataclass(frozen=True)
class World:
    """All that the rungs of one experiment share.

    Parameters
    ----------
    experiment
        Where students learn and are scored.
    teacher, digest
        Whom they learn from, and the digest of its weights.
    data, work
        Folders of the datasets, and of students and scores.
    steps, batch, seeds, threads
        Of each training.
    small
        What is kept of every volume; all, if absent.
    """

    experiment: Experiment
    teacher: Saem2Teacher
    digest: str
    data: Path
    work: Path
    steps: int
    batch: int
    seeds: int
    threads: int
    small: Box | None = None

    @cached_property
    def truth(self) -> Sample:
        """The volume that is scored."""
        sample = bank.load_sample(bank.DATASETS[self.experiment.raw[-1]], self.data, "all")
        return sample if self.small is None else _crop(sample, self.small)

    @cached_property
    def raw(self) -> tuple[Image, ...]:
        """What students learn from without labels."""
        cards = [bank.DATASETS[name] for name in self.experiment.raw[:-1]]
        others = [bank.load_image(card, self.data, "all") for card in cards]
        kept = others if self.small is None else [image.crop(self.small) for image in others]
        return (*kept, self.truth.image)

    @cached_property
    def planes(self) -> tuple[Literal[1, 3], ...]:
        """From how many sides a teacher can look."""
        return (1, 3) if self.truth.image.grid.is_isotropic else (1,)

    @cached_property
    def seen(self) -> tuple[BoundaryMap, ...]:
        """The teacher's boundary map of each raw volume, from as many sides as it can."""
        return tuple(self.look(image, self.planes[-1]) for image in self.raw)

    @cached_property
    def agreed(self) -> tuple[BoundaryMap, ...]:
        """The same maps, drawn again from their own segments."""
        settings = Settings(0.5, threads=self.threads)
        return tuple(agree_with_itself(seen, settings=settings) for seen in self.seen)

    @cached_property
    def looks(self) -> tuple[distill.CachedLooks, ...]:
        """What the teacher sees inside each raw volume, kept in the work folder."""
        return tuple(
            distill.cache_looks(
                image,
                self.teacher,
                folder=self.work / "looks" / str(n),
                digest=self.digest,
                intensity=intensity_of(image),
                planes=self.planes[-1],
                budget_bytes=BUDGET_BYTES,
            )
            for n, image in enumerate(self.raw)
        )

    def look(self, image: Image, planes: Literal[1, 3]) -> BoundaryMap:
        """The teacher's boundary map."""
        return look_around(image, self.teacher, intensity=intensity_of(image), planes=planes)


def _crop(sample: Sample, box: Box) -> Sample:
    parts = {name: getattr(sample, name).crop(box) for name in ("image", "labels", "boundary", "distance")}
    return replace(sample, **parts)


def climb(world: World, kept: Kept, rungs: Sequence[str], *, watch: Watch) -> None:
    """Teach and score what is not there yet, seed by seed, rung by rung."""
    torch.set_num_threads(world.threads)
    torch.set_flush_denormal(True)
    for planes in world.planes:
        if not kept.has(f"teacher, {planes}", 0):
            seen = world.look(world.truth.image, planes)
            keep(kept, world, seen, rung=f"teacher, {planes}", seed=0, watch=watch)
    for seed in range(world.seeds):
        for name in rungs:
            if not kept.has(name, seed):
                student = taught(world, name, seed=seed, watch=watch)
                settings = Settings(0.5, device="cpu", threads=world.threads)
                drawn = draw_boundary(world.truth.image, student, settings=settings)
                keep(kept, world, drawn, rung=name, seed=seed, watch=watch)


def taught(world: World, name: str, *, seed: int, watch: Watch) -> distill.Student:
    """The student of a rung, read if it was taught before."""
    rung = RUNGS[name]
    if rung.like:
        return taught(world, rung.like, seed=seed, watch=watch)
    file = world.work / f"{name.replace(' ', '-')}-{seed}.safetensors"
    if file.exists():
        return distill.load_student(file)[0]
    changes: dict[str, Any] = {"feature_weight": 0.0, "embedding_weight": 0.0, **rung.changes}
    recipe = replace(distill.small_cpu(steps=world.steps, seed=seed), batch=world.batch, **changes)
    if "smooth_weight" in rung.changes:
        recipe = replace(recipe, second_stage_from=max(1, world.steps // 10))  # the paper's share
    torch.manual_seed(seed)
    student = distill.build_student("fast", outputs=2 if recipe.distance_weight else 1)

    def report(progress: distill.Progress, _: object) -> None:
        if progress.step % 100 == 0:
            watch.say(f"{name} {seed}: step {progress.step}, {progress.time_s:.0f} s", rung=name, step=progress.step)

    student = distill.distill(student, lessons_of(world, rung), recipe=recipe, on_progress=report)
    distill.save_student(
        student, file, card={"experiment": world.experiment.raw[-1], "rung": name, "steps": recipe.steps}
    )
    return student


def lessons_of(world: World, rung: Rung) -> list[distill.Lesson]:
    """What a rung learns from."""
    lessons = []
    if rung.teacher:
        maps = world.agreed if rung.agreed else world.seen
        looks = [(kept,) for kept in world.looks] if rung.changes else [()] * len(world.raw)
        for image, boundary, kept in zip(world.raw, maps, looks, strict=True):
            lessons.append(distill.Lesson(image, boundary, looks=kept))
    if rung.labels:
        first, last = world.experiment.train
        last = first + max(1, round((last + 1 - first) * rung.labels)) - 1
        sample = bank.keep_sections(world.truth, f"{first}-{last}")
        lessons.append(distill.Lesson(sample.image, sample.boundary, labelled=True))
    if rung.drawn:
        lessons += draw_lessons(world.truth.image.grid, rung.drawn)
    return lessons


def keep(kept: Kept, world: World, boundary: BoundaryMap, *, rung: str, seed: int, watch: Watch) -> None:
    """Score a map and keep the line."""
    depth = boundary.grid.shape[0]
    parts = {"all": (0, depth - 1)} | ({} if world.small else {"validation": world.experiment.validation})
    sectionwise, threads = world.experiment.sectionwise, world.threads
    truth, image = world.truth.labels, world.truth.image
    if rung in RUNGS and RUNGS[rung].heard:
        scored = score_heard(
            boundary,
            truth,
            image=image,
            teacher=world.teacher,
            prompts=PROMPTS,
            parts=parts,
            sectionwise=sectionwise,
            threads=threads,
        )
    else:
        scored = score_map(boundary, truth, parts=parts, sectionwise=sectionwise, threads=threads)
    kept.add(rung, seed, scored)
    found = ", ".join(f"{cutter} {s.voi('all'):.3f}" for cutter, s in scored.items())
    watch.say(f"{rung} {seed}: VoI {found}", rung=rung, seed=seed)
