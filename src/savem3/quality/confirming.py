"""Whether what a list of places suspects is so, where there is truth: how well the list held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.grid import Box
from savem3.quality.place import Place
from savem3.volume import Labels

HALF = 0.5
"""Share of a segment that one body of the truth must have for the segment to be that body's."""

SECOND = 0.02
"""Share of a segment from which a second body in it is a merge."""

NEAR_NM = 100.0
"""How near to a place two bodies must meet for a merge to be there."""

MEETING = 0.1
"""Share of what is near that the second of two bodies must have to meet the first one there."""

OF_SPLIT = ("split",)
OF_MERGE = ("merge", "crossing", "endings", "glia")
OF_PIECE = ("orphan", "inside")
"""Kinds that suspect two segments of one body, two bodies in one segment, and a piece of another segment's body."""


def confirm(
    places: Sequence[Place],
    segments: UInt64[np.ndarray, " pair"],
    bodies: UInt64[np.ndarray, " pair"],
    counts: Int64[np.ndarray, " pair"],
) -> Float64[np.ndarray, " place"]:
    """1 where the truth has the error, 0 where it has not, nan where it cannot say.

    Parameters
    ----------
    places
        A split is confirmed if the truth gives most of both segments to one body; a merge, crossing, glia-like body or
        one with too many endings if a second body has its share of the segment; an orphan or a body within another if
        another segment has more of the body that it belongs to.
    segments, bodies, counts
        Voxels that each segment shares with each body of the truth; each pair once, unknown truth left out.
    """
    sizes, owners, seconds = _of_segments(segments, bodies, counts)
    largest = _largest_of(segments, bodies, counts)
    found = np.full(len(places), np.nan)
    for i, place in enumerate(places):
        known = [label for label in place.labels if label in sizes]
        if place.kind in OF_SPLIT and len(known) == 2:
            one, other = (owners[label] for label in known)
            found[i] = float(one is not None and one == other)
        elif place.kind in OF_MERGE and known:
            found[i] = float(seconds[known[0]] >= SECOND * sizes[known[0]])
        elif place.kind in OF_PIECE and known and known[0] == place.labels[0]:
            owner = owners[known[0]]
            found[i] = float(owner is not None and largest[owner] != known[0])
    return found


def confirm_there(place: Place, *, segments: Labels, truth: Labels) -> float:
    """1 where two bodies of the truth meet in a place's segment, right at the place; 0 where they do not; nan where
    the truth says nothing of it.

    Parameters
    ----------
    place
        In voxels of both volumes.
    segments, truth
        Of one grid, unless one of them does not know its voxel size: that of the segments counts.
    """
    grid = segments.grid
    near = [max(1, round(NEAR_NM / edge)) for edge in grid.voxel_size]
    first = [max(0, round(a) - n) for a, n in zip(place.at, near, strict=True)]
    stop = [min(size, round(a) + n + 1) for a, n, size in zip(place.at, near, grid.shape, strict=True)]
    box = Box((first[0], first[1], first[2]), (stop[0], stop[1], stop[2]))
    bodies = truth.read(box)[segments.read(box) == np.uint64(place.labels[0])]
    counts = np.sort(np.unique(bodies[bodies != 0], return_counts=True)[1])[::-1]
    if not len(counts):
        return float("nan")
    return float(len(counts) > 1 and counts[1] >= MEETING * counts.sum())


def _of_segments(
    segments: UInt64[np.ndarray, " pair"], bodies: UInt64[np.ndarray, " pair"], counts: Int64[np.ndarray, " pair"]
) -> tuple[dict[int, int], dict[int, int | None], dict[int, int]]:
    """Known voxels of each segment, the body that has most of it, and the voxels of the second one."""
    order = np.lexsort((bodies, -counts, segments))
    sizes: dict[int, int] = {}
    firsts: dict[int, tuple[int, int]] = {}
    seconds: dict[int, int] = {}
    for segment, body, count in zip(*(column[order].tolist() for column in (segments, bodies, counts)), strict=True):
        if segment in firsts:
            seconds.setdefault(segment, count)
        firsts.setdefault(segment, (body, count))
        sizes[segment] = sizes.get(segment, 0) + count
    owners = {segment: body if count >= HALF * sizes[segment] else None for segment, (body, count) in firsts.items()}
    return sizes, owners, {segment: seconds.get(segment, 0) for segment in firsts}


def _largest_of(
    segments: UInt64[np.ndarray, " pair"], bodies: UInt64[np.ndarray, " pair"], counts: Int64[np.ndarray, " pair"]
) -> dict[int, int]:
    """The segment that has most of each body."""
    named = segments != 0
    order = np.lexsort((segments[named], -counts[named], bodies[named]))
    found: dict[int, int] = {}
    for body, segment in zip(bodies[named][order].tolist(), segments[named][order].tolist(), strict=True):
        found.setdefault(body, segment)
    return found
