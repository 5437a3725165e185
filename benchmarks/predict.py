"""How fast students predict, by backend and precision, beside the rate of a large matrix product in the same run.

    python benchmarks/predict.py [--threads 1] [--repeats 5] [--students fast,superhuman] [--cpu-time]

Prints Markdown. Timed is `predict_box` on a box inside a larger volume that as many patches own as there are threads:
reading, normalising, network and rounding. "Seen" counts the patches' voxels a second, "useful" those of the box; their
ratio is the price of the overlap. "Of product" is the student's multiplications a second over those of a matrix product
(torch, float32, the same threads): what is left to win. Numbers are medians; all modes are timed by turns, so that a
busy moment hits all alike. On a machine that others use too, `--cpu-time` counts the process's seconds a thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter, process_time

import numpy as np
import torch
from torch import nn

from savem3.distill import build_student
from savem3.grid import Box, Grid
from savem3.predict import PredictRecipe, fast_cpu, predict_box, student_views, superhuman_cpu
from savem3.volume import Image, IntensityMap

RECIPES = {"fast": fast_cpu(), "superhuman": superhuman_cpu()}
MODES = [("torch", "float32"), ("torch", "bfloat16"), ("openvino", "float32"), ("openvino", "bfloat16")]
PRODUCT = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--students", default="fast,superhuman")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    clock = process_time if options.cpu_time else perf_counter
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, {clock.__name__}, median of {options.repeats}, matrix product of {PRODUCT}²\n")
    print("| student | backend | products | seen Mvox/s | useful Mvox/s | of product |\n|---|---|---|---|---|---|")
    for name in options.students.split(","):
        for line in lines_of(name, threads=options.threads, repeats=options.repeats, clock=clock):
            print(line, flush=True)


def lines_of(name: str, *, threads: int, repeats: int, clock: Callable[[], float]) -> list[str]:
    """One line of the table a mode."""
    torch.manual_seed(0)
    student, recipe = build_student(name).eval(), RECIPES[name]
    calls = {mode: box_prediction(student, recipe, mode=mode, threads=threads) for mode in MODES}
    a, b = torch.rand(2, PRODUCT, PRODUCT)
    times = in_turns({**calls, ("product", ""): lambda: a @ b}, repeats=repeats, clock=clock)
    if clock is process_time:
        times = {key: seconds / threads for key, seconds in times.items()}
    rate = PRODUCT**3 / times["product", ""]
    seen, useful = threads * np.prod(recipe.patch), threads * np.prod(np.subtract(recipe.patch, recipe.overlap))
    work = seen * multiplications_a_voxel(student)
    return [
        f"| {name} | {' | '.join(mode)} | {seen / times[mode] / 1e6:.3f} | {useful / times[mode] / 1e6:.3f} "
        f"| {work / times[mode] / rate:.2f} |"
        for mode in MODES
    ]


def box_prediction(
    student: nn.Module, recipe: PredictRecipe, *, mode: tuple[str, str], threads: int
) -> Callable[[], object]:
    """A call that predicts a box of one patch's own voxels a thread, away from all faces."""
    backend, precision = mode
    z, y, x = (p - o for p, o in zip(recipe.patch, recipe.overlap, strict=True))
    shape = (5 * z, 5 * y, (threads + 5) * x)
    voxels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = Image(voxels, Grid(shape, (30.0, 6.0, 4.0)))
    recipe = PredictRecipe(recipe.patch, recipe.overlap, precision=precision)
    views = student_views(student, image.grid, recipe=recipe, backend=backend, device="cpu", threads=threads)
    assert views[0].patches.patch == recipe.patch
    box = Box((z, y, x), (2 * z, 2 * y, (1 + threads) * x))
    return lambda: predict_box(image, box, views=views, intensity=IntensityMap(0.0, 255.0))


def in_turns(
    calls: Mapping[tuple[str, str], Callable[[], object]], *, repeats: int, clock: Callable[[], float]
) -> dict[tuple[str, str], float]:
    """Median seconds of each call; each is called once unmeasured, then all by turns."""
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for turn in range(repeats + 1):
        for key, call in calls.items():
            start = clock()
            call()
            if turn:
                times[key].append(clock() - start)
    return {key: median(seconds) for key, seconds in times.items()}


def multiplications_a_voxel(student: nn.Module) -> float:
    """Multiplications of all convolutions, counted on a small patch."""
    shape, total = (1, 1, 8, 64, 64), 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        # a transposed convolution spends its products on its input's voxels, a plain one on its output's
        spent_on = inputs[0] if isinstance(layer, nn.ConvTranspose3d) else output
        voxels = spent_on[0, 0].numel()
        total += voxels * weight.numel()

    hooks = [m.register_forward_hook(count) for m in student.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    with torch.inference_mode():
        student(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    return total / float(np.prod(shape))


if __name__ == "__main__":
    main()
