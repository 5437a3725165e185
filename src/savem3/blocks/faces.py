"""The faces that touching regions share: counted and summed in integers, so that blocks add up exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64, Integer

from savem3.blocks.executor import each
from savem3.grid import Box, Shape
from savem3.kernel import kernel
from savem3.store import Progress
from savem3.tiles import Tile
from savem3.volume import VoxelArray

SPREAD = 0x2545F4914F6CDD1D
"""An odd number of 62 bits that scatters neighbouring labels over the hash table."""

NO_VALUE = 2**31
"""Beyond every value: the minimum before the first face."""

FIRST_ROOM = 1024
"""Pairs that a table holds before it grows."""


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

    def __len__(self) -> int:
        return len(self.pairs)


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
    return join_faces(
        each(tiles, lambda tile: faces_of(labels, values, tile, linked=linked), workers=workers, progress=progress)
    )


def faces_of(labels: VoxelArray, values: VoxelArray, tile: Tile, *, linked: bool) -> Faces:
    """The faces of one tile: those whose lower voxel it writes, so that each belongs to one tile. Label 0 has none.

    Parameters
    ----------
    labels, values, linked
        See `collect_faces`; voxels are read up to one beyond the tile.
    tile
        Its read box is not used.
    """
    z, y, x = labels.shape
    box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=(z, y, x)).stop)
    regions = _fit(labels[box.slices], (np.uint32, np.uint64))
    numbers = _fit(values[box.slices], (np.uint8, np.uint16, np.int32))
    pairs, sums = _gather(regions, numbers, tile.write.shape, linked)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    count, total, minimum, maximum = np.ascontiguousarray(sums[order].T)
    return Faces(pairs[order], count, total, minimum, maximum)


def join_faces(parts: Iterable[Faces]) -> Faces:
    """The faces of all parts as one; the order of the parts does not matter.

    Parts of similar size are joined first, as they come, so that memory stays near the size of the result.
    """
    joined: list[Faces] = []
    for part in parts:
        joined.append(part)
        while len(joined) > 1 and len(joined[-2]) < 2 * len(joined[-1]):
            joined.append(_join(joined.pop(), joined.pop()))
    while len(joined) > 1:
        joined.append(_join(joined.pop(), joined.pop()))
    return joined[0]


def count_voxels(
    labels: Integer[np.ndarray, "z y x"],
) -> tuple[Int64[np.ndarray, " label"], Int64[np.ndarray, " label"]]:
    """The labels of a block but 0, ascending, and the number of voxels of each; labels may be far apart."""
    names, sizes = _count(_fit(labels, (np.uint32, np.uint64)))
    order = np.argsort(names)
    return names[order], sizes[order]


def _fit(array: Any, dtypes: tuple[type[np.generic], ...]) -> Integer[np.ndarray, "z y x"]:
    """The array as it is where loops are compiled for its type, else in the last of these types."""
    array = np.asarray(array)
    return np.ascontiguousarray(array if array.dtype in dtypes else array.astype(dtypes[-1]))


def _join(one: Faces, other: Faces) -> Faces:
    names = ("pairs", "count", "total", "minimum", "maximum")
    pairs, count, total, minimum, maximum = (np.concatenate([getattr(p, name) for p in (one, other)]) for name in names)
    if not len(pairs):
        return one
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


@kernel
def _gather(
    labels: Integer[np.ndarray, "z y x"], values: Integer[np.ndarray, "z y x"], shape: Shape, linked: bool
) -> tuple[Int64[np.ndarray, "pair 2"], Int64[np.ndarray, "pair 4"]]:
    """Pairs and their (count, total, minimum, maximum) over the faces whose lower voxel lies in the first ``shape``."""
    depth, rows, width = labels.shape
    pairs, sums = np.empty((FIRST_ROOM, 2), np.int64), np.empty((FIRST_ROOM, 4), np.int64)
    slots = np.full(4 * FIRST_ROOM, -1, np.int32)
    known = 0
    for z in range(shape[0]):
        for y in range(shape[1]):
            while known + 3 * width > len(pairs):
                pairs, sums, slots = _grow(pairs, sums, slots)
            for axis in range(0 if linked else 1, 3):
                zz, yy, xx = z + (axis == 0), y + (axis == 1), int(axis == 2)
                if zz < depth and yy < rows:
                    width_here = min(shape[2], width - xx)
                    known = _gather_row(
                        labels[z, y, :width_here],
                        labels[zz, yy, xx:],
                        values[z, y, :width_here],
                        values[zz, yy, xx:],
                        pairs,
                        sums,
                        slots,
                        known,
                    )
    return pairs[:known].copy(), sums[:known].copy()


@kernel
def _gather_row(
    here: Integer[np.ndarray, " x"],
    there: Integer[np.ndarray, " more_x"],
    of_here: Integer[np.ndarray, " x"],
    of_there: Integer[np.ndarray, " more_x"],
    pairs: Int64[np.ndarray, "pair 2"],
    sums: Int64[np.ndarray, "pair 4"],
    slots: Int32[np.ndarray, " slot"],
    known: int,
) -> int:
    """Add the faces between two rows; faces of one pair in a run are summed before they go to the table."""
    last_p = last_q = total = minimum = maximum = np.int64(0)
    count = 0
    for x in range(len(here) + 1):
        p = q = np.int64(0)
        if x < len(here):
            p, q = np.int64(here[x]), np.int64(there[x])
            if p == q or p == 0 or q == 0:
                continue
        if p != last_p or q != last_q:
            if count:
                known = _add(last_p, last_q, count, total, minimum, maximum, pairs, sums, slots, known)
            last_p, last_q, count, total, minimum, maximum = (
                p,
                q,
                0,
                np.int64(0),
                np.int64(NO_VALUE),
                np.int64(-NO_VALUE),
            )
        if p:
            value = np.int64(max(of_here[x], of_there[x]))
            count += 1
            total += value
            minimum = min(minimum, value)
            maximum = max(maximum, value)
    return known


@kernel
def _add(
    p: np.int64,
    q: np.int64,
    count: int,
    total: np.int64,
    minimum: np.int64,
    maximum: np.int64,
    pairs: Int64[np.ndarray, "pair 2"],
    sums: Int64[np.ndarray, "pair 4"],
    slots: Int32[np.ndarray, " slot"],
    known: int,
) -> int:
    """Add sums to a pair's; the number of pairs afterwards."""
    u, v = min(p, q), max(p, q)
    slot = _slot_of(u, v, pairs, slots)
    pair = slots[slot]
    if pair < 0:
        slots[slot] = pair = known
        pairs[pair, 0], pairs[pair, 1] = u, v
        sums[pair, 0], sums[pair, 1], sums[pair, 2], sums[pair, 3] = 0, 0, NO_VALUE, -NO_VALUE
        known += 1
    sums[pair, 0] += count
    sums[pair, 1] += total
    sums[pair, 2] = min(sums[pair, 2], minimum)
    sums[pair, 3] = max(sums[pair, 3], maximum)
    return known


