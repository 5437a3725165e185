"""Counts of (segment, body) pairs: all that a comparison of labels with truth needs to know of the voxels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int64, UInt64
from numpy.typing import NDArray

from savem3.blocks import each
from savem3.grid import Shape
from savem3.tiles import Blocks, Tile
from savem3.volume import Labels

Unsegmented = Literal["segment", "ignore", "singletons"]
"""What a voxel counts as that the segmentation leaves at 0 where the truth names a body."""

BLOCK: Shape = (64, 256, 512)
"""Voxels counted at once: two such blocks of labels take 128 MiB. Whole chunks of the usual 64."""


@dataclass(frozen=True, slots=True)
class Contingency:
    """How many voxels each segment shares with each body of the truth; integers, so tables of blocks merge exactly.

    Rows are sorted by (segment, body) and unique. Truth 0 has no row; segment 0 holds the unsegmented voxels.

    Parameters
    ----------
    segments, bodies
        Labels in the segmentation and in the truth.
    counts
        Voxels that carry both, at least 1.
    separate
        Whether each voxel of segment 0 is a segment of its own, rather than all of them one.
    """

    segments: UInt64[np.ndarray, " pair"]
    bodies: UInt64[np.ndarray, " pair"]
    counts: Int64[np.ndarray, " pair"]
    separate: bool = False

    @property
    def voxels(self) -> int:
        """Number of voxels compared."""
        return int(self.counts.sum())

    @property
    def unsegmented(self) -> int:
        """Number of compared voxels that the segmentation leaves at 0."""
        return int(self.counts[self.segments == 0].sum())

    @property
    def body_sizes(self) -> Int64[np.ndarray, " pair"]:
        """Voxels of the body of each row."""
        return _sums_by(self.bodies, self.counts)

    @property
    def segment_sizes(self) -> Int64[np.ndarray, " pair"]:
        """Voxels of the segment that a voxel of each row lies in."""
        return self._apart(_sums_by(self.segments, self.counts))

    @property
    def overlaps(self) -> Int64[np.ndarray, " pair"]:
        """Voxels that share segment and body with a voxel of each row; ``counts`` but for separate voxels."""
        return self._apart(self.counts)

    def _apart(self, sizes: Int64[np.ndarray, " pair"]) -> Int64[np.ndarray, " pair"]:
        """Sizes with 1 in segment 0 if its voxels are separate."""
        return np.where(self.segments == 0, 1, sizes) if self.separate else sizes


def count_pairs(segmentation: UInt64[np.ndarray, "z y x"], truth: UInt64[np.ndarray, "z y x"]) -> Contingency:
    """The table of one block.

    Runs of equal pairs along x are counted first and only the runs are sorted, which is what makes it fast.
    """
    segments, bodies = segmentation.ravel(), truth.ravel()
    starts = np.flatnonzero((segments[1:] != segments[:-1]) | (bodies[1:] != bodies[:-1])) + 1
    starts = np.concatenate([[0], starts])
    lengths = np.diff(starts, append=len(bodies))
    known = bodies[starts] != 0
    starts, lengths = starts[known], lengths[known]
    return _collect(segments[starts], bodies[starts], lengths)


def collect_pairs(
    segments: UInt64[np.ndarray, " place"], bodies: UInt64[np.ndarray, " place"], counts: Int64[np.ndarray, " place"]
) -> Contingency:
    """The table of pairs in any order, equal ones added up; a body of 0 counts like any other."""
    return _collect(segments, bodies, counts)


def merge_tables(tables: Iterable[Contingency]) -> Contingency:
    """The table of several blocks together, equal to the table of their union.

    Tables are merged as they come, the smaller ones first: those that wait never hold more than about twice the rows
    of the result.
    """
    waiting: list[Contingency] = []
    for table in tables:
        waiting.append(table)
        while len(waiting) > 1 and len(waiting[-2].counts) <= 2 * len(waiting[-1].counts):
            last = waiting.pop()
            waiting.append(_union([waiting.pop(), last]))
    return _union(waiting)


def _union(tables: list[Contingency]) -> Contingency:
    """The table of a few tables, which is none of voxels if there are no tables."""
    if not tables:
        return Contingency(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    segments = np.concatenate([table.segments for table in tables])
    bodies = np.concatenate([table.bodies for table in tables])
    return _collect(segments, bodies, np.concatenate([table.counts for table in tables]))


def compare(segmentation: Labels, truth: Labels, *, block: Shape = BLOCK, workers: int = 1) -> Contingency:
    """The table of two volumes, read block by block.

    Parameters
    ----------
    segmentation
        The labels to be judged; 0 is unsegmented.
    truth
        The labels to be judged by; 0 is unknown and left out. Where a block has none, the segmentation is not read.
    block
        Voxels along z, y, x that are in memory at once; changes nothing but memory and time.
    workers
        Threads, each of which holds up to three blocks.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return merge_tables(compare_blocks(segmentation, truth, block=block, workers=workers))


