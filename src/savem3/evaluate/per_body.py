"""One row a body of the truth: what became of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from savem3.evaluate.contingency import Contingency
from savem3.evaluate.matching import SHARE, holds


@dataclass(frozen=True, slots=True)
class BodyErrors:
    """Bodies by ascending label.

    Parameters
    ----------
    bodies
        Labels in the truth.
    voxels
        Voxels compared of each.
    unsegmented
        Of these, voxels in no segment.
    segments
        Segments that hold it (`count_errors`); 1 is right.
    shared
        Bodies that its largest segment holds; 1 is right.
    largest
        The segment that holds most of it, the smaller label if two tie; 0 if none does.
    iou
        Overlap with that segment by the union of the two, 0–1.
    voi_split, voi_merge
        What the body adds to the variation of information, bits; the sums over all bodies are the volume's.
    """

    bodies: UInt64[np.ndarray, " body"]
    voxels: Int64[np.ndarray, " body"]
    unsegmented: Int64[np.ndarray, " body"]
    segments: Int64[np.ndarray, " body"]
    shared: Int64[np.ndarray, " body"]
    largest: UInt64[np.ndarray, " body"]
    iou: Float64[np.ndarray, " body"]
    voi_split: Float64[np.ndarray, " body"]
    voi_merge: Float64[np.ndarray, " body"]


def per_body(table: Contingency, *, share: float = SHARE) -> BodyErrors:
    """What became of each body.

    Parameters
    ----------
    table
        Pairs; settled, or an unsegmented voxel counts as one segment in VoI.
    share
        A segment holds a body from this share 0–1 of the body's voxels on.
    """
    bodies, body = np.unique(table.bodies, return_inverse=True)
    named = table.segments != 0
    held = holds(table, share=share)
    best = _best(table, body.ravel(), len(bodies))
    found = best >= 0
    row = best[found]
    sums = {"voxels": table.counts, "unsegmented": np.where(named, 0, table.counts), "segments": held.astype(np.int64)}
    split = np.log2(table.body_sizes / table.overlaps) * table.counts / max(1, table.voxels)
    merge = np.log2(table.segment_sizes / table.overlaps) * table.counts / max(1, table.voxels)
    shared, largest = np.zeros(len(bodies), np.int64), np.zeros(len(bodies), np.uint64)
    iou = np.zeros(len(bodies))
    shared[found], largest[found] = _held_beside(table, held)[row], table.segments[row]
    iou[found] = (table.counts / (table.segment_sizes + table.body_sizes - table.counts))[row]
    return BodyErrors(
        bodies,
        **{name: np.bincount(body.ravel(), values, len(bodies)).astype(np.int64) for name, values in sums.items()},
        shared=shared,
        largest=largest,
        iou=iou,
        voi_split=np.bincount(body.ravel(), split, len(bodies)),
        voi_merge=np.bincount(body.ravel(), merge, len(bodies)),
    )


def _best(table: Contingency, body: Int64[np.ndarray, " pair"], many: int) -> Int64[np.ndarray, " body"]:
    """The row with most of each body that names a segment; −1 if none does."""
    named = np.flatnonzero(table.segments != 0)
    order = named[np.lexsort((table.segments[named], -table.counts[named], body[named]))]
    best = np.full(many, -1, np.int64)
    owner, first = np.unique(body[order], return_index=True)
    best[owner] = order[first]
    return best


def _held_beside(table: Contingency, held: Bool[np.ndarray, " pair"]) -> Int64[np.ndarray, " pair"]:
    """For each row, how many bodies its segment holds."""
    _, segment = np.unique(table.segments, return_inverse=True)
    return np.bincount(segment.ravel(), held).astype(np.int64)[segment.ravel()]
