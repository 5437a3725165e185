"""How often each boundary value occurs on the faces of each edge: what medians are read from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from savem3.blocks import Product, Progress, Tables, each, kernel
from savem3.grid import Box, Shape
from savem3.regions import RegionGraph
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap, Labels

BINS = 32
"""Of 8 boundary values each."""


@dataclass(frozen=True, slots=True)
class CountValues:
    """Block function: the histogram of the faces of each pair that touches in a tile.

    A face belongs to the tile that writes its lower voxel, and its value is the larger of its two voxels', as in the
    region graph.

    Parameters
    ----------
    fragments
        Numbered 1 to n; background shares no face.
    boundary
        On the same grid.
    """

    fragments: Labels
    boundary: BoundaryMap

    def __call__(self, tile: Tile, /) -> Product:
        """Tables ``pairs``, sorted, and ``histogram``."""
        box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=self.fragments.grid.shape).stop)
        labels = np.ascontiguousarray(self.fragments.read(box).astype(np.int64))
        pairs, histogram = _count(labels, np.ascontiguousarray(self.boundary.read(box)), tile.write.shape)
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        return Product(tables={"pairs": pairs[order], "histogram": histogram[order]})


def with_histogram(
    graph: RegionGraph,
    fragments: Labels,
    boundary: BoundaryMap,
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> RegionGraph:
    """The graph with the histogram of each edge; the same for every block and every number of workers.

    Parameters
    ----------
    graph
        The region graph of these volumes.
    fragments, boundary
        See `region_graph`.
    block, workers, progress
        See `region_graph`.

    Raises
    ------
    ValueError
        If the graph belongs to other volumes.
    """
    count = CountValues(fragments, boundary)
    tiles = split(fragments.grid.shape, block=block)
    products = each(tiles, count, workers=workers, progress=progress)
    return join_histograms(graph, [product.tables for product in products])


def join_histograms(graph: RegionGraph, tables: Tables) -> RegionGraph:
    """The graph with the histograms of all tiles summed; the order of the tiles does not matter.

    Raises
    ------
    ValueError
        If a tile counted a pair that is no edge, or another number of faces than the graph.
    """
    histogram = np.zeros((len(graph.edges), BINS), np.int64)
    keys = _key(graph.edges.astype(np.int64))
    for table in tables:
        own = _key(np.asarray(table["pairs"][:]))
        edge = np.searchsorted(keys, own)
        if (edge >= len(keys)).any() or (keys[edge] != own).any():
            raise ValueError("graph must have an edge for each pair of fragments that touch, got one without")
        histogram[edge] += table["histogram"][:]
    if (wrong := np.flatnonzero(histogram.sum(1) != graph.count)).size:
        raise ValueError(f"graph must count the faces of these fragments, got {graph.count[wrong[0]]} on an edge")
    return replace(graph, histogram=histogram)


def middle_of_bins(bins: int) -> Float64[np.ndarray, " bin"]:
    """The boundary value, 0–255, in the middle of each of so many bins."""
    return (np.arange(bins) + 0.5) * 256 / bins - 0.5


def _key(pairs: Int64[np.ndarray, "pair 2"]) -> Int64[np.ndarray, " pair"]:
    """One number a pair that sorts as the pairs do; labels below 2³¹."""
    return (pairs[:, 0] << 32) | pairs[:, 1]


@kernel
def _count(
    labels: Int64[np.ndarray, "z y x"], values: UInt8[np.ndarray, "z y x"], shape: Shape
) -> tuple[Int64[np.ndarray, "pair 2"], Int64[np.ndarray, "pair bin"]]:
    """Pairs and the histogram of their faces whose lower voxel lies in the first ``shape``."""
    pairs, histogram = np.empty((1024, 2), np.int64), np.zeros((1024, BINS), np.int64)
    rows, known = {(0, 0): -1}, 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                here = labels[z, y, x]
                for axis in range(3):
                    zz, yy, xx = z + (axis == 0), y + (axis == 1), x + (axis == 2)
                    if here == 0 or zz == labels.shape[0] or yy == labels.shape[1] or xx == labels.shape[2]:
                        continue
                    there = labels[zz, yy, xx]
                    if there == 0 or there == here:
                        continue
                    pair = (min(here, there), max(here, there))
                    if pair not in rows:
                        if known == len(pairs):
                            pairs = np.concatenate((pairs, np.empty_like(pairs)))
                            histogram = np.concatenate((histogram, np.zeros_like(histogram)))
                        pairs[known, 0], pairs[known, 1] = pair
                        rows[pair] = known
                        known += 1
                    histogram[rows[pair], max(values[z, y, x], values[zz, yy, xx]) * BINS // 256] += 1
    return pairs[:known], histogram[:known]
