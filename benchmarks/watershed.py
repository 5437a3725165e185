"""Our oversegmentation and region graph beside those of other packages: oracle VoI and seconds on one core, by turns.

    python benchmarks/watershed.py VOLUME.h5 [--boundary FILE.h5:DATASET] [--sections 0:120] [--repeats 3] [--cpu-time]
        [--without mwatershed …]

Prints Markdown. The file holds ``raw`` and the attribute ``resolution_nm``, and ``labels`` if there is a truth. Without
a boundary map (0–1 or 0–255), raw smoothed by 1 voxel and inverted stands for one: poor, but the same for all. The
oracle VoI is what is left when every fragment is given to the true object that it overlaps most: the best any
agglomeration could reach. Seconds are medians; all methods are timed by turns, so that a busy moment hits all alike.
Loops are compiled before the first turn. A package that is missing is named and left out; the mutex watershed takes
long. All begin from the same boundary map in memory, and what they make of it for themselves counts: seeds and
distances for the seeded watersheds, affinities for WaterZ (its fragments are its own watershed, without agglomeration)
and the mutex watershed (repulsion 4 voxels away).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from statistics import median
from time import perf_counter, process_time
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from savem3.evaluate import compare, join_by_truth, voi_merge, voi_split
from savem3.graphcut import region_graph
from savem3.grid import Grid
from savem3.oversegment import oversegment
from savem3.volume import BoundaryMap, Labels

MUTEX_REACH = 4
"""Voxels between the two ends of a repulsive edge of the mutex watershed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume")
    parser.add_argument("--sections", default=":")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--boundary")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--without", nargs="*", default=[], choices=METHODS)
    options = parser.parse_args()
    start, stop = (int(z) if z else None for z in options.sections.split(":"))
    boundary, truth = read(options.volume, slice(start, stop), source=options.boundary)
    clock = process_time if options.cpu_time else perf_counter
    methods = {name: method for name, method in METHODS.items() if name not in options.without}
    for line in table(boundary, truth, methods, repeats=options.repeats, clock=clock):
        print(line, flush=True)


def read(path: str, sections: slice, *, source: str | None) -> tuple[BoundaryMap, Labels | None]:
    """Boundary map and truth of some sections; some files hold no truth."""
    with h5py.File(path) as file:
        raw = file["raw"][sections]
        grid = Grid(raw.shape, tuple(float(size) for size in file.attrs["resolution_nm"]))
        truth = Labels(file["labels"][sections].astype(np.uint64), grid) if "labels" in file else None
    voxels = boundary_from_raw(raw) if source is None else read_boundary(source, sections)
    return BoundaryMap(voxels, grid), truth


def read_boundary(source: str, sections: slice) -> NDArray[np.uint8]:
    """A boundary map from FILE.h5:DATASET, 0–1 or 0–255."""
    path, dataset = source.rsplit(":", 1)
    with h5py.File(path) as file:
        values = file[dataset][sections]
    return values if values.dtype == np.uint8 else np.rint(values * 255).astype(np.uint8)


def boundary_from_raw(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Dark is membrane: the 2nd percentile of the smoothed grey values is certain, from the 60th on it is none."""
    smoothed = ndimage.gaussian_filter(raw.astype(np.float32), 1)
    dark, bright = np.percentile(smoothed, [2, 60])
    return np.clip((bright - smoothed) / (bright - dark) * 255, 0, 255).astype(np.uint8)


def seeds_and_height(boundary: BoundaryMap) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Seeds at the peaks of the smoothed distance (sigma 2), height 0.9 boundary + 0.1 distance, as the paper's."""
    probability = np.asarray(boundary.voxels) / np.float32(255)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(probability < 0.5), 2)
    peaks = (depth == ndimage.maximum_filter(depth, 5)) & (depth > 0)
    height = 0.9 * probability + 0.1 * (1 - depth / max(depth.max(), 1e-6))
    return ndimage.label(peaks, np.ones((3, 3, 3)))[0], height.astype(np.float32)


def scikit_image(boundary: BoundaryMap) -> Labels:
    seeds, height = seeds_and_height(boundary)
    return as_labels(import_module("skimage.segmentation").watershed(height, seeds), boundary)


def bioimage_cpp(boundary: BoundaryMap) -> Labels:
    seeds, height = seeds_and_height(boundary)
    return as_labels(import_module("bioimage_cpp").segmentation.watershed(height, seeds.astype(np.uint32)), boundary)


def waterz(boundary: BoundaryMap) -> Labels:
    return as_labels(next(import_module("waterz").agglomerate(affinities(boundary, 1), [0.0])), boundary)


