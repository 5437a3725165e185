"""All cutters on the same fragments and boundary map of FIB-25 sample 2, with WaterZ beside them if it is installed
(``pip install "savem3[bench]"``).

    python benchmarks/agglomerate.py --data DIR [--boundary FILE.h5] [--dynamics 2000] [--repeats 3]

Prints Markdown. DIR holds `fib25_training_sample2.h5` (raw, labels). The boundary map is the shipped student's, drawn
once for the whole block (about half a minute on one core) and kept in FILE.h5 if that is given. Each cutter's β, or
threshold, is the one of least VoI on sections 100–119; what is printed is scored on sections 130–249, which no network
and no choice has seen. Seconds are CPU time, medians of repeats, and memory is what the process grew by: both for the
cut and the relabelling of the volume, without the region graph that our cutters share; WaterZ makes affinities and its
own region graph in them, but for the line that says "on our graph".
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from savem3.evaluate import relabel_components, score
from savem3.graphcut import (
    CUTTERS,
    Cutter,
    agglomerate_by_waterz,
    by_waterz,
    memory_of,
    region_graph,
    relabel,
    weigh_edges,
    with_histogram,
)
from savem3.grid import Box, Grid
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.volume import BoundaryMap, Image, Labels

HAS_WATERZ = find_spec("waterz") is not None
CHOSEN_ON, SCORED_ON = range(100, 120), range(130, 250)
BETAS = tuple(round(0.05 * i, 2) for i in range(2, 19))
WATERZ = {
    "WaterZ, 50-quantile": "OneMinus<HistogramQuantileAffinity<RegionGraphType,50,ScoreValue,256>>",
    "WaterZ, 50-quantile of all faces": "OneMinus<HistogramQuantileAffinity<RegionGraphType,50,ScoreValue,256,false>>",
    "WaterZ, mean": "OneMinus<MeanAffinity<RegionGraphType, ScoreValue>>",
}

Method = Callable[[float], Labels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--boundary", type=Path)
    parser.add_argument("--dynamics", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with h5py.File(options.data / "fib25_training_sample2.h5") as file:
        grid = Grid(file["raw"].shape, tuple(float(size) for size in file.attrs["resolution_nm"]))
        image = Image(file["raw"][:], grid)
        truth = Labels(file["labels"][:].astype(np.uint64), grid)
    boundary = boundary_of(image, options.boundary)
    parts = [cut_out(boundary, truth, sections, options.dynamics) for sections in (CHOSEN_ON, SCORED_ON)]
    for line in table(*parts, repeats=options.repeats):
        print(line, flush=True)


def boundary_of(image: Image, path: Path | None) -> BoundaryMap:
    """The shipped student's boundary map, from a file if it has been drawn before."""
    if path is not None and path.exists():
        with h5py.File(path) as file:
            return BoundaryMap(file["boundary"][:], image.grid)
    from savem3.pipeline import draw_boundary, settings_for
    from savem3.shipped import read_student

    student, weights = read_student()
    boundary = draw_boundary(image, student, settings=settings_for(weights, threads=1, device="cpu"))
    if path is not None:
        with h5py.File(path, "w") as file:
            file.create_dataset("boundary", data=boundary.voxels, compression=1)
    return boundary


class Part:
    """Some sections: truth, fragments, and each method as a function of its one setting."""

    def __init__(self, boundary: BoundaryMap, truth: Labels, *, dynamics: int) -> None:
        self.truth = relabel_components(truth)
        self.fragments = oversegment(boundary, recipe=OversegmentRecipe(dynamics=dynamics))
        graph = region_graph(self.fragments, boundary)
        self.graph = with_histogram(graph, self.fragments, boundary)
        self.boundary = boundary

    def methods(self) -> dict[str, Method]:
        plain = {name: cutter for name, cutter in CUTTERS.items() if name != "lifted"}  # without lifted edges multicut
        ours = {name: self.cutter(cutter) for name, cutter in plain.items()}
        if not HAS_WATERZ:
            return ours
        theirs = {name: self.waterz(scoring) for name, scoring in WATERZ.items()}
        return ours | theirs | {"WaterZ, 50-quantile, on our graph": self.cutter(by_waterz)}

    def cutter(self, cutter: Cutter) -> Method:
        return lambda beta: relabel(self.fragments, cutter(weigh_edges(self.graph, beta=beta)))

    def waterz(self, scoring: str) -> Method:
        return lambda beta: agglomerate_by_waterz(self.boundary, self.fragments, 1 - beta, scoring=scoring)


def cut_out(boundary: BoundaryMap, truth: Labels, sections: range, dynamics: int) -> Part:
    box = Box((sections.start, 0, 0), (sections.stop, *boundary.grid.shape[1:]))
    return Part(boundary.crop(box), truth.crop(box), dynamics=dynamics)


def table(chosen: Part, scored: Part, *, repeats: int) -> list[str]:
    """One line a method."""
    oracle = score(scored.fragments, scored.truth, fragments=scored.fragments).oracle
    nodes, edges = len(scored.graph.sizes), len(scored.graph.edges)
    lines = [
        f"{nodes} fragments, {edges} edges; the fragments' oracle has VoI {oracle.voi:.3f}; "
        f"`memory_of` says {memory_of(edges, nodes) / 1e6:.0f} MB; chosen on z {name(CHOSEN_ON)}, scored on z "
        f"{name(SCORED_ON)}\n",
        "| cutter | β | VoI (split + merge) | ARand | segments | s | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    trials, finals = chosen.methods(), scored.methods()
    for method, run in finals.items():
        errors = {beta: score(trials[method](beta), chosen.truth).voi for beta in BETAS}
        beta = min(errors, key=lambda b: (errors[b], -b))
        labels, seconds, grown = measure(lambda: run(beta), repeats=repeats)  # noqa: B023
        s = score(labels, scored.truth)
        lines.append(
            f"| {method} | {beta:.2f} | {s.voi:.3f} ({s.voi_split:.3f} + {s.voi_merge:.3f}) | {s.arand_skimage:.3f} "
            f"| {s.segments} | {seconds:.2f} | {grown / 1e6:.0f} |"
        )
    if not HAS_WATERZ:
        lines.append("| WaterZ | not installed | | | | | |")
    return lines


def name(sections: range) -> str:
    return f"{sections.start}–{sections.stop - 1}"


def measure(call: Callable[[], Labels], *, repeats: int) -> tuple[Labels, float, int]:
    """Its result, the median of its CPU seconds, and by how many bytes the process grew meanwhile (Linux)."""
    before, peak, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    labels = call()
    done.set()
    watcher.join()
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return labels, median(seconds), max(0, peak[0] - before)


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


if __name__ == "__main__":
    main()
