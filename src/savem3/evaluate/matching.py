"""Segments matched with bodies: average precision, and what is split and merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt64

from savem3.evaluate.contingency import Contingency

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SHARE = 0.05
"""A segment holds a body from this share of the body's voxels on; less is a border drawn otherwise."""


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Bodies and segments that are not one for one.

    Parameters
    ----------
    split
        Bodies that several segments hold.
    merged
        Segments that hold several bodies.
    splits, merges
        Holders and held too many: cuts and joins that it would at least take to mend them.
    """

    split: UInt64[np.ndarray, " body"]
    merged: UInt64[np.ndarray, " segment"]
    splits: int
    merges: int


def average_precision(table: Contingency, *, thresholds: Sequence[float] = THRESHOLDS) -> dict[float, float]:
    """TP / (TP + FP + FN) at each IoU threshold, 0–1; 1 is perfect.

    A segment and a body match where their IoU exceeds the threshold, which is at least 0.5: so none matches two. A
    segment extends as far as the truth names voxels; segment 0 is none.

    Raises
    ------
    ValueError
        If a threshold is below 0.5 or not below 1.

    Notes
    -----
    Source: the definition of the 2018 Data Science Bowl, which StarDist and Cellpose report. COCO's average precision
    needs a score for each mask and is another number.
    """
    if not all(0.5 <= threshold < 1 for threshold in thresholds):
        raise ValueError(f"thresholds must lie in 0.5 ≤ t < 1, got {tuple(thresholds)}")
    rows = table.segments != 0
    union = (table.segment_sizes + table.body_sizes - table.counts)[rows]
    overlap = table.counts[rows] / union
    segments, bodies = len(np.unique(table.segments[rows])), len(np.unique(table.bodies))
    found = {threshold: int((overlap > threshold).sum()) for threshold in thresholds}
    return {threshold: true / max(1, segments + bodies - true) for threshold, true in found.items()}


def count_errors(table: Contingency, *, share: float = SHARE) -> ErrorCounts:
    """Bodies that are split and segments that are merged.

    A small piece of a large body that is merged with another one is not counted, since it does not hold that body.

    Parameters
    ----------
    table
        Pairs; segment 0 holds nothing.
    share
        A segment holds a body from this share 0–1 of the body's voxels on.

    Raises
    ------
    ValueError
        If ``share`` is not above 0 and below a half.
    """
    held = holds(table, share=share)
    split, pieces = np.unique(table.bodies[held], return_counts=True)
    merged, joined = np.unique(table.segments[held], return_counts=True)
    return ErrorCounts(split[pieces > 1], merged[joined > 1], int((pieces - 1).sum()), int((joined - 1).sum()))


def holds(table: Contingency, *, share: float) -> Bool[np.ndarray, " pair"]:
    """Whether the segment of each row holds its body."""
    if not 0 < share < 0.5:
        raise ValueError(f"share must lie in 0 < share < 0.5, got {share}")
    return (table.segments != 0) & (table.counts >= share * table.body_sizes)
