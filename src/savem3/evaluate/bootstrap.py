"""Intervals: how much a score would vary, had the volume held other bodies or other places of the same kind.

Every error here is a ratio of sums over voxels of quantities that the whole table gives. Clusters of voxels (all of a
body, or all of a block) are drawn anew with replacement, and the sums are taken over what was drawn. So no voxel is
read again, and a thousand draws are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from savem3.evaluate.contingency import Contingency
from savem3.grid import Shape

Interval = tuple[float, float]

ERRORS = ("voi_split", "voi_merge", "voi", "arand_skimage")
"""What has an interval, each in its unit."""

PARTS = 4
"""An axis is cut into so many blocks for drawing, or more."""

LONGEST = 256
"""Voxels of the longest edge of such a block: it bounds memory."""


def intervals(
    table: Contingency,
    *,
    blocks: Sequence[Contingency] | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of errors.

    Parameters
    ----------
    table
        Pairs of the whole volume, settled (`savem3.evaluate.settle_unsegmented`).
    blocks
        The same pairs, counted in each block of the volume (`compare_blocks`): then blocks are drawn; otherwise bodies
        are.
    draws
        How many.
    seed
        Of the draws: the same gives the same intervals.
    level
        Share 0–1 of draws inside.

    Returns
    -------
    intervals
        Least and greatest of each of `ERRORS`, in its unit.

    Raises
    ------
    ValueError
        If ``draws`` or ``level`` cannot be, or there is nothing to draw from.

    Notes
    -----
    It is assumed that clusters are exchangeable and that what a voxel contributes, given the whole table, stays what it
    is when its cluster is drawn twice. Neighbours share their errors, so intervals over small blocks and of few bodies
    are too narrow: they say how much the choice of bodies matters, not how another volume would score. Our choice.
    """
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws must be at least 1 and level lie between 0 and 1, got {draws} and {level}")
    sums = _by_body(table) if blocks is None else _by_block(table, blocks)
    if not len(sums):
        raise ValueError("table must hold at least one pair, got none")
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    errors = _errors(drawn @ sums)
    low, high = (1 - level) / 2, (1 + level) / 2
    return {
        name: (float(np.nanquantile(errors[:, i], low)), float(np.nanquantile(errors[:, i], high)))
        for i, name in enumerate(ERRORS)
    }


def blocks_to_draw(shape: Shape) -> Shape:
    """The block that a volume is cut into for `intervals`: a quarter of each axis, or less of a long one."""
    z, y, x = (min(LONGEST, -(-n // PARTS)) for n in shape)
    return z, y, x


def _contributions(table: Contingency) -> Float64[np.ndarray, "pair 5"]:
    """What a voxel of each pair adds to the sums that errors are ratios of."""
    overlaps, segments, bodies = table.overlaps, table.segment_sizes, table.body_sizes
    voxel = np.ones(len(table.counts))
    both, either = overlaps - 1.0, segments + bodies - 2.0
    return np.stack([voxel, np.log2(bodies / overlaps), np.log2(segments / overlaps), both, either], axis=1)


def _by_body(table: Contingency) -> Float64[np.ndarray, "cluster 5"]:
    _, body = np.unique(table.bodies, return_inverse=True)
    return _grouped(_contributions(table) * table.counts[:, None], body.ravel())


def _by_block(table: Contingency, blocks: Sequence[Contingency]) -> Float64[np.ndarray, "cluster 5"]:
    """Sums of each block; blocks in which nothing is compared are none."""
    of_pair = _contributions(table)
    rows = [_rows_of(table, block) for block in blocks]
    cluster = np.repeat(np.arange(len(blocks)), [len(row) for row in rows])
    row = np.concatenate([*rows, np.zeros(0, np.int64)])
    counts = np.concatenate([*(block.counts for block in blocks), np.zeros(0, np.int64)])
    kept = row >= 0
    sums = _grouped(of_pair[row[kept]] * counts[kept, None], cluster[kept])
    return sums[sums[:, 0] > 0]


def _rows_of(table: Contingency, block: Contingency) -> Int64[np.ndarray, " pair"]:
    """Where the pairs of a block stand in the table; −1 where they were settled away."""
    segments, bodies = np.unique(table.segments), np.unique(table.bodies)
    known = np.isin(block.segments, segments) & np.isin(block.bodies, bodies)
    codes = np.searchsorted(segments, table.segments) * len(bodies) + np.searchsorted(bodies, table.bodies)
    wanted = np.searchsorted(segments, block.segments) * len(bodies) + np.searchsorted(bodies, block.bodies)
    return np.where(known, np.searchsorted(codes, wanted), -1)


def _grouped(values: Float64[np.ndarray, "pair 5"], group: Int64[np.ndarray, " pair"]) -> Float64[np.ndarray, "n 5"]:
    sums = np.zeros((int(group.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return sums


def _errors(sums: Float64[np.ndarray, "draw 5"]) -> Float64[np.ndarray, "draw 4"]:
    """`ERRORS` of each draw."""
    voxels, split, merge, both, either = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rand = np.where(either > 0, 1 - 2 * both / either, 0.0)
        return np.stack([split / voxels, merge / voxels, (split + merge) / voxels, rand], axis=1)
