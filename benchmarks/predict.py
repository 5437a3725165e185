"""How fast students predict: patches a second by backend, beside the rate of a large matrix product in the same run.

    python benchmarks/predict.py [--threads 1] [--repeats 5] [--volume 128,512,512] [--students fast,superhuman]

Prints Markdown. "Net" is Mvox/s inside one patch, "useful" is Mvox/s of a whole volume with one view, overlap, reading
and rounding included. "Of product" is the student's multiplications a second over those of a matrix product (torch, the
same threads): what is left to win. Each number is the median of its repeats, taken in turns, so that a busy moment hits
all alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import nn

from savem3.distill import build_student
from savem3.grid import Grid, Shape
from savem3.predict import (
    Network,
    PredictRecipe,
    compile_network,
    fast_cpu,
    predict_box,
    student_views,
    superhuman_cpu,
)
from savem3.volume import Image, IntensityMap

RECIPES = {"fast": fast_cpu(), "superhuman": superhuman_cpu()}
MODES = [("torch", "float32"), ("torch", "bfloat16"), ("openvino", "float32"), ("openvino", "bfloat16")]
PRODUCT = 2048


@dataclass(frozen=True, slots=True)
class Row:
    student: str
    mode: str
    net: float
    useful: float
    of_product: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--volume", default="128,512,512", help="voxels along z, y, x")
    parser.add_argument("--students", default="fast,superhuman")
    options = parser.parse_args()
    z, y, x = (int(n) for n in options.volume.split(","))
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.students.split(","):
        rows += measure(name, shape=(z, y, x), threads=options.threads, repeats=options.repeats)
    print(as_markdown(rows, shape=(z, y, x), threads=options.threads, repeats=options.repeats))


def measure(name: str, *, shape: Shape, threads: int, repeats: int) -> list[Row]:
    """One row a mode for one student."""
    torch.manual_seed(0)
    student, recipe = build_student(name).eval(), RECIPES[name]
    work = 2 * multiplications_a_voxel(student)
    patches = np.zeros((threads, 1, *recipe.patch), np.float32)
    networks = {mode: compile_for(student, patches, mode=mode, threads=threads) for mode in MODES}
    calls: dict[tuple[str, str], Callable[[], object]] = {
        mode: lambda network=network: network(patches) for mode, network in networks.items()
    }
    a, b = torch.rand(2, PRODUCT, PRODUCT)
    times = in_turns({**calls, ("product", ""): lambda: a @ b}, repeats=repeats)
    product = 2 * PRODUCT**3 / times["product", ""]
    rows = []
    for mode in MODES:
        net = patches.size / times[mode]
        useful = whole_volume(student, recipe, shape=shape, mode=mode, threads=threads)
        rows.append(Row(name, " ".join(mode), net / 1e6, useful / 1e6, net * work / product))
    return rows


def compile_for(student: nn.Module, patches: np.ndarray, *, mode: tuple[str, str], threads: int) -> Network:
    backend, precision = mode
    return compile_network(
        student,
        batch=len(patches),
        patch=patches.shape[2:],
        backend=backend,
        device="cpu",
        threads=threads,
        precision=precision,
    )


def in_turns[Key](calls: dict[Key, Callable[[], object]], *, repeats: int) -> dict[Key, float]:
    """Median seconds of each call; all are called once unmeasured, then by turns."""
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for turn in range(repeats + 1):
        for key, call in calls.items():
            start = perf_counter()
            call()
            if turn:
                times[key].append(perf_counter() - start)
    return {key: median(seconds) for key, seconds in times.items()}
