"""Where arms of a body end, and where two of its arms meet and part again, told by its parts section by section.

Source: persistence of connected parts along a height is textbook topology: when two arms meet, the one that began later
has been on its own for as long as it is long. Which lengths count is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.kernel import kernel
from savem3.quality.place import Place
from savem3.quality.robust import beyond_trend
from savem3.quality.tracing import Trace

ARM_NM = 400.0
"""How long an arm must be on its own, along the axis of its sections, to count as one."""

NEAR_NM = 500.0
"""Two arms that meet and part within this length cross; endings nearer to each other than this are one."""

MANY = 5
"""Endings that a body must have to have too many."""

TOO_MANY = 4.0
"""Deviations beyond what bodies of its volume have, from which a body has too many endings."""


Found = tuple[UInt64[np.ndarray, " _"], Float64[np.ndarray, "_ 3"], Int64[np.ndarray, " _"]]
"""Bodies, places along z, y, x, and voxels that hang on each."""


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """Endings and crossings of the bodies of a volume.

    Parameters
    ----------
    ending_of, endings
        The body of each ending within the volume, and where it is along z, y, x.
    crossing_of, crossings
        The body of each crossing, and where it is.
    lesser
        Voxels of the lesser arm of each crossing, on both sides together.
    """

    ending_of: UInt64[np.ndarray, " ending"]
    endings: Float64[np.ndarray, "ending 3"]
    crossing_of: UInt64[np.ndarray, " crossing"]
    crossings: Float64[np.ndarray, "crossing 3"]
    lesser: Int64[np.ndarray, " crossing"]


def branches(traces: Sequence[Trace], voxel_size: tuple[float, float, float]) -> Branches:
    """Endings and crossings that are seen along any of the traced axes.

    Parameters
    ----------
    traces
        Of one volume, along different axes.
    voxel_size
        Edge lengths along z, y, x, nm.
    """
    ends, crosses = [], []
    for trace in traces:
        found_ends, found_crosses, lesser = _along(trace, voxel_size[trace.axis])
        ends.append((trace.body[found_ends], trace.centre[found_ends], np.zeros(len(found_ends), np.int64)))
        crosses.append((trace.body[found_crosses], trace.centre[found_crosses], lesser))
    ending_of, endings, _ = _once(ends, voxel_size)
    return Branches(ending_of, endings, *_once(crosses, voxel_size))


def ending_places(found: Branches, ids: UInt64[np.ndarray, " body"], voxels: Int64[np.ndarray, " body"]) -> list[Place]:
    """Bodies with many more endings than bodies of their volume, at the ending that lies most in their middle.

    Parameters
    ----------
    found
        From `branches`.
    ids, voxels
        Of all bodies, by ascending number.
    """
    counts = count_of(found.ending_of, ids)
    beyond = beyond_trend(np.log(voxels), np.sqrt(counts), floor=0.5)
    places = []
    for row in np.flatnonzero((counts >= MANY) & (beyond > TOO_MANY)):
        own = found.endings[found.ending_of == ids[row]]
        z, y, x = own[int(np.linalg.norm(own - own.mean(0), axis=1).argmin())].tolist()
        why = f"{counts[row]} endings within the volume, {beyond[row]:.1f} deviations more than bodies of its volume"
        places.append(Place("endings", (z, y, x), (int(ids[row]),), float("nan"), float(voxels[row]) / 2, why))
    return places


def crossing_places(found: Branches) -> list[Place]:
    """Where two arms of one body meet and part again."""
    return [
        Place(
            "crossing", (z, y, x), (body,), float("nan"), float(lesser), "two arms of one body meet here and part again"
        )
        for body, (z, y, x), lesser in zip(
            found.crossing_of.tolist(), found.crossings.tolist(), found.lesser.tolist(), strict=True
        )
    ]


def count_of(bodies: UInt64[np.ndarray, " n"], ids: UInt64[np.ndarray, " body"]) -> Int64[np.ndarray, " body"]:
    """How often each body of a sorted list is named."""
    names, counts = np.unique(bodies, return_counts=True)
    found = np.zeros(len(ids), np.int64)
    found[np.searchsorted(ids, names)] = counts
    return found


def _along(
    trace: Trace, step_nm: float
) -> tuple[Int64[np.ndarray, " ending"], Int64[np.ndarray, " crossing"], Int64[np.ndarray, " crossing"]]:
    """Parts where arms end, parts where two meet and part, and voxels of the lesser arms of the latter."""
    least = max(2.0, ARM_NM / step_nm)
    rising = _sweep(trace.section, trace.area, trace.links)
    last = len(trace.section) - 1
    turned = np.ascontiguousarray(last - trace.links[::-1, ::-1])
    turned = turned[np.argsort(turned[:, 1], kind="stable")]
    falling = _sweep(trace.sections - 1 - trace.section[::-1], np.ascontiguousarray(trace.area[::-1]), turned)
    inner = (trace.section > 0) & (trace.section < trace.sections - 1) & ~trace.at_edge
    ends = np.flatnonzero(inner & ((rising[0] >= least) | (falling[0][::-1] >= least)))
    meets = np.where(rising[1] >= least, rising[2], 0)
    parts = np.where(falling[1][::-1] >= least, falling[2][::-1], 0)
    pairs = _meet_and_part(trace, meets, parts, max(1, int(NEAR_NM / step_nm)))
    return ends, pairs[:, 0], meets[pairs[:, 0]] + parts[pairs[:, 1]]


def _meet_and_part(
    trace: Trace, meets: Int64[np.ndarray, " part"], parts: Int64[np.ndarray, " part"], within: int
) -> Int64[np.ndarray, "crossing 2"]:
    """Pairs of a part where two arms meet, and the next part above it where two arms part."""
    order = np.argsort(trace.links[:, 0], kind="stable")
    lower, upper = trace.links[order, 0], trace.links[order, 1]
    first = np.searchsorted(lower, np.arange(len(trace.section) + 1))
    pairs = []
    for start in np.flatnonzero(meets).tolist():
        front = [start]
        for _ in range(within):
            parting = [part for part in front if parts[part]]
            if parting:
                pairs.append((start, parting[0]))
                break
            front = sorted({int(upper[i]) for part in front for i in range(first[part], first[part + 1])})
    return np.array(pairs, np.int64).reshape(-1, 2)


def _once(found: Sequence[Found], voxel_size: tuple[float, float, float]) -> Found:
    """Each thing once: of those of one body that are near each other, the one with the greatest value."""
    from scipy.spatial import cKDTree

    bodies, places, values = (np.concatenate([one[i] for one in found]) for i in range(3))
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -values, bodies))
    bodies, places, values = bodies[order], places[order], values[order]
    kept = np.ones(len(bodies), bool)
    if len(bodies) > 1:
        near = cKDTree(places * np.array(voxel_size)).query_pairs(NEAR_NM, output_type="ndarray")
        near = near[bodies[near[:, 0]] == bodies[near[:, 1]]]
        for one, other in near[np.lexsort((near[:, 1], near[:, 0]))].tolist():
            kept[other] &= not kept[one]
    return bodies[kept], places[kept], values[kept]


def _sweep(
    section: Int64[np.ndarray, " part"], area: Int64[np.ndarray, " part"], links: Int64[np.ndarray, "link 2"]
) -> tuple[Float64[np.ndarray, " part"], Float64[np.ndarray, " part"], Int64[np.ndarray, " part"]]:
    """`_follow`, as floats and counts."""
    ends, meets, lesser = _follow(np.ascontiguousarray(section), area, np.ascontiguousarray(links))
    return ends.astype(np.float64), meets.astype(np.float64), lesser


@kernel
@no_type_check
def _follow(section, area, links):
    """Go up through sections: how long the arm that begins at a part is on its own, and where arms meet.

    Of each part: the length of the arm that begins there, 0 where none does; the length of the shorter arm of those
    that meet there; the voxels below of the lesser one of the two.
    """
    count = len(section)
    roots, begins, tops, volume = np.arange(count), np.arange(count), section.copy(), area.copy()
    ends, meets, lesser = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    link = 0
    for part in range(count):
        while link < len(links) and links[link, 1] == part:
            one, other = links[link, 0], part
            link += 1
            while roots[one] != one:
                roots[one] = roots[roots[one]]
                one = roots[one]
            while roots[other] != other:
                roots[other] = roots[roots[other]]
                other = roots[other]
            if one == other:
                continue
            older, younger = (one, other) if begins[one] <= begins[other] else (other, one)
            if begins[younger] != part:
                length = section[part] - section[begins[younger]]
                ends[begins[younger]] = length
                if length > meets[part]:
                    meets[part] = length
                    lesser[part] = min(volume[one], volume[other])
            roots[younger] = older
            volume[older] += volume[younger]
            tops[older] = max(tops[older], tops[younger])
    for part in range(count):
        if roots[part] == part:
            ends[begins[part]] = tops[part] - section[begins[part]]
    return ends, meets, lesser
