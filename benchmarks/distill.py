"""How fast students learn, beside a plain loop that does the same work, and what each part of the difference brings.

    python benchmarks/distill.py [--student fast] [--threads 1] [--repeats 5] [--cpu-time]

Prints Markdown. Timed is one whole step: crops, teacher, forward, backward, optimiser. The plain loop is written here:
float32, contiguous, the teacher looks at every crop, crops come from an HDF5 file (chunks of 64³, not compressed); the
network, its terms, batch and augmentation are the same. The lines between are ours less one thing each. Numbers are
medians; all loops are timed by turns, so that a busy moment hits all alike. On a machine that others use too,
`--cpu-time` counts the process's seconds. The teacher has fresh weights: speed does not depend on them. What the cache
costs once is the last line, in steps of ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import h5py
import numpy as np
import torch

from savem3.augment import change_grey_values, random_box, random_turn
from savem3.distill import Adapters, CachedLooks, DistillRecipe, Lesson, build_student, cache_looks, small_cpu
from savem3.distill.lessons import batches
from savem3.distill.losses import Standardise, boundary_loss, map_loss
from savem3.distill.training import Tutor
from savem3.grid import Grid
from savem3.saem2 import Saem2Teacher
from savem3.saem2.network import Saem2
from savem3.volume import BoundaryMap, Image, IntensityMap, intensity_of

SHAPE = (128, 128, 128)
Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="fast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    clock = process_time if options.cpu_time else perf_counter
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    with TemporaryDirectory() as folder, h5py.File(write_volume(Path(folder)), "r") as file:
        compare(file, Path(folder) / "looks", options=options, clock=clock)


def compare(file: h5py.File, folder: Path, *, options: argparse.Namespace, clock: Callable[[], float]) -> None:
    """Print the table."""
    torch.manual_seed(0)
    teacher, recipe, grid = Saem2Teacher(Saem2().eval()), small_cpu(), Grid(SHAPE, (8.0, 8.0, 8.0))
    image = Image(file["raw"][:], grid)
    start = clock()
    looks = cache_looks(
        image, teacher, folder=folder, digest="fresh", intensity=intensity_of(image), planes=3, budget_bytes=10**9
    )
    cached_s = clock() - start
    lesson = Lesson(image, BoundaryMap(file["boundary"][:], grid))
    stored = Lesson(Image(file["raw"], grid), BoundaryMap(file["boundary"], grid))
    name = options.student
    steps = {
        "ours": our_step(name, lesson, recipe, looks=looks),
        "the teacher looks at each crop": our_step(name, lesson, recipe, teacher=teacher),
        "float32": our_step(name, lesson, replace(recipe, bfloat16=False), looks=looks),
        "contiguous": our_step(name, lesson, recipe, looks=looks, memory=torch.contiguous_format),
        "crops from HDF5": our_step(name, stored, recipe, looks=looks),
        "plain": plain_step(name, file, recipe, teacher, intensity=intensity_of(image)),
    }
    times = in_turns(steps, repeats=options.repeats, clock=clock)
    voxels = recipe.batch * np.prod(recipe.crop)
    how = f"{options.threads} threads, {clock.__name__}, median of {options.repeats}"
    print(f"{name}, {recipe.batch} crops of {recipe.crop}, {how}\n")
    print("| loop | seconds a step | kvox/s | ours is faster by |\n|---|---|---|---|")
    for label, seconds in times.items():
        print(f"| {label} | {seconds:.3f} | {voxels / seconds / 1e3:.0f} | {seconds / times['ours']:.2f} |")
    in_steps = cached_s / times["ours"]
    print(f"| the cache, once for {grid.voxels / 1e6:.1f} Mvox | {cached_s:.1f} | | {in_steps:.0f} steps |")


def our_step(
    name: str,
    lesson: Lesson,
    recipe: DistillRecipe,
    *,
    looks: CachedLooks | None = None,
    teacher: Saem2Teacher | None = None,
    memory: torch.memory_format = torch.channels_last_3d,
) -> Step:
    """One step of the package's own loop."""
    torch.manual_seed(0)
    lesson = replace(lesson, looks=() if looks is None else (looks,))
    teachers = [] if teacher is None else [teacher]
    tutor = Tutor(build_student(name), teachers=teachers, cached=len(lesson.looks), recipe=recipe, device="cpu")
    tutor.student.to(memory_format=memory)
    drawn = batches([lesson], recipe=recipe)
    return lambda: tutor.step(next(drawn))


def plain_step(
    name: str, file: h5py.File, recipe: DistillRecipe, teacher: Saem2Teacher, *, intensity: IntensityMap
) -> Step:
    """One step of the loop that one would write first."""
    torch.manual_seed(0)
    student, rng = build_student(name).train(), np.random.default_rng(0)
    adapters, feature, embedding = Adapters(student), Standardise(32), Standardise(256)
    optimizer = torch.optim.AdamW([*student.parameters(), *adapters.parameters()], recipe.learning_rate)

    def read_crop() -> list[np.ndarray]:
        turn = random_turn(rng, isotropic=True)
        box = random_box(rng, within=SHAPE, shape=turn.source_shape(recipe.crop))
        raw, boundary = (turn.apply(file[key][box.slices]) for key in ("raw", "boundary"))
        clean = intensity.to_unit(raw)
        look = teacher.look_at(clean)
        target = (boundary / np.float32(255)).astype(np.float32)
        changed = change_grey_values(clean, rng, isotropic=True)
        return [changed[None], target[None], look.feature.swapaxes(0, 1), look.embedding.swapaxes(0, 1)]

    def step() -> None:
        crops = [read_crop() for _ in range(recipe.batch)]
        raw, target, features, embeddings = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        taps = student.taps(raw)
        own_feature, own_embedding = adapters(taps)
        loss = boundary_loss(taps.boundary, target, membrane_weight=recipe.membrane_weight)
        loss = loss + recipe.feature_weight * map_loss(own_feature, feature(features))
        loss = loss + recipe.embedding_weight * map_loss(own_embedding, embedding(embeddings))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()

    return step


def write_volume(folder: Path) -> Path:
    """Random voxels in an HDF5 file."""
    rng = np.random.default_rng(0)
    with h5py.File(folder / "volume.h5", "w") as file:
        for key in ("raw", "boundary"):
            file.create_dataset(key, data=rng.integers(0, 256, SHAPE, np.uint8), chunks=(64, 64, 64))
    return folder / "volume.h5"


def in_turns(steps: Mapping[str, Step], *, repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each step; each is taken once unmeasured, then all by turns."""
    times: dict[str, list[float]] = {label: [] for label in steps}
    for turn in range(repeats + 1):
        for label, step in steps.items():
            start = clock()
            step()
            if turn:
                times[label].append(clock() - start)
    return {label: median(seconds) for label, seconds in times.items()}


if __name__ == "__main__":
    main()