def compare_blocks(
    segmentation: Labels, truth: Labels, *, block: Shape = BLOCK, workers: int = 1
) -> Iterator[Contingency]:
    """The table of each block, z slowest; see `compare`."""
    if segmentation.grid.shape != truth.grid.shape:
        raise ValueError(f"segmentation must have the shape of truth {truth.grid.shape}, got {segmentation.grid.shape}")
    return each(Blocks(truth.grid.shape, block), partial(_count, segmentation, truth), workers=workers)


def _count(segmentation: Labels, truth: Labels, tile: Tile) -> Contingency:
    bodies = truth.read(tile.write)
    return count_pairs(segmentation.read(tile.write), bodies) if bodies.any() else _union([])


def settle_unsegmented(table: Contingency, *, unsegmented: Unsegmented) -> Contingency:
    """The table with a decision on its unsegmented voxels.

    Parameters
    ----------
    table
        Pairs, segment 0 among them.
    unsegmented
        "segment": together they are one segment, as scikit-image has it; "ignore": they are not compared;
        "singletons": each is a segment of its own, as if it had been cut off on every side.

    Raises
    ------
    ValueError
        If ``unsegmented`` is none of these.
    """
    if unsegmented not in get_args(Unsegmented):
        raise ValueError(f"unsegmented must be one of {', '.join(get_args(Unsegmented))}, got {unsegmented!r}")
    if unsegmented == "ignore":
        kept = table.segments != 0
        return Contingency(table.segments[kept], table.bodies[kept], table.counts[kept])
    return replace(table, separate=unsegmented == "singletons")


def rename_segments(table: Contingency, names: UInt64[np.ndarray, " pair"]) -> Contingency:
    """The table after the segment of each row got a new name; rows that became equal are one."""
    return replace(_collect(names, table.bodies, table.counts), separate=table.separate)


def _collect(segments: NDArray[np.uint64], bodies: NDArray[np.uint64], counts: NDArray[np.int64]) -> Contingency:
    """Rows sorted, equal pairs summed."""
    order = np.lexsort((bodies, segments))
    segments, bodies, counts = segments[order], bodies[order], counts[order]
    new = (segments[1:] != segments[:-1]) | (bodies[1:] != bodies[:-1])
    starts = np.concatenate([[0], np.flatnonzero(new) + 1]) if len(order) else np.zeros(0, np.int64)
    sums = np.add.reduceat(counts, starts) if len(order) else counts
    return Contingency(segments[starts], bodies[starts], sums.astype(np.int64))


def _sums_by(names: NDArray[np.uint64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, the sum of counts over all rows of its name."""
    _, group = np.unique(names, return_inverse=True)
    sums = np.zeros(group.max(initial=-1) + 1, np.int64)
    np.add.at(sums, group, counts)
    return sums[group]
