"""Our oversegmentation beside scikit-image's seeded watershed: oracle VoI and seconds on one core, by turns.

    python benchmarks/watershed.py VOLUME.h5 [--sections 0:120] [--repeats 3] [--boundary DATASET] [--cpu-time]

Prints Markdown. The file holds ``raw`` and ``labels`` (z, y, x) and the attribute ``resolution_nm``. Without a set of
boundary probabilities, raw smoothed by 1 voxel and inverted stands for one: poor, but the same for all. The oracle VoI
is what is left when every fragment is given to the true object that it overlaps most: the best any agglomeration could
reach. Seconds are medians; all methods are timed by turns, so that a busy moment hits all alike. Loops are compiled
before the first turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter, process_time

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from savem3.evaluate import compare, join_by_truth, voi_merge, voi_split
from savem3.graphcut import region_graph
from savem3.grid import Grid
from savem3.oversegment import oversegment
from savem3.volume import BoundaryMap, Labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume")
    parser.add_argument("--sections", default=":")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--boundary")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    start, stop = (int(z) if z else None for z in options.sections.split(":"))
    boundary, truth = read(options.volume, slice(start, stop), dataset=options.boundary)
    for line in table(
        boundary, truth, repeats=options.repeats, clock=process_time if options.cpu_time else perf_counter
    ):
        print(line, flush=True)


def read(path: str, sections: slice, *, dataset: str | None) -> tuple[BoundaryMap, Labels]:
    """Boundary map and truth of some sections."""
    with h5py.File(path) as file:
        raw, labels = file["raw"][sections], file["labels"][sections].astype(np.uint64)
        grid = Grid(raw.shape, tuple(float(size) for size in file.attrs["resolution_nm"]))
        voxels = boundary_from_raw(raw) if dataset is None else np.rint(file[dataset][sections] * 255).astype(np.uint8)
    return BoundaryMap(voxels, grid), Labels(labels, grid)


def boundary_from_raw(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Dark is membrane: the 2nd percentile of the smoothed grey values is certain, from the 60th on it is none."""
    smoothed = ndimage.gaussian_filter(raw.astype(np.float32), 1)
    dark, bright = np.percentile(smoothed, [2, 60])
    return np.clip((bright - smoothed) / (bright - dark) * 255, 0, 255).astype(np.uint8)


def seeded_watershed(boundary: BoundaryMap) -> Labels:
    """Seeds at the peaks of the smoothed distance (sigma 2), height 0.9 boundary + 0.1 distance, as the paper's."""
    probability = boundary.voxels / np.float32(255)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(probability < 0.5), 2)
    peaks = (depth == ndimage.maximum_filter(depth, 5)) & (depth > 0)
    seeds = ndimage.label(peaks, np.ones((3, 3, 3)))[0]
    height = 0.9 * probability + 0.1 * (1 - depth / max(depth.max(), 1e-6))
    return Labels(watershed(height, seeds).astype(np.uint64), boundary.grid)


METHODS: dict[str, Callable[[BoundaryMap], Labels]] = {
    "savem3": oversegment,
    "savem3, blocks of 64³": lambda boundary: oversegment(boundary, block=(64, 64, 64)),
    "scikit-image": seeded_watershed,
}


def table(boundary: BoundaryMap, truth: Labels, *, repeats: int, clock: Callable[[], float]) -> list[str]:
    """One line a method."""
    fragments = {name: method(boundary) for name, method in METHODS.items()}
    calls: dict[str, Callable[[], object]] = {name: partial(method, boundary) for name, method in METHODS.items()}
    calls["region graph of savem3's"] = partial(region_graph, fragments["savem3"], boundary)
    calls["region graph of savem3's"]()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begun = clock()
            call()
            seconds[name].append(clock() - begun)
    ours = median(seconds["savem3"])
    lines = [f"{boundary.grid.voxels / 1e6:.1f} Mvox, {clock.__name__}, median of {repeats}\n"]
    lines += ["| method | fragments | oracle VoI (split + merge) | s | to savem3 |", "|---|---|---|---|---|"]
    for name, times in seconds.items():
        scored = quality(fragments[name], truth) if name in fragments else "| | |"
        lines.append(f"| {name} {scored} {median(times):.2f} | {median(times) / ours:.2f} × |")
    return lines


def quality(fragments: Labels, truth: Labels) -> str:
    """Number of fragments and the oracle's VoI, as cells of the table."""
    joined = join_by_truth(compare(fragments, truth))
    split, merge = voi_split(joined), voi_merge(joined)
    return f"| {int(np.max(fragments.voxels))} | {split + merge:.3f} ({split:.3f} + {merge:.3f}) |"


if __name__ == "__main__":
    main()