@kernel
def _count(labels: Integer[np.ndarray, "z y x"]) -> tuple[Int64[np.ndarray, " label"], Int64[np.ndarray, " label"]]:
    """Each label but 0 and its voxels, through the table of pairs: a label stands there as a pair with itself."""
    pairs, sums = np.empty((FIRST_ROOM, 2), np.int64), np.empty((FIRST_ROOM, 4), np.int64)
    slots = np.full(4 * FIRST_ROOM, -1, np.int32)
    known, none = 0, np.int64(0)
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = labels[z, y]
            while known + len(row) > len(pairs):
                pairs, sums, slots = _grow(pairs, sums, slots)
            begun = 0
            for x in range(len(row)):
                if x + 1 == len(row) or row[x + 1] != row[x]:
                    label = np.int64(row[x])
                    if label:
                        known = _add(label, label, x + 1 - begun, none, none, none, pairs, sums, slots, known)
                    begun = x + 1
    return pairs[:known, 0].copy(), sums[:known, 0].copy()


@kernel
def _slot_of(
    u: np.int64, v: np.int64, pairs: Int64[np.ndarray, "pair 2"], slots: Int32[np.ndarray, " slot"]
) -> np.int64:
    """Where a pair stands in the hash table, or the free slot where it belongs; slots are a power of two."""
    mask = len(slots) - 1
    slot = (((u * SPREAD) ^ v) * SPREAD >> 24) & mask
    while slots[slot] >= 0 and (pairs[slots[slot], 0] != u or pairs[slots[slot], 1] != v):
        slot = (slot + 1) & mask
    return slot


@kernel
def _grow(
    pairs: Int64[np.ndarray, "pair 2"], sums: Int64[np.ndarray, "pair 4"], slots: Int32[np.ndarray, " slot"]
) -> tuple[Int64[np.ndarray, "more 2"], Int64[np.ndarray, "more 4"], Int32[np.ndarray, " more_slots"]]:
    """Twice the room for pairs, and a hash table with four slots for each."""
    more_pairs, more_sums = np.empty((2 * len(pairs), 2), np.int64), np.empty((2 * len(pairs), 4), np.int64)
    more_slots = np.full(2 * len(slots), -1, np.int32)
    for pair in slots:
        if pair >= 0:
            for k in range(2):
                more_pairs[pair, k] = pairs[pair, k]
            for k in range(4):
                more_sums[pair, k] = sums[pair, k]
            more_slots[_slot_of(pairs[pair, 0], pairs[pair, 1], more_pairs, more_slots)] = pair
    return more_pairs, more_sums, more_slots
