"""The ablation ladder on the two label-free experiments: what each term of the distillation brings.

    python experiments/ladder.py sstem_to_fib --data DIR --work FOLDER --teacher TEACHER.safetensors \\
        [--rungs bdy +embed ...] [--seeds 3] [--steps 400] [--batch 2] [--threads 1] [--out TABLE.md]

- `sstem_to_fib`: the teacher has seen no label of any FIB-SEM volume; students learn from the raw of FIB-25 samples 1
  and 2 through it, and are scored on sample 2: all of it, and its sections 130–249.
- `fib_to_sstem`: the teacher has seen no label of any ssTEM volume; students learn from the raw of VNC stacks 1 and 2
  and are scored section by section on stack 1: all of it, and its sections 16–19.

Every rung takes the same number of steps from the same fresh weights of its seed. Where to cut is chosen without labels
on the volume itself, for each map and cutter; `best` is the least VoI of all β, which only the truth can tell.
The supervised references learn from the training split of the scored volume, so only its other sections tell of them.
What is there already is not done again: FOLDER keeps a student and a line of scores for each rung and seed. The table
is printed, and written to OUT and, with every number, to OUT's name with .csv. What was not asked for is "not run".
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from ladder_scores import score_heard, score_map
from ladder_table import Kept, write_tables
from rich.console import Console

from savem3 import bank, distill
from savem3.pipeline import Settings, draw_boundary
from savem3.predict import look_around
from savem3.saem2 import Saem2Teacher, load_teacher
from savem3.teaching import agree_with_itself, draw_lessons
from savem3.volume import BoundaryMap, Image, Sample, intensity_of

CONSOLE = Console(highlight=False, width=160)
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
    """All that the rungs of one experiment share."""

    experiment: Experiment
    teacher: Saem2Teacher
    digest: str
    options: argparse.Namespace

    @cached_property
    def truth(self) -> Sample:
        """The volume that is scored."""
        return bank.load_sample(bank.DATASETS[self.experiment.raw[-1]], self.options.data, "all")

    @cached_property
    def raw(self) -> tuple[Image, ...]:
        """What students learn from without labels."""
        cards = [bank.DATASETS[name] for name in self.experiment.raw[:-1]]
        return (*(bank.load_image(card, self.options.data, "all") for card in cards), self.truth.image)

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
        settings = Settings(0.5, threads=self.options.threads)
        return tuple(agree_with_itself(seen, settings=settings) for seen in self.seen)

    @cached_property
    def looks(self) -> tuple[distill.CachedLooks, ...]:
        """What the teacher sees inside each raw volume, kept in the work folder."""
        return tuple(
            distill.cache_looks(
                image,
                self.teacher,
                folder=self.options.work / "looks" / str(n),
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


def main() -> None:
    """Do what is not there yet, rung by rung, and write the table."""
    options = read_options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    teacher, weights = load_teacher(options.teacher)
    world = World(EXPERIMENTS[options.experiment], teacher, weights.sha256, options)
    kept = Kept.of_folder(options.work, teacher=weights.sha256, steps=options.steps, batch=options.batch)
    for planes in world.planes:
        if not kept.has(f"teacher, {planes}", 0):
            keep(kept, world, world.look(world.truth.image, planes), rung=f"teacher, {planes}", seed=0)
    for seed in range(options.seeds):
        for name in options.rungs:
            if not kept.has(name, seed):
                student = taught(world, name, seed=seed)
                settings = Settings(0.5, device="cpu", threads=options.threads)
                keep(kept, world, draw_boundary(world.truth.image, student, settings=settings), rung=name, seed=seed)
    says = {name: rung.says for name, rung in RUNGS.items()}
    CONSOLE.print(write_tables(kept, says, out=options.out))


def taught(world: World, name: str, *, seed: int) -> distill.Student:
    """The student of a rung, read if it was taught before."""
    options, rung = world.options, RUNGS[name]
    if rung.like:
        return taught(world, rung.like, seed=seed)
    file = options.work / f"{name.replace(' ', '-')}-{seed}.safetensors"
    if file.exists():
        return distill.load_student(file)[0]
    recipe = replace(
        distill.small_cpu(steps=options.steps, seed=seed),
        batch=options.batch,
        **{"feature_weight": 0.0, "embedding_weight": 0.0, **rung.changes},
    )
    if "smooth_weight" in rung.changes:
        recipe = replace(recipe, second_stage_from=options.steps // 10)  # the paper's share
    torch.manual_seed(seed)
    student = distill.build_student("fast", outputs=2 if recipe.distance_weight else 1)

    def report(progress: distill.Progress, _: object) -> None:
        terms = "  ".join(f"{term} {value:.4f}" for term, value in progress.losses.items())
        CONSOLE.print(f"{name} {seed}: step {progress.step}  {terms}  {progress.time_s:.0f} s")

    student = distill.distill(student, lessons_of(world, rung), recipe=recipe, on_progress=report)
    distill.save_student(student, file, card={"experiment": options.experiment, "rung": name, "steps": recipe.steps})
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


def keep(kept: Kept, world: World, boundary: BoundaryMap, *, rung: str, seed: int) -> None:
    """Score a map and keep the line."""
    parts = {"all": (0, boundary.grid.shape[0] - 1), "validation": world.experiment.validation}
    how = {"parts": parts, "sectionwise": world.experiment.sectionwise, "threads": world.options.threads}
    truth, image = world.truth.labels, world.truth.image
    if rung in RUNGS and RUNGS[rung].heard:
        scored = score_heard(boundary, truth, image=image, teacher=world.teacher, prompts=PROMPTS, **how)
    else:
        scored = score_map(boundary, truth, **how)
    kept.add(rung, seed, scored)
    CONSOLE.print(
        f"{rung} {seed}: " + ", ".join(f"{c} {s.voi('all'):.3f} (best {s.best('all'):.3f})" for c, s in scored.items())
    )


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True, help="folder where students and scores are kept")
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--rungs", nargs="*", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the table goes, in Markdown; and with .csv, every number")
    return parser.parse_args()


if __name__ == "__main__":
    main()
