"""Expected run length: how far one may follow a traced body, on the mean, before the segmentation errs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from savem3.evaluate.contingency import BLOCK, Contingency, collect_pairs
from savem3.grid import Shape
from savem3.skeleton import Skeletons
from savem3.volume import Labels

Loses = Literal["segment", "skeleton"]
"""What counts nothing where a segment merges skeletons: its own edges, or every edge of the skeletons that it holds."""


@dataclass(frozen=True, slots=True)
class Forgiven:
    """Which segments count as merging skeletons, and what that costs; as it stands, the strict definition.

    Parameters
    ----------
    points
        A segment holds a skeleton, when it comes to mergers, from so many of its points on; at least 1.
    share
        And from this share 0–1 of all traced points of the segment on.
    loses
        What a merger costs, see `Loses`.

    Raises
    ------
    ValueError
        If one of them cannot be.
    """

    points: int = 1
    share: float = 0.0
    loses: Loses = "segment"

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"points must be at least 1, got {self.points}")
        if not 0 <= self.share < 0.5:
            raise ValueError(f"share must lie in 0 ≤ share < 0.5, got {self.share}")
        if self.loses not in get_args(Loses):
            raise ValueError(f"loses must be one of {', '.join(get_args(Loses))}, got {self.loses!r}")


STRICT = Forgiven()
"""Every merger counts, however small; it costs the edges in the segment that merges."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """What a segmentation makes of skeletons.

    Parameters
    ----------
    erl_um
        Expected run length, µm: of a place on a skeleton drawn by length, the length of what its segment holds of that
        skeleton, 0 in a segment that merges skeletons.
    nerl
        The same as a share 0–1 of what a perfect segmentation of these skeletons would have.
    best_um
        What a perfect segmentation would have, µm.
    correct, split, omitted, merged
        Shares 0–1 of the length of all edges: both ends in one segment that merges nothing; ends in two segments, none
        of which merges; an end that no segment holds; lost to a merger.
    mergers
        Segments that hold more than one skeleton.
    pieces
        Segments that hold points of a skeleton, less one, summed over skeletons: splits that it would take to mend.
    skeletons
        Skeletons with at least one edge.
    points
        Points of all skeletons.
    outside
        Points outside of the volume; they count as held by no segment.
    """

    erl_um: float
    nerl: float
    best_um: float
    correct: float
    split: float
    omitted: float
    merged: float
    mergers: int
    pieces: int
    skeletons: int
    points: int
    outside: int


def run_lengths(
    labels: Labels, skeletons: Skeletons, *, forgiven: Forgiven = STRICT, block: Shape = BLOCK
) -> RunLengths:
    """Expected run lengths of a segmentation on skeletons.

    Parameters
    ----------
    labels
        The segmentation, 0 is unsegmented; read block by block, only where there are points.
    skeletons
        In nm from the same place as the labels' grid.
    forgiven
        Which mergers count, and what they cost.
    block
        Voxels along z, y, x that are in memory at once; changes nothing but memory and time.

    Raises
    ------
    ValueError
        If no skeleton has an edge of some length.

    Notes
    -----
    Source: Januszewski et al. 2018 (flood-filling networks) define ERL; METHOD §8 gives the formula
    Σ_s (L_s/L) Σ_seg ℓ²/L_s = Σ_s Σ_seg ℓ²/L, with ℓ the length of the edges of skeleton s that lie with both ends in
    the segment, L_s of all its edges, and L of all edges; NERL is its ratio to that of the truth. The parts of a
    skeleton in one segment count together even where it leaves the segment between them.
    ``loses="skeleton"`` is the rule of funlib.evaluate, which the scripts of NISB call: a merger voids whole skeletons.
    That program also takes the unsegmented voxels for a segment that merges; here they are none.
    """
    segment, inside = look_up(labels, skeletons, block=block)
    return run_lengths_of(segment, skeletons, forgiven=forgiven, outside=int((~inside).sum()))


def run_lengths_of(
    segment: UInt64[np.ndarray, " point"], skeletons: Skeletons, *, forgiven: Forgiven = STRICT, outside: int = 0
) -> RunLengths:
    """The same, of the segment of each point (0: none)."""
    lengths, owner = skeletons.lengths_nm / 1000, skeletons.owner
    of_body = np.bincount(owner, lengths, len(skeletons.names))
    total = float(of_body.sum())
    if not total > 0:
        raise ValueError("skeletons must have edges of some length, got none")
    table = pairs_of_points(segment, skeletons)
    merging = _merging(table, forgiven)
    start, stop = segment[skeletons.edges[:, 0]], segment[skeletons.edges[:, 1]]
    omitted = (start == 0) | (stop == 0)
    if forgiven.loses == "segment":
        lost = ~omitted & (np.isin(start, merging) | np.isin(stop, merging))
    else:
        lost = np.isin(owner, table.bodies[np.isin(table.segments, merging)].astype(np.int64) - 1)
    correct = ~omitted & ~lost & (start == stop)
    runs = _runs(owner[correct], start[correct], lengths[correct])
    erl, best = float((runs**2).sum() / total), float((of_body**2).sum() / total)

    def share(chosen: Bool[np.ndarray, " edge"]) -> float:
        return float(lengths[chosen].sum() / total)

    return RunLengths(
        erl_um=erl,
        nerl=erl / best,
        best_um=best,
        correct=share(correct),
        split=share(~omitted & ~lost & (start != stop)),
        omitted=share(omitted & ~lost),
        merged=share(lost),
        mergers=len(merging),
        pieces=_pieces(table),
        skeletons=int(np.count_nonzero(of_body)),
        points=len(segment),
        outside=outside,
    )


def look_up(
    labels: Labels, skeletons: Skeletons, *, block: Shape = BLOCK
) -> tuple[UInt64[np.ndarray, " point"], Bool[np.ndarray, " point"]]:
    """The segment of the voxel that each point lies in, 0 outside of the volume; and whether it is inside."""
    grid = labels.grid
    place = np.floor((skeletons.points - np.array(grid.origin)) / np.array(grid.voxel_size))
    inside = ((place >= 0) & (place < np.array(grid.shape))).all(axis=1)
    within = np.flatnonzero(inside)
    voxel = place[within].astype(np.int64)
    along = -(-np.array(grid.shape) // np.array(block))
    cell = np.ravel_multi_index(tuple((voxel // np.array(block)).T), tuple(along.tolist()))
    order = np.argsort(cell, kind="stable")
    segment = np.zeros(len(place), np.uint64)
    for part in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        if len(part):
            low, high = voxel[part].min(axis=0), voxel[part].max(axis=0) + 1
            slices = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
            segment[within[part]] = np.asarray(labels.voxels[slices])[tuple((voxel[part] - low).T)]
    return segment, inside


def pairs_of_points(segment: UInt64[np.ndarray, " point"], skeletons: Skeletons) -> Contingency:
    """How many points each segment holds of each skeleton; the body of a pair is the skeleton's row plus 1."""
    return collect_pairs(segment, skeletons.body.astype(np.uint64) + np.uint64(1), np.ones(len(segment), np.int64))


def _merging(table: Contingency, forgiven: Forgiven) -> UInt64[np.ndarray, " segment"]:
    """Segments that hold several skeletons, as far as that counts."""
    held = (table.segments != 0) & (table.counts >= forgiven.points)
    held &= table.counts >= forgiven.share * table.segment_sizes
    segments, bodies = np.unique(table.segments[held], return_counts=True)
    return np.asarray(segments[bodies > 1])


def _pieces(table: Contingency) -> int:
    """Segments of each skeleton that has any, less one each."""
    held = table.bodies[table.segments != 0]
    return len(held) - len(np.unique(held))


def _runs(
    owner: Int64[np.ndarray, " edge"], segment: UInt64[np.ndarray, " edge"], lengths: Float64[np.ndarray, " edge"]
) -> Float64[np.ndarray, " run"]:
    """Length of what each segment holds of each skeleton."""
    names, which = np.unique(segment, return_inverse=True)
    _, run = np.unique(owner * max(1, len(names)) + which.ravel(), return_inverse=True)
    return np.bincount(run.ravel(), lengths).astype(np.float64)  # of nothing it gives integers
