"""Which part of each section is looked at: tiles in the same places in every section, a stated number of voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from savem3.grid import Box, Shape
from savem3.volume import Image, VoxelArray, Window

TILE = 256
"""Longest edge of a tile, in voxels."""

SMALLEST_TILE = 64
"""Tiles are never cut smaller than this, so that every section is seen, however many there are."""

PER_SECTION = 16
"""Tiles of a section at most; a section of up to 1024 × 1024 voxels is seen as a whole."""

AT_A_GLANCE = 2**26
"""Voxels that a quick check reads at most, while every section can have a tile of 64 × 64."""

AT_ONCE = 16
"""Sections whose tiles are held together."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The tiles that are looked at in each section, all of one size.

    Parameters
    ----------
    corners
        First voxel of each tile along y and x.
    edges
        Voxels of a tile along y and x.
    """

    corners: tuple[tuple[int, int], ...]
    edges: tuple[int, int]

    @property
    def voxels(self) -> int:
        """Voxels read of a section."""
        return len(self.corners) * self.edges[0] * self.edges[1]


def choose_tiles(shape: Shape, *, budget: int | None = AT_A_GLANCE, seed: int = 0) -> Sampling:
    """Choose where to look: everywhere if that is little enough, else tiles spread over the section by chance.

    Parameters
    ----------
    shape
        Voxels of the volume along z, y, x.
    budget
        Voxels of the volume that may be read; ``None`` takes `PER_SECTION` tiles of every section.
    seed
        Of the places, one in each cell of a regular grid.
    """
    allowed = PER_SECTION * TILE**2 if budget is None else budget // shape[0]
    edge = TILE
    while edge > SMALLEST_TILE and min(edge, shape[1]) * min(edge, shape[2]) > allowed:
        edge //= 2
    edges = min(edge, shape[1]), min(edge, shape[2])
    count = max(1, min(PER_SECTION * (TILE // edge) ** 2, allowed // (edges[0] * edges[1])))
    rows, columns = _spread((-(-shape[1] // edges[0]), -(-shape[2] // edges[1])), count)
    rng = np.random.default_rng(seed)
    corners = tuple(
        (_place(rng, shape[1], edges[0], rows, i), _place(rng, shape[2], edges[1], columns, j))
        for i in range(rows)
        for j in range(columns)
    )
    return Sampling(corners, edges)


def read_tiles(image: Image, sampling: Sampling) -> Iterator[tuple[int, UInt8[np.ndarray, "z tile y x"]]]:
    """The tiles of all sections, some sections at a time, with the number of the first of them."""
    for first in range(0, image.grid.shape[0], AT_ONCE):
        yield first, read_some(image, sampling, first, min(first + AT_ONCE, image.grid.shape[0]))


def read_some(image: Image, sampling: Sampling, first: int, stop: int) -> UInt8[np.ndarray, "z tile y x"]:
    """The tiles of some sections; where a file gives whole sections only, each is read once."""
    height, width = sampling.edges
    boxes = [Box((first, y, x), (stop, y + height, x + width)) for y, x in sampling.corners]
    if len(boxes) == 1 or not _gives_whole_sections(image.voxels):
        return np.stack([image.read(box) for box in boxes], axis=1)
    found = np.empty((stop - first, len(boxes), height, width), np.uint8)
    for z in range(first, stop):
        section = np.asarray(image.voxels[z])
        for number, (y, x) in enumerate(sampling.corners):
            found[z - first, number] = section[y : y + height, x : x + width]
    return found


def _spread(cells: tuple[int, int], count: int) -> tuple[int, int]:
    """Rows and columns of a grid with at most ``count`` places, in the proportions of the section."""
    if cells[0] * cells[1] <= count:
        return cells
    rows = max(1, min(cells[0], count, round((count * cells[0] / cells[1]) ** 0.5)))
    return rows, max(1, min(cells[1], count // rows))


def _place(rng: np.random.Generator, size: int, edge: int, cells: int, index: int) -> int:
    """Where a tile begins within its cell; tiles that cover the section just follow each other."""
    if cells * edge >= size:
        return min(index * edge, size - edge)
    low, high = index * size // cells, (index + 1) * size // cells - edge
    return int(rng.integers(low, max(low, high) + 1))


def _gives_whole_sections(voxels: VoxelArray) -> bool:
    while isinstance(voxels, Window):
        voxels = voxels.voxels
    chunk = getattr(voxels, "chunk", None)
    return chunk is not None and tuple(chunk[1:]) == tuple(voxels.shape[1:])
