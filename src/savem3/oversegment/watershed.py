"""Watershed by drops of water: every voxel runs down to a lowest voxel, on one path that no block can change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from savem3.blocks import Progress, each, kernel
from savem3.grid import Box, Shape
from savem3.tiles import Tile


@dataclass(frozen=True, slots=True)
class Basins:
    """The basins of a height map.

    Parameters
    ----------
    labels
        Basin of each voxel, 1 to n in the order of their roots.
    roots
        Flat index of each basin's lowest voxel, ascending.
    """

    labels: Int64[np.ndarray, "z y x"]
    roots: Int64[np.ndarray, " basin"]


def find_basins(
    height: Int32[np.ndarray, "z y x"],
    *,
    tiles: Sequence[Tile],
    linked: bool,
    workers: int = 1,
    progress: Progress | None = None,
) -> Basins:
    """The basins of all voxels, the same for every way to cut the volume into tiles.

    Voxels are ordered by (height, flat index); no two are equal. A drop moves to the least of its voxel and the 6
    neighbours until it stays. A path that leaves its tile ends at first in an exit, the voxel that it enters; then
    exits are replaced by where that voxel's own tile sends it, until nothing changes.

    Parameters
    ----------
    height
        Integers.
    tiles
        Write boxes that cover the volume once; their read boxes are not used.
    linked
        Whether water runs between sections; otherwise each voxel has 4 neighbours.
    workers, progress
        See `each`.

    Notes
    -----
    Source: the paper names a watershed and no order among equal heights; the order is our choice and what makes
    blocks exact.
    """
    volume: Shape = height.shape[0], height.shape[1], height.shape[2]
    labels = np.empty(volume, np.int64)
    ends: list[Int64[np.ndarray, " basin"]] = []
    known = 0

    def of_tile(tile: Tile) -> tuple[Int32[np.ndarray, "box_z box_y box_x"], Int64[np.ndarray, " end"]]:
        return _drain(height, tile.write, linked=linked)

    for tile, (local, local_ends) in zip(tiles, each(tiles, of_tile, workers=workers, progress=progress), strict=True):
        np.add(local, known, out=labels[tile.write.slices])
        ends.append(local_ends)
        known += len(local_ends)
    rank, roots = _resolve_exits(labels, np.concatenate(ends))
    renumber(labels, rank, tiles=tiles, workers=workers)
    return Basins(labels, roots)


def renumber(
    labels: Int64[np.ndarray, "z y x"], table: Int64[np.ndarray, " label"], *, tiles: Sequence[Tile], workers: int = 1
) -> None:
    """Replace each label by its entry in ``table``, in place."""

    def of_tile(tile: Tile) -> None:
        labels[tile.write.slices] = table[labels[tile.write.slices]]

    for _ in each(tiles, of_tile, workers=workers):
        pass


def _drain(
    height: Int32[np.ndarray, "z y x"], box: Box, *, linked: bool
) -> tuple[Int32[np.ndarray, "box_z box_y box_x"], Int64[np.ndarray, " end"]]:
    """Where drops from a box end: a number from 0 for each of its voxels, and the flat index of each end."""
    volume: Shape = height.shape[0], height.shape[1], height.shape[2]
    around = box.grow((1, 1, 1), within=volume)
    inside = box.relative_to(around)
    parents = _descend(np.ascontiguousarray(height[around.slices]), inside.start, inside.stop, linked)
    local, ends = _follow(parents, around.shape, inside.start, inside.stop)
    z, y, x = (i + o for i, o in zip(np.unravel_index(ends, around.shape), around.start, strict=True))
    return local, np.asarray(np.ravel_multi_index((z, y, x), volume), np.int64)


def _resolve_exits(
    labels: Int64[np.ndarray, "z y x"], ends: Int64[np.ndarray, " provisional"]
) -> tuple[Int64[np.ndarray, " provisional"], Int64[np.ndarray, " basin"]]:
    """The final number of each provisional one, by pointer doubling, and the roots."""
    target = labels.reshape(-1)[ends]
    while not np.array_equal(further := target[target], target):
        target = further
    is_root = target == np.arange(len(target))
    roots = np.sort(ends[is_root])
    return np.searchsorted(roots, ends[target]) + 1, roots


@kernel
def _descend(
    height: Int32[np.ndarray, "z y x"], start: Shape, stop: Shape, linked: bool
) -> Int32[np.ndarray, " voxel"]:
    """The next voxel on the way down, as a flat index into ``height``; voxels outside start…stop stay where they are.

    Neighbours before the voxel are asked with "at most", nearest index first; those behind it with "below". So among
    equal heights the smallest index wins.
    """
    depth, rows, width = height.shape
    parents = np.arange(height.size, dtype=np.int32)
    for z in range(start[0], stop[0]):
        for y in range(start[1], stop[1]):
            for x in range(start[2], stop[2]):
                here = (z * rows + y) * width + x
                least, best = height[z, y, x], here
                if x > 0 and height[z, y, x - 1] <= least:
                    least, best = height[z, y, x - 1], here - 1
                if y > 0 and height[z, y - 1, x] <= least:
                    least, best = height[z, y - 1, x], here - width
                if linked and z > 0 and height[z - 1, y, x] <= least:
                    least, best = height[z - 1, y, x], here - width * rows
                if x + 1 < width and height[z, y, x + 1] < least:
                    least, best = height[z, y, x + 1], here + 1
                if y + 1 < rows and height[z, y + 1, x] < least:
                    least, best = height[z, y + 1, x], here + width
                if linked and z + 1 < depth and height[z + 1, y, x] < least:
                    least, best = height[z + 1, y, x], here + width * rows
                parents[here] = best
    return parents


@kernel
def _follow(
    parents: Int32[np.ndarray, " voxel"], shape: Shape, start: Shape, stop: Shape
) -> tuple[Int32[np.ndarray, "z y x"], Int64[np.ndarray, " end"]]:
    """Number the ends of all paths that begin in start…stop, from 0 as they are met, and list where they lie.

    Shortens the paths in ``parents`` as it goes.
    """
    numbers = np.full(len(parents), -1, np.int32)
    result = np.empty((stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]), np.int32)
    ends = np.empty(result.size, np.int64)
    known = 0
    for z in range(start[0], stop[0]):
        for y in range(start[1], stop[1]):
            for x in range(start[2], stop[2]):
                here = (z * shape[1] + y) * shape[2] + x
                end = here
                while parents[end] != end:
                    end = parents[end]
                while parents[here] != end:
                    parents[here], here = end, parents[here]
                if numbers[end] < 0:
                    numbers[end] = known
                    ends[known] = end
                    known += 1
                result[z - start[0], y - start[1], x - start[2]] = numbers[end]
    return result, ends[:known].copy()
