"""WaterZ itself, for comparison: on a volume, and on a region graph that is laid out as one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt64

from savem3.graphcut.agglomerate import fixed_point
from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.graphcut.joining import CERTAIN_BOUNDARY
from savem3.graphcut.weigh import log_odds_of_none
from savem3.regions import RegionGraph
from savem3.volume import BoundaryMap, Labels

BINS = 256
"""Into which WaterZ counts affinities; one half lies between two of them."""

MEDIAN = f"OneMinus<HistogramQuantileAffinity<RegionGraphType,50,ScoreValue,{BINS}>>"
"""WaterZ's 50-quantile, in which each contact counts once, with its largest affinity."""


def by_waterz(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes, as WaterZ joins them by its 50-quantile.

    As `quantile` reads edges: each says what its least boundary value says, moved by what its cost says beyond its
    mean, and 0.5 is where joining ends. For WaterZ each edge is laid out as two voxels side by side with background
    around them; as each contact counts with its largest affinity alone, nothing of the volume is missing. With β = 0.5
    the clusters are those of `agglomerate_by_waterz` at 0.5. Among medians of one bin WaterZ goes by the order of
    edges, so renaming the nodes may change what is joined though all costs differ: so it is not one of `CUTTERS`.

    Parameters
    ----------
    graph
        Weighed.

    Raises
    ------
    ModuleNotFoundError
        If the package waterz is not installed.
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: WaterZ 0.10 (MIT licence), which is precompiled for this scoring. The layout is our choice.
    """
    beyond = costs_of(graph) - log_odds_of_none(graph.mean / 255)
    affinity = _affinity_of(log_odds_of_none(graph.minimum / 255) + beyond)
    names = np.arange(1, len(graph.sizes) + 1)
    if len(affinity):
        pairs, affinities = _lay_out(graph.edges, affinity)
        joined = _agglomerate(affinities, pairs.copy(), 0.5, MEDIAN)
        names[pairs[pairs > 0].astype(np.int64) - 1] = joined[pairs > 0]
    return number_clusters(names)


def agglomerate_by_waterz(
    boundary: BoundaryMap, fragments: Labels, threshold: float, *, scoring: str = MEDIAN
) -> Labels:
    """Objects of a volume, as WaterZ joins its fragments; named by one of their fragments, background stays 0.

    WaterZ builds its own region graph, from affinities 1 − the larger boundary probability of two voxels. While it
    runs, whatever this process writes to its standard output is lost, because WaterZ reports its steps there.

    Parameters
    ----------
    boundary, fragments
        On one grid.
    threshold
        Boundary probability, 0–1, from which on nothing is joined; `quantile` has 1 − β there.
    scoring
        WaterZ's scoring function, in its notation; what is not precompiled takes a C++ compiler.

    Raises
    ------
    ModuleNotFoundError
        If the package waterz is not installed.
    ValueError
        If the shapes differ, or the threshold is out of its range.

    Notes
    -----
    Source: the paper runs WaterZ with its 50-quantile at thresholds 0.3, 0.4 and 0.5.
    """
    shape, other = fragments.grid.shape, boundary.grid.shape
    if shape != other:
        raise ValueError(f"boundary must have the shape of fragments {shape}, got {other}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie within 0 and 1, got {threshold}")
    voxels = np.array(fragments.voxels[...], np.uint64, order="C")
    return Labels(_agglomerate(affinities_of(boundary), voxels, threshold, scoring), fragments.grid)


def affinities_of(boundary: BoundaryMap) -> Float32[np.ndarray, "3 z y x"]:
    """To the voxel before along each axis: 1 − the larger of two boundary probabilities; 0 at the first voxel."""
    values = np.asarray(boundary.voxels[...])
    affinities = np.zeros((3, *values.shape), np.float32)
    for axis in range(3):
        here, there = (np.moveaxis(values, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        np.moveaxis(affinities[axis], axis, 0)[1:] = 1 - np.maximum(here, there) / np.float32(255)
    return affinities


def _affinity_of(costs: Float64[np.ndarray, " edge"]) -> Float32[np.ndarray, " edge"]:
    """The middle of the bin of each edge's affinity; however small a cost is, it stays on its side of one half."""
    bins = (CERTAIN_BOUNDARY - 1 - fixed_point(costs)) // (CERTAIN_BOUNDARY // BINS)
    return ((np.maximum(bins, 0) + 0.5) / BINS).astype(np.float32)


def _lay_out(
    edges: UInt64[np.ndarray, "edge 2"], affinity: Float32[np.ndarray, " edge"]
) -> tuple[UInt64[np.ndarray, "1 1 x"], Float32[np.ndarray, "3 1 1 x"]]:
    """A row of voxels, u, v and background for each edge, and its affinities; WaterZ joins nothing to background."""
    row, affinities = np.zeros((len(edges), 3), np.uint64), np.zeros((3, len(edges), 3), np.float32)
    row[:, :2] = edges
    affinities[2, :, 1] = affinity
    return row.reshape(1, 1, -1), affinities.reshape(3, 1, 1, -1)


def _agglomerate(
    affinities: Float32[np.ndarray, "3 z y x"], fragments: UInt64[np.ndarray, "z y x"], threshold: float, scoring: str
) -> UInt64[np.ndarray, "z y x"]:
    """What WaterZ makes of fragments, which it overwrites; without the words that it has for each step."""
    package = _package()
    with _silence():
        (objects,) = package.agglomerate(affinities, [threshold], fragments=fragments, scoring_function=scoring)
    return np.asarray(objects)


def _package() -> Any:
    try:
        return import_module("waterz")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('WaterZ needs the package waterz: pip install "savem3[bench]"') from error


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing that Python or compiled code writes to standard output arrives."""
    sys.stdout.flush()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        kept = os.dup(1)
        try:
            os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
