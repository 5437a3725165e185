"""How much of a volume is labelled, section by section, and how many borders lie on each plane across each axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.blocks import Progress, each
from savem3.grid import Box, Shape
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap, Labels

BLOCK = (64, 512, 512)
"""Voxels that are looked at at once."""

MEMBRANE = 128
"""Boundary values from here on count as membrane."""

Counts = tuple[Int64[np.ndarray, " z"], Int64[np.ndarray, " y"], Int64[np.ndarray, " x"]]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts along the axes, in integers that add up exactly over blocks.

    Parameters
    ----------
    shape
        Of the volume.
    labelled
        Voxels of each section that have a label.
    membrane, walls
        Voxels of each section that are membrane, and that are surely membrane (255); 0 without a boundary map.
    borders, inside
        For z, y and x: faces between each plane and the next one with different labels on their two sides, and with
        the same label. Faces to background are neither. The last entry is 0.
    """

    shape: Shape
    labelled: Int64[np.ndarray, " z"]
    membrane: Int64[np.ndarray, " z"]
    walls: Int64[np.ndarray, " z"]
    borders: Counts
    inside: Counts

    @property
    def coverage(self) -> Float64[np.ndarray, " z"]:
        """Labelled share of each section."""
        return self.labelled / (self.shape[1] * self.shape[2])

    @property
    def walled(self) -> list[int]:
        """Sections that are nothing but membrane: nothing was believed there, and no body crosses."""
        return np.flatnonzero(self.walls == self.shape[1] * self.shape[2]).tolist()

    def border_share(self, axis: int) -> Float64[np.ndarray, " plane"]:
        """Share of borders among the faces between each plane across an axis and the next one."""
        borders, inside = self.borders[axis][:-1], self.inside[axis][:-1]
        return borders / np.maximum(borders + inside, 1)


def profile(
    labels: Labels, boundary: BoundaryMap | None = None, *, workers: int = 1, progress: Progress | None = None
) -> Profile:
    """Look at a volume once, block by block; the same counts for every block size.

    Parameters
    ----------
    labels
        May be lazy.
    boundary
        On the same voxels.
    workers, progress
        See `each`.

    Raises
    ------
    ValueError
        If the boundary map has another shape.
    """
    shape = labels.grid.shape
    if boundary is not None and boundary.grid.shape != shape:
        raise ValueError(f"boundary must have the labels' shape {shape}, got {boundary.grid.shape}")
    sections = np.zeros((3, shape[0]), np.int64)
    borders, inside = (tuple(np.zeros(n, np.int64) for n in shape) for _ in range(2))
    tiles = split(shape, block=BLOCK)
    for tile, (along_z, found) in zip(
        tiles, each(tiles, lambda tile: _look(labels, boundary, tile), workers=workers, progress=progress), strict=True
    ):
        sections[:, tile.write.slices[0]] += along_z
        for axis, (apart, together) in enumerate(found):
            borders[axis][tile.write.slices[axis]] += apart
            inside[axis][tile.write.slices[axis]] += together
    labelled, membrane, walls = sections
    return Profile(shape, labelled, membrane, walls, _three(borders), _three(inside))


def _look(
    labels: Labels, boundary: BoundaryMap | None, tile: Tile
) -> tuple[Int64[np.ndarray, "3 z"], list[tuple[Int64[np.ndarray, " plane"], Int64[np.ndarray, " plane"]]]]:
    """The counts of one tile: its voxels, and the faces whose lower voxel it writes."""
    box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=labels.grid.shape).stop)
    voxels = labels.read(box)
    z, y, x = tile.write.shape
    own = voxels[:z, :y, :x]
    values = np.zeros(own.shape, np.uint8) if boundary is None else boundary.read(tile.write)
    sections = [(mask).sum((1, 2)) for mask in (own != 0, values >= MEMBRANE, values == 255)]
    return np.stack(sections).astype(np.int64), [_faces(voxels, (z, y, x), axis) for axis in range(3)]


def _faces(
    voxels: UInt64[np.ndarray, "z y x"], shape: Shape, axis: int
) -> tuple[Int64[np.ndarray, " plane"], Int64[np.ndarray, " plane"]]:
    """Faces across an axis behind each plane of a tile: with two labels, and with one."""
    ahead = tuple(slice(1, n + 1) if a == axis else slice(n) for a, n in enumerate(shape))
    there = voxels[ahead]
    here = voxels[tuple(slice(n) for n in there.shape)]
    both, others = (here != 0) & (there != 0), tuple(a for a in range(3) if a != axis)
    apart = np.zeros((2, shape[axis]), np.int64)
    apart[0, : there.shape[axis]] = (both & (here != there)).sum(others)
    apart[1, : there.shape[axis]] = (both & (here == there)).sum(others)
    return apart[0], apart[1]


def _three(counts: tuple[Int64[np.ndarray, " _"], ...]) -> Counts:
    z, y, x = counts
    return z, y, x