def mwatershed(boundary: BoundaryMap) -> Labels:
    near, far = affinities(boundary, 1).astype(np.float64), affinities(boundary, MUTEX_REACH).astype(np.float64)
    edges = np.concatenate([near, np.minimum(far - 1, 0)])
    offsets = [[-step * (axis == k) for k in range(3)] for step in (1, MUTEX_REACH) for axis in range(3)]
    return as_labels(import_module("mwatershed").agglom(edges, offsets), boundary)


def affinities(boundary: BoundaryMap, reach: int) -> NDArray[np.float32]:
    """To the voxel so far before, along each axis: 1 − the largest boundary probability on the way."""
    values = np.asarray(boundary.voxels) / np.float32(255)
    result = np.zeros((3, *values.shape), np.float32)
    for axis in range(3):
        along = np.moveaxis(values, axis, 0)
        worst = np.max([along[k : len(along) - reach + k] for k in range(reach + 1)], axis=0)
        np.moveaxis(result[axis], axis, 0)[reach:] = 1 - worst
    return result


def as_labels(array: NDArray[Any], boundary: BoundaryMap) -> Labels:
    return Labels(np.asarray(array).astype(np.uint64), boundary.grid)


def their_region_graph(fragments: NDArray[np.uint64], boundary: NDArray[np.float32], features: str) -> object:
    graph = import_module("bioimage_cpp.graph")
    regions = graph.region_adjacency_graph(fragments, number_of_threads=1)
    return getattr(graph.features, features)(regions, fragments, boundary, number_of_threads=1)


METHODS: dict[str, Callable[[BoundaryMap], Labels]] = {
    "savem3": oversegment,
    "savem3, blocks of 64³": lambda boundary: oversegment(boundary, block=(64, 64, 64)),
    "scikit-image, seeded": scikit_image,
    "bioimage-cpp, seeded": bioimage_cpp,
    "waterz, fragments": waterz,
    "mwatershed": mwatershed,
}


def table(
    boundary: BoundaryMap,
    truth: Labels | None,
    methods: dict[str, Callable[[BoundaryMap], Labels]],
    *,
    repeats: int,
    clock: Callable[[], float],
) -> list[str]:
    """One line a method: fragments, then region graphs of our fragments."""
    calls: dict[str, Callable[[], Any]] = {name: partial(method, boundary) for name, method in methods.items()}
    fragments, missing = try_all(calls)
    scored = {name: quality(found, truth) for name, found in fragments.items()}
    labels, values = np.asarray(fragments["savem3"].voxels), np.asarray(boundary.voxels).astype(np.float32)
    graphs: dict[str, Callable[[], Any]] = {
        "savem3, region graph": partial(region_graph, fragments["savem3"], boundary),
        "bioimage-cpp, region graph, mean and count": partial(their_region_graph, labels, values, "edge_map_features"),
        "bioimage-cpp, region graph, all features": partial(
            their_region_graph, labels, values, "edge_map_features_complex"
        ),
    }
    found, missing_too = try_all(graphs)
    ran = {name: call for name, call in (calls | graphs).items() if name in fragments | found}
    seconds = by_turns(ran, repeats=repeats, clock=clock)
    millions = boundary.grid.voxels / 1e6
    lines = [f"{millions:.1f} Mvox, {clock.__name__}, median of {repeats}\n"]
    lines += [
        "| method | fragments | oracle VoI (split + merge) | s | Mvox/s | to savem3 |",
        "|---|---|---|---|---|---|",
    ]
    for name, time in seconds.items():
        ours = seconds["savem3, region graph" if name in graphs else "savem3"]
        lines.append(f"| {name} {scored.get(name, '| | |')} {time:.2f} | {millions / time:.1f} | {time / ours:.2f} × |")
    return lines + [f"| {name} | | | not installed | | |" for name in missing + missing_too]


def try_all(calls: dict[str, Callable[[], Any]]) -> tuple[dict[str, Any], list[str]]:
    """The results of those whose package is there, and the names of the others."""
    results, missing = {}, []
    for name, call in calls.items():
        try:
            results[name] = call()
        except ModuleNotFoundError:
            missing.append(name)
    return results, missing


def by_turns(calls: dict[str, Callable[[], Any]], *, repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begun = clock()
            call()
            seconds[name].append(clock() - begun)
    return {name: median(times) for name, times in seconds.items()}


def quality(fragments: Labels, truth: Labels | None) -> str:
    """Number of fragments and the oracle's VoI, as cells of the table."""
    number = len(np.unique(np.asarray(fragments.voxels)))
    if truth is None:
        return f"| {number} | |"
    joined = join_by_truth(compare(fragments, truth))
    split, merge = voi_split(joined), voi_merge(joined)
    return f"| {number} | {split + merge:.3f} ({split:.3f} + {merge:.3f}) |"


if __name__ == "__main__":
    main()
