"""Watershed by drops of water: every voxel runs down to a lowest voxel, on one path that no block can change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8, UInt16, UInt32

from savem3.blocks import kernel
from savem3.grid import Box, Shape

STAY = 3
"""The direction of a voxel that is its own end; the others are −z, −y, −x (0, 1, 2) and x, y, z (4, 5, 6)."""

MISSING = 7
"""Ranks behind every direction: a neighbour outside the volume."""

UNSEEN, OUTSIDE = 2**32 - 8, 2**32 - 9
"""What a voxel holds before it is numbered: within the box this or more, by its direction; around the box the other."""


@dataclass(frozen=True, slots=True)
class Descent:
    """Where the drops of a box end.

    Parameters
    ----------
    basins
        A number for each voxel of the box. From 1 on stand the roots (lowest voxels) in the order of their places, then
        the exits, the voxels in which a drop leaves the box.
    ends
        Flat index in the volume of each root and exit.
    roots
        How many of them are roots.
    height
        Of each of them.
    sizes
        Voxels of the box that end in each.
    """

    basins: UInt32[np.ndarray, "box_z box_y box_x"]
    ends: Int64[np.ndarray, " end"]
    roots: int
    height: Int64[np.ndarray, " end"]
    sizes: Int64[np.ndarray, " end"]


def descend(height: UInt16[np.ndarray, "z y x"], around: Box, box: Box, *, volume: Shape, linked: bool) -> Descent:
    """Follow the drops of all voxels of a box until they end or leave it.

    Voxels are ordered by (height, flat index); no two are equal. A drop moves to the least of its voxel and the 6
    neighbours until it stays.

    Parameters
    ----------
    height
        Of the voxels in ``around``.
    around
        The box and one voxel more on each side, where the volume goes on.
    box
        Where drops start.
    volume
        Voxels of the whole volume along z, y, x.
    linked
        Whether water runs between sections; otherwise each voxel has 4 neighbours.

    Notes
    -----
    Source: the paper names a watershed and no order among equal heights; the order is our choice and what makes
    blocks exact.
    """
    inside = box.relative_to(around)
    basins = np.full(around.shape, OUTSIDE, np.uint32)
    roots = _find_directions(np.ascontiguousarray(height), inside.start, inside.stop, linked, basins)
    exits = _follow(basins, inside.start, inside.stop, len(roots))
    ends = np.concatenate([roots, exits])
    places = np.unravel_index(ends, around.shape)
    flat = np.ravel_multi_index(tuple(i + o for i, o in zip(places, around.start, strict=True)), volume)
    within = np.ascontiguousarray(basins[inside.slices])
    sizes = _count(within.reshape(-1), len(ends))
    return Descent(within, np.asarray(flat, np.int64), len(roots), height[places].astype(np.int64), sizes)


@kernel
def _find_directions(
    height: UInt16[np.ndarray, "z y x"],
    start: Shape,
    stop: Shape,
    linked: bool,
    basins: UInt32[np.ndarray, "z y x"],
) -> Int64[np.ndarray, " root"]:
    """Where the roots of start…stop are; ``basins`` gets their numbers, and the way down from all other voxels.

    A voxel's rank is its height, then its direction: among equal heights the smallest flat index is least, and a voxel
    of the same height behind this one never is.
    """
    depth, rows, width = height.shape
    row, directions = np.full(width + 2, 2**31, np.uint32), np.empty(width, np.uint8)
    roots = np.empty(basins.size, np.int64)  # memory is taken only as far as it is filled
    known = 0
    for z in range(start[0], stop[0]):
        below, above = linked and z > 0, linked and z + 1 < depth
        for y in range(start[1], stop[1]):
            for x in range(width):
                row[x + 1] = np.uint32(height[z, y, x]) << np.uint32(3)
            _find_in_row(
                row,
                height[z - below, y],
                height[z, y - (y > 0)],
                height[z, y + (y + 1 < rows)],
                height[z + above, y],
                np.uint32(0 if below else MISSING),
                np.uint32(1 if y > 0 else MISSING),
                np.uint32(5 if y + 1 < rows else MISSING),
                np.uint32(6 if above else MISSING),
                directions,
            )
            staying = 0
            for x in range(start[2], stop[2]):
                basins[z, y, x] = np.uint32(UNSEEN) | directions[x]
                staying += directions[x] == STAY
            for x in range(start[2], stop[2] if staying else 0):
                if directions[x] == STAY:
                    roots[known] = (z * rows + y) * width + x
                    known += 1
                    basins[z, y, x] = known
    return roots[:known].copy()


@kernel
def _find_in_row(
    row: UInt32[np.ndarray, " padded"],
    z_below: UInt16[np.ndarray, " x"],
    y_below: UInt16[np.ndarray, " x"],
    y_above: UInt16[np.ndarray, " x"],
    z_above: UInt16[np.ndarray, " x"],
    rank_z_below: np.uint32,
    rank_y_below: np.uint32,
    rank_y_above: np.uint32,
    rank_z_above: np.uint32,
    directions: UInt8[np.ndarray, " x"],
) -> None:
    """The least of 7 voxels, for a whole row; without branches, so that many voxels are asked at once."""
    three = np.uint32(3)
    for x in range(len(directions)):
        least = row[x + 1] | three
        least = min(least, row[x] | np.uint32(2))
        least = min(least, row[x + 2] | np.uint32(4))
        least = min(least, np.uint32(y_below[x]) << three | rank_y_below)
        least = min(least, np.uint32(y_above[x]) << three | rank_y_above)
        least = min(least, np.uint32(z_below[x]) << three | rank_z_below)
        least = min(least, np.uint32(z_above[x]) << three | rank_z_above)
        directions[x] = np.uint8(least & np.uint32(7))


@kernel
def _follow(basins: UInt32[np.ndarray, "z y x"], start: Shape, stop: Shape, roots: int) -> Int64[np.ndarray, " exit"]:
    """Give each voxel of start…stop the number of its end; where the exits are, numbered on from the roots.

    A walk stops at the first voxel with a number, and is walked again to hand the number on.
    """
    _, rows, width = basins.shape
    numbers = basins.reshape(-1)
    step = np.array([-rows * width, -width, -1, 0, 1, width, rows * width]).astype(np.uint64)
    exits = np.empty(basins.size, np.int64)  # memory is taken only as far as it is filled
    known = 0
    for z in range(start[0], stop[0]):
        for y in range(start[1], stop[1]):
            for x in range(start[2], stop[2]):
                first = np.uint64((z * rows + y) * width + x)
                here, number = first, numbers[first]
                while number >= UNSEEN:
                    here += step[number & np.uint32(7)]
                    number = numbers[here]
                if number == OUTSIDE:
                    exits[known] = here
                    known += 1
                    number = np.uint32(roots + known)
                    numbers[here] = number
                here, direction = first, numbers[first]
                while direction >= UNSEEN:
                    numbers[here] = number
                    here += step[direction & np.uint32(7)]
                    direction = numbers[here]
    return exits[:known].copy()


@kernel
def _count(numbers: UInt32[np.ndarray, " voxel"], known: int) -> Int64[np.ndarray, " number"]:
    """How often each of 1 … known stands there."""
    sizes = np.zeros(known, np.int64)
    for i in range(len(numbers)):
        sizes[numbers[i] - 1] += 1
    return sizes
