"""Where two blocks touch: the layers of voxels on both sides, from which all that passes between them is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64, Shaped
from numpy.typing import NDArray

from savem3.grid import Box, Shape

Side = TypeVar("Side")


@dataclass(frozen=True, slots=True)
class Seam:
    """A rectangle between two blocks, seen from one of them.

    Parameters
    ----------
    axis
        Across which the blocks touch: 0, 1, 2 for z, y, x.
    behind
        The first layer of voxels behind the seam; the same from both sides.
    is_behind
        Whether the block that looks at it lies behind the seam.
    """

    axis: int
    behind: Box
    is_behind: bool

    @property
    def key(self) -> tuple[int, Box]:
        """What both sides have in common."""
        return self.axis, self.behind

    @property
    def voxels(self) -> int:
        """Voxels of one layer."""
        z, y, x = self.behind.shape
        return z * y * x

    def layer_of(self, block: Shaped[np.ndarray, "z y x"]) -> Shaped[np.ndarray, " voxel"]:
        """The block's own layer of voxels along the seam."""
        return np.take(block, 0 if self.is_behind else -1, axis=self.axis).reshape(-1)

    def places_behind(self, volume: Shape) -> Int64[np.ndarray, " voxel"]:
        """Flat index in the volume of each voxel of the layer behind."""
        z, y, x = (np.arange(a, b) for a, b in zip(self.behind.start, self.behind.stop, strict=True))
        return ((z[:, None, None] * volume[1] + y[:, None]) * volume[2] + x).reshape(-1)

    def step(self, volume: Shape) -> int:
        """From a voxel before the seam to the one behind it, in flat indices of the volume."""
        return (volume[1] * volume[2], volume[2], 1)[self.axis]


def seams_of(block: Box, volume: Shape, *, linked: bool) -> list[Seam]:
    """The seams around a block, before and behind along z, y, x; none where the volume ends.

    Parameters
    ----------
    block
        What a tile writes.
    volume
        Voxels of the whole volume along z, y, x.
    linked
        Whether sections touch; otherwise there are no seams across z.
    """
    seams = []
    for axis in range(0 if linked else 1, 3):
        if block.start[axis] > 0:
            seams.append(Seam(axis, _layer(block, axis, block.start[axis]), True))
        if block.stop[axis] < volume[axis]:
            seams.append(Seam(axis, _layer(block, axis, block.stop[axis]), False))
    return seams


def cut_layers(skin: NDArray[Any], seams: list[Seam]) -> list[NDArray[Any]]:
    """The layer of each seam, from all of them in one row."""
    return np.split(skin, np.cumsum([seam.voxels for seam in seams])[:-1]) if seams else []


def meet(
    waiting: dict[tuple[int, Box], Side], seams: Sequence[Seam], sides: Sequence[Side]
) -> Iterator[tuple[Seam, Side, Side]]:
    """The seams of a block whose other side has been there: what is before each and what behind; the rest waits.

    Parameters
    ----------
    waiting
        Sides that came before theirs; it is changed. When all blocks of a regular grid were there, none waits.
    seams
        Of the block.
    sides
        What is known of the block's layer at each seam.
    """
    for seam, side in zip(seams, sides, strict=True):
        if seam.key in waiting:
            other = waiting.pop(seam.key)
            yield (seam, other, side) if seam.is_behind else (seam, side, other)
        else:
            waiting[seam.key] = side


def _layer(block: Box, axis: int, at: int) -> Box:
    start, stop = list(block.start), list(block.stop)
    start[axis], stop[axis] = at, at + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
