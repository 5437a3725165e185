"""The faces that touching regions share: counted and summed in integers, so that blocks add up exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from savem3.blocks.executor import each
from savem3.blocks.kernel import kernel
from savem3.grid import Box, Shape
from savem3.store import Progress
from savem3.tiles import Tile
from savem3.volume import VoxelArray

SPREAD = 0x2545F4914F6CDD1D
"""An odd number of 62 bits that scatters neighbouring labels over the hash table."""

NO_VALUE = 2**31
"""Beyond every value: the minimum before the first face."""


@dataclass(frozen=True, slots=True)
class Faces:
    """All pairs of touching regions, sorted by (u, v), u < v, each pair once.

    The value of a face is the larger of the values of its two voxels.

    Parameters
    ----------
    pairs
        Labels (u, v) on the two sides.
    count, total, minimum, maximum
        Faces of each pair, and the sum, least and greatest of their values.
    """

    pairs: Int64[np.ndarray, "pair 2"]
    count: Int64[np.ndarray, " pair"]
    total: Int64[np.ndarray, " pair"]
    minimum: Int64[np.ndarray, " pair"]
    maximum: Int64[np.ndarray, " pair"]


def collect_faces(
    labels: VoxelArray,
    values: VoxelArray,
    *,
    tiles: Sequence[Tile],
    linked: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
) -> Faces:
    """The faces between touching regions of a volume, gathered tile by tile.

    A face belongs to the tile that writes its lower voxel, so each is counted once. Label 0 shares no face.

    Parameters
    ----------
    labels
        Region of each voxel in z, y, x; integers below 2⁶³, in memory or lazy.
    values
        What to sum on the faces, in z, y, x: integers that fit into 31 bits.
    tiles
        Write boxes that cover the volume once; their read boxes are not used.
    linked
        Whether faces between sections count; otherwise only those within a section.
    workers, progress
        See `each`.
    """
    shape: Shape = labels.shape[0], labels.shape[1], labels.shape[2]

    def of_tile(tile: Tile) -> Faces:
        box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=shape).stop)
        here = np.array(labels[box.slices], np.int64, order="C")
        numbers = np.array(values[box.slices], np.int32, order="C")
        return _sorted(*_gather(here, numbers, tile.write.shape, linked))

    return join_faces(list(each(tiles, of_tile, workers=workers, progress=progress)))


def join_faces(parts: Sequence[Faces]) -> Faces:
    """The faces of all parts as one; the order of the parts does not matter."""
    names = ("pairs", "count", "total", "minimum", "maximum")
    pairs, count, total, minimum, maximum = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
    if not len(pairs):
        return Faces(pairs, count, total, minimum, maximum)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    first = np.flatnonzero(np.r_[True, (pairs[1:] != pairs[:-1]).any(1)])
    return Faces(
        pairs[first],
        np.add.reduceat(count[order], first),
        np.add.reduceat(total[order], first),
        np.minimum.reduceat(minimum[order], first),
        np.maximum.reduceat(maximum[order], first),
    )


def _sorted(pairs: Int64[np.ndarray, "pair 2"], sums: Int64[np.ndarray, "pair 4"]) -> Faces:
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    count, total, minimum, maximum = np.ascontiguousarray(sums[order].T)
    return Faces(pairs[order], count, total, minimum, maximum)


@kernel
def _gather(
    labels: Int64[np.ndarray, "z y x"], values: Int32[np.ndarray, "z y x"], shape: Shape, linked: bool
) -> tuple[Int64[np.ndarray, "pair 2"], Int64[np.ndarray, "pair 4"]]:
    """Pairs and their (count, total, minimum, maximum) over the faces whose lower voxel lies in the first ``shape``."""
    pairs, sums = np.empty((1024, 2), np.int64), np.empty((1024, 4), np.int64)
    slots = np.full(4096, -1, np.int64)
    known = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                here = labels[z, y, x]
                if here == 0:
                    continue
                for axis in range(0 if linked else 1, 3):
                    zz, yy, xx = z + (axis == 0), y + (axis == 1), x + (axis == 2)
                    if zz == labels.shape[0] or yy == labels.shape[1] or xx == labels.shape[2]:
                        continue
                    there = labels[zz, yy, xx]
                    if there == 0 or there == here:
                        continue
                    if known == len(pairs):
                        pairs, sums, slots = _grow(pairs, sums)
                    u, v = min(here, there), max(here, there)
                    slot = _slot_of(u, v, pairs, slots)
                    if slots[slot] < 0:
                        slots[slot] = known
                        pairs[known, 0], pairs[known, 1] = u, v
                        sums[known, 0], sums[known, 1], sums[known, 2], sums[known, 3] = 0, 0, NO_VALUE, -NO_VALUE
                        known += 1
                    _add(sums, slots[slot], max(values[z, y, x], values[zz, yy, xx]))
    return pairs[:known], sums[:known]


@kernel
def _add(sums: Int64[np.ndarray, "pair 4"], pair: int, value: int) -> None:
    sums[pair, 0] += 1
    sums[pair, 1] += value
    sums[pair, 2] = min(sums[pair, 2], value)
    sums[pair, 3] = max(sums[pair, 3], value)


@kernel
def _slot_of(u: int, v: int, pairs: Int64[np.ndarray, "pair 2"], slots: Int64[np.ndarray, " slot"]) -> int:
    """Where a pair stands in the hash table, or the free slot where it belongs; slots are a power of two."""
    mask = len(slots) - 1
    slot = (((u * SPREAD) ^ v) * SPREAD >> 24) & mask
    while slots[slot] >= 0 and (pairs[slots[slot], 0] != u or pairs[slots[slot], 1] != v):
        slot = (slot + 1) & mask
    return slot


@kernel
def _grow(
    pairs: Int64[np.ndarray, "pair 2"], sums: Int64[np.ndarray, "pair 4"]
) -> tuple[Int64[np.ndarray, "more 2"], Int64[np.ndarray, "more 4"], Int64[np.ndarray, " slot"]]:
    """Twice the room for pairs, and a hash table with four slots for each."""
    known = len(pairs)
    more_pairs, more_sums = np.empty((2 * known, 2), np.int64), np.empty((2 * known, 4), np.int64)
    slots = np.full(8 * known, -1, np.int64)
    for pair in range(known):
        for k in range(2):
            more_pairs[pair, k] = pairs[pair, k]
        for k in range(4):
            more_sums[pair, k] = sums[pair, k]
        slots[_slot_of(pairs[pair, 0], pairs[pair, 1], more_pairs, slots)] = pair
    return more_pairs, more_sums, slots
