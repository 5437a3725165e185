"""Where fragments lie: the section of each, and its part of the volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Product, Progress, Tables, each, kernel
from savem3.grid import Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels

DOMAIN: Shape = (256, 512, 512)
"""Voxels along z, y, x of one domain: about 10⁵ fragments of FIB-SEM."""


@dataclass(frozen=True, slots=True)
class Place:
    """Block function: the first and the last voxel of each fragment in a tile, as flat indices of the volume.

    Parameters
    ----------
    fragments
        Numbered 1 to n; background is left out.
    """

    fragments: Labels

    def __call__(self, tile: Tile, /) -> Product:
        """Tables ``labels``, ascending, ``first`` and ``last``."""
        voxels = self.fragments.read(tile.write).astype(np.int64)
        low = int(voxels.min())
        spans = _spans(voxels, low, int(voxels.max()) - low + 1, tile.write.start, self.fragments.grid.shape)
        labels = np.flatnonzero(spans[:, 1] >= 0)
        labels = labels[labels + low > 0]
        return Product(tables={"labels": labels + low, "first": spans[labels, 0], "last": spans[labels, 1]})


def places(
    fragments: Labels, *, block: Shape = (128, 256, 256), workers: int = 1, progress: Progress | None = None
) -> Int64[np.ndarray, "node 2"]:
    """Flat index of the first and the last voxel of fragments 1, 2, …; −1 for numbers that none has.

    Parameters
    ----------
    fragments
        Numbered 1 to n.
    block, workers, progress
        As in `region_graph`; they change nothing.
    """
    tiles = split(fragments.grid.shape, block=block)
    return join_places(
        [product.tables for product in each(tiles, Place(fragments), workers=workers, progress=progress)]
    )


def join_places(tables: Tables) -> Int64[np.ndarray, "node 2"]:
    """The places of all tiles as one; the order of the tiles does not matter."""
    nodes = max((int(table["labels"][-1]) for table in tables if len(table["labels"])), default=0)
    found = np.full((nodes, 2), -1, np.int64)
    for table in tables:
        own = table["labels"] - 1
        before = np.where(found[own, 0] < 0, table["first"], found[own, 0])
        found[own, 0] = np.minimum(before, table["first"])
        found[own, 1] = np.maximum(found[own, 1], table["last"])
    return found


def sections_of(place: Int64[np.ndarray, "node 2"], *, shape: Shape) -> Int64[np.ndarray, " node"]:
    """The section that each fragment lies in.

    Parameters
    ----------
    place
        From `places`.
    shape
        Voxels of the volume along z, y, x.

    Raises
    ------
    ValueError
        If a fragment lies in several sections.
    """
    section = place // (shape[1] * shape[2])
    if (several := np.flatnonzero(section[:, 0] != section[:, 1])).size:
        label, (first, last) = several[0] + 1, section[several[0]]
        raise ValueError(f"fragments must lie in one section each, got fragment {label} in sections {first} to {last}")
    return section[:, 0]


def domains_of(
    place: Int64[np.ndarray, "node 2"], *, shape: Shape, domain: Shape = DOMAIN
) -> Int64[np.ndarray, " node"]:
    """The domain of a fixed grid that the first voxel of each fragment lies in; for `RegionGraph.domain`.

    Parameters
    ----------
    place
        From `places`.
    shape
        Voxels of the volume along z, y, x.
    domain
        Voxels of one domain along z, y, x.
    """
    z, y, x = np.unravel_index(np.maximum(place[:, 0], 0), shape)
    rows, columns = -(-shape[1] // domain[1]), -(-shape[2] // domain[2])
    number = (z // domain[0] * rows + y // domain[1]) * columns + x // domain[2]
    return np.where(place[:, 0] < 0, -1, number).astype(np.int64)


@kernel
def _spans(
    labels: Int64[np.ndarray, "z y x"], low: int, count: int, start: Shape, shape: Shape
) -> Int64[np.ndarray, "label 2"]:
    """First and last flat index in the volume of labels low, low + 1, …; −1 where a label is missing."""
    spans = np.full((count, 2), -1, np.int64)
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = ((start[0] + z) * shape[1] + start[1] + y) * shape[2] + start[2]
            for x in range(labels.shape[2]):
                label = labels[z, y, x] - low
                if spans[label, 0] < 0:
                    spans[label, 0] = row + x
                spans[label, 1] = row + x
    return spans
