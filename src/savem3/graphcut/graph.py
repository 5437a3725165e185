"""From fragments and a boundary map to the region graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Faces, Product, Progress, Tables, count_voxels, each, faces_of, join_faces
from savem3.grid import Shape
from savem3.regions import RegionGraph
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap, Labels

SUMS = ("pairs", "count", "total", "minimum", "maximum")
"""What a block's table says of faces; the columns of `Faces`."""


@dataclass(frozen=True, slots=True)
class CollectFaces:
    """The block function that sums the boundary over the faces of a block, and counts its voxels.

    A face belongs to the block that writes its lower voxel. Its tables: ``pairs``, ``count``, ``total``, ``minimum``
    and ``maximum`` of `Faces`, and ``labels`` and ``sizes``, each label of the block and its voxels. They add up to the
    region graph; see `join_graph`.

    Parameters
    ----------
    fragments
        Numbered 1 to n; 0 is background. In memory or lazy.
    boundary
        On the same grid.

    Raises
    ------
    ValueError
        If the shapes differ, or a label is larger than the number of voxels.
    """

    fragments: Labels
    boundary: BoundaryMap

    def __post_init__(self) -> None:
        shape, other = self.fragments.grid.shape, self.boundary.grid.shape
        if shape != other:
            raise ValueError(f"boundary must have the shape of fragments {shape}, got {other}")

    def __call__(self, tile: Tile, /) -> Product:
        labels, sizes = count_voxels(self.fragments.read(tile.write))
        if len(labels) and labels[-1] > self.fragments.grid.voxels:
            raise ValueError(f"fragments must be numbered 1 to n without large gaps, got label {labels[-1]}")
        faces = faces_of(self.fragments.voxels, self.boundary.voxels, tile, linked=True)
        return Product({}, {name: getattr(faces, name) for name in SUMS} | {"labels": labels, "sizes": sizes})


def join_graph(tables: Tables) -> RegionGraph:
    """The region graph of a volume from the tables of its blocks, in any order; each is read once.

    Parameters
    ----------
    tables
        From `CollectFaces`. If they are lazy, memory stays near the size of the result.
    """
    sizes = np.zeros(0, np.int64)

    def counted() -> Iterator[Faces]:
        nonlocal sizes
        for index in range(len(tables)):
            table = tables[index]
            sizes = _add(sizes, np.asarray(table["labels"]), np.asarray(table["sizes"]))
            yield Faces(*(np.asarray(table[name]) for name in SUMS))

    faces = join_faces(counted())
    return RegionGraph(sizes, faces.pairs.astype(np.uint64), faces.count, faces.total, faces.minimum, faces.maximum)


def region_graph(
    fragments: Labels,
    boundary: BoundaryMap,
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> RegionGraph:
    """The region graph of a volume; the same for every block and every number of workers.

    Two fragments are joined by an edge where they share a face of voxels, within a section or across sections.

    Parameters
    ----------
    fragments, boundary
        See `CollectFaces`.
    block
        Voxels along z, y, x that one worker holds at a time.
    workers
        Threads.
    progress
        Told of each finished block.

    Raises
    ------
    ValueError
        See `CollectFaces`.

    Notes
    -----
    Source: the paper's affinity of two voxels is 1 − max of their boundary values; here the maximum itself is summed.
    """
    collect = CollectFaces(fragments, boundary)
    tiles = split(fragments.grid.shape, block=block)
    return join_graph([product.tables for product in each(tiles, collect, workers=workers, progress=progress)])


def _add(
    sizes: Int64[np.ndarray, " node"], labels: Int64[np.ndarray, " label"], more: Int64[np.ndarray, " label"]
) -> Int64[np.ndarray, " more_nodes"]:
    """Sizes of fragments 1, 2, … with those of some labels added; as many as the largest label asks for."""
    missing = max(0, int(labels.max(initial=0)) - len(sizes))
    sizes = np.concatenate([sizes, np.zeros(missing, np.int64)]) if missing else sizes
    sizes[labels - 1] += more
    return sizes
