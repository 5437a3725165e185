"""Train the student that ships, and the ones that the experiments compare; `savem3 pretrain` trains teachers.

    python experiments/train.py STUDENT.safetensors --data DIR --raw CARD:SPLIT ... \\
        --teacher TEACHER.safetensors --steps 1600

A dataset is CARD:SPLIT, optionally CARD:SPLIT:FIRST-LAST to keep only those sections; `synthetic:N` makes N volumes.
With --apart N a volume of isotropic voxels is learned a second time, as every Nth of its sections alone: real grey
values as thick sections have them. One core suffices; a log line every 50 steps, weights are written with each tenth.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console

from savem3 import bank, distill, saem2
from savem3.grid import Grid
from savem3.teaching import Teaching, teach
from savem3.volume import Image, Labels, Sample

Kind = TypeVar("Kind", Image, Labels)
CONSOLE = Console(highlight=False)


def main() -> None:
    """Read the command line and train."""
    options = read_options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    started = time.process_time()
    train_student(options)
    CONSOLE.print(f"{options.out}: {time.process_time() - started:.0f} CPU-seconds")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--labels", nargs="*", default=[], help="annotated datasets, CARD:SPLIT[:FIRST-LAST]")
    parser.add_argument("--raw", nargs="*", default=[], help="unlabelled datasets for the student")
    parser.add_argument("--teacher", type=Path, help="weights of the student's teacher")
    parser.add_argument("--student", default="fast", choices=sorted(distill.STUDENTS))
    parser.add_argument("--start", type=Path, help="weights of a student to go on from")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--feature-weight", type=float, default=0.1)
    parser.add_argument("--embedding-weight", type=float, default=0.1)
    parser.add_argument("--agreed", action="store_true", help="learn the borders of the segments of the teacher's maps")
    parser.add_argument("--apart", type=int, default=1, help="learn isotropic volumes as every Nth section as well")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--labelled-share", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def train_student(options: argparse.Namespace) -> None:
    """A 3D student from a teacher on unlabelled volumes, from labels, or from both."""
    recipe = replace(
        distill.small_cpu(steps=options.steps, seed=options.seed),
        feature_weight=options.feature_weight,
        embedding_weight=options.embedding_weight,
        labelled_share=options.labelled_share,
        learning_rate=options.learning_rate,
    )
    samples = [sample for name in options.labels for sample in bank.load_named(name, options.data, cards=bank.DATASETS)]
    samples += [thin for sample in samples for thin in thinned(sample, options.apart)]
    teacher = saem2.load_teacher(options.teacher)[0] if options.teacher else None
    lessons = [distill.Lesson(s.image, s.boundary, labelled=True, weight=weight_of(s)) for s in samples]
    if teacher is not None:
        means = Teaching(agreed=options.agreed, drawn=0)
        images = [read_image(name, options.data) for name in options.raw]
        images = [each for image in images for each in with_thinned(image, options.apart)]
        lessons += [one for image in images for one in teach(image, teacher, teaching=means)]
    card = describe(options, samples, asdict(recipe))
    student = distill.build_student(options.student)
    if options.start:
        student, before = distill.load_student(options.start)
        card = inherit(card, before.card)

    def report(progress: distill.Progress, network: torch.nn.Module) -> None:
        terms = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        CONSOLE.print(f"step {progress.step}  {terms}  {progress.time_s:.0f} s")
        if progress.step % max(50, recipe.steps // 10 // 50 * 50) == 0 or progress.step == recipe.steps:
            assert isinstance(network, distill.Student)
            distill.save_student(network, options.out, card={**card, "step": progress.step})

    distill.distill(student, lessons, recipe=recipe, teacher=teacher, on_progress=report)


def weight_of(sample: Sample) -> float:
    """Synthetic volumes are many and small: each is drawn a quarter as often as a real one of its size."""
    return 0.25 if sample.name.startswith("synthetic") else 1.0


def with_thinned(image: Kind, apart: int) -> list[Kind]:
    """A volume, and one for each way to take every so many-th section of it, if its voxels are isotropic."""
    if apart == 1 or not image.grid.is_isotropic:
        return [image]
    return [image, *(thin_out(image.load(), first, apart) for first in range(apart))]


def thinned(sample: Sample, apart: int) -> list[Sample]:
    """Every so many-th section of a sample of isotropic voxels, one for each way to take them."""
    if apart == 1 or sample.name.startswith("synthetic"):
        return []
    images, labels = with_thinned(sample.image, apart)[1:], with_thinned(sample.labels, apart)[1:]
    return [
        bank.own_sample(sample.name, image, truth, licence=sample.licence)
        for image, truth in zip(images, labels, strict=True)
    ]


def thin_out(volume: Kind, first: int, apart: int) -> Kind:
    """Every so many-th section of a volume in memory, from the first on."""
    voxels = np.asarray(volume.voxels)[first::apart]
    z, y, x = volume.grid.voxel_size
    return replace(volume, voxels=voxels, grid=Grid(np.shape(voxels), (z * apart, y, x)))


def read_image(name: str, folder: Path) -> Image:
    """The unlabelled image that CARD:SPLIT names."""
    card, split = name.split(":")
    return bank.load_image(bank.DATASETS[card], folder, split)


def describe(options: argparse.Namespace, samples: list[Sample], recipe: dict[str, object]) -> dict[str, object]:
    """What a model card must say about a run."""
    return {
        "labels": options.labels,
        "raw": options.raw,
        "teacher": options.teacher.name if options.teacher else None,
        "started_from": options.start.name if options.start else None,
        "licences": sorted({s.licence for s in samples}),
        "recipe": recipe,
        "agreed": options.agreed,
        "apart": options.apart,
        "threads": options.threads,
        "cores": os.cpu_count(),
    }


def inherit(card: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The card of a run that went on from another's weights: what either learned from, and the runs before."""
    earlier = {name: before[name] for name in ("labels", "raw", "teacher", "recipe", "step")}
    learned = {name: list(dict.fromkeys([*before[name], *card[name]])) for name in ("labels", "raw", "licences")}
    return {**card, **learned, "earlier_runs": [*before.get("earlier_runs", []), earlier]}


if __name__ == "__main__":
    main()
