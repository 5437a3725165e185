"""What a region graph and its cut say about each decision: the evidence that probabilities of error are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64
from scipy.sparse import csr_array

from savem3.kernel import kernel
from savem3.quality.calibration import Calibration
from savem3.quality.odds import chance
from savem3.regions import RegionGraph

COLUMNS = (
    "mean",
    "least",
    "most",
    "cost",
    "margin",
    "faces",
    "contact",
    "lesser_fragment",
    "greater_fragment",
    "lesser_side",
    "greater_side",
    "between",
    "support",
    "rival",
)
"""The evidence of an edge, see `Evidence`."""

CERTAIN = 0.002
"""Boundary values are kept this far from 0 and 1: half a grey value."""

NO_RIVAL = -8.0
"""How far the best alternative lies behind where there is none; no farther than this, nor farther ahead, counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A row for each edge of a graph that was cut, a column for each of `COLUMNS`; no unit of length enters.

    Sizes are relative to the volume's own: to the size of the fragment that its middle voxel lies in, all fragments
    sorted by size.

    - ``mean``, ``least``, ``most``: log-odds of membrane, of the faces' mean, least and greatest boundary value.
    - ``cost``, ``margin``: of the cut, the margin as a logarithm that keeps its sign.
    - ``faces``, ``contact``: logarithm of the faces, and of the faces relative to the smaller fragment's surface.
    - ``lesser_fragment``, ``greater_fragment``: logarithms of the sizes.
    - ``lesser_side``, ``greater_side``: of the two segments; where the edge was joined, of the two parts that it
      brought together when fragments are joined by falling costs, of the fragments if they were together already.
    - ``between``: the faces between both sides (of a joined edge, its own) relative to the lesser side's surface.
    - ``support``: logarithm of 1 + the further edges between the two segments; where the edge was joined, of 1 + the
      fragments of the segment that touch both.
    - ``rival``: how much more than this edge the best edge of the other state speaks for joining the smaller fragment.

    Parameters
    ----------
    joined
        Whether the cut put both fragments into one segment.
    seam
        Whether the edge brought two parts of a segment together; one less than its fragments are.
    side
        Voxels of the lesser side: what changes hands if the decision is wrong.
    table
        The columns.
    """

    joined: Bool[np.ndarray, " edge"]
    seam: Bool[np.ndarray, " edge"]
    side: Int64[np.ndarray, " edge"]
    table: Float64[np.ndarray, "edge column"]


def evidence_of(graph: RegionGraph, segment_of: UInt64[np.ndarray, " node"]) -> Evidence:
    """The evidence of each edge, from the graph and the partition alone.

    Parameters
    ----------
    graph
        Weighed, with the margins of the cut.
    segment_of
        The segment of each fragment.

    Raises
    ------
    ValueError
        If costs or margins are missing, or there is not one segment for each fragment.

    Notes
    -----
    Source: none; which evidence is read is our choice.
    """
    if graph.costs is None or graph.margin is None:
        raise ValueError("graph must have costs and margins, got none (weigh_edges and with_margins make them)")
    if len(segment_of) != len(graph.sizes):
        raise ValueError(f"segment_of must name the segment of {len(graph.sizes)} fragments, got {len(segment_of)}")
    ends = graph.edges.astype(np.int64) - 1
    segments, places = np.unique(segment_of, return_inverse=True)
    pairs = np.sort(places[ends], axis=1).astype(np.int64)
    joined = pairs[:, 0] == pairs[:, 1]
    seam, parts = _parts_joined(ends, joined, graph)
    voxels = np.bincount(places, graph.sizes, len(segments)).astype(np.int64)
    sides = np.where(joined[:, None], parts, np.sort(voxels[pairs], axis=1))
    faces, others = _bundles(pairs, joined, graph.count)
    unit = np.log(_middle_size(graph.sizes))
    lesser, greater = np.sort(graph.sizes[ends], axis=1).T
    columns = (
        _log_odds(graph.mean),
        _log_odds(graph.minimum),
        _log_odds(graph.maximum),
        graph.costs,
        np.sign(graph.margin) * np.log1p(np.abs(graph.margin)),
        np.log(graph.count),
        np.log(graph.count) - 2 / 3 * np.log(lesser),
        np.log(lesser) - unit,
        np.log(greater) - unit,
        np.log(sides[:, 0]) - unit,
        np.log(sides[:, 1]) - unit,
        np.log(faces) - 2 / 3 * np.log(sides[:, 0]),
        np.log1p(np.where(joined, _common(ends, joined, len(places)), others)),
        _rivals(ends, joined, graph.costs, graph.sizes),
    )
    return Evidence(joined, seam, sides[:, 0], np.stack([np.asarray(c, np.float64) for c in columns], axis=1))


def probabilities(
    calibration: Calibration, graph: RegionGraph, segment_of: UInt64[np.ndarray, " node"]
) -> Float64[np.ndarray, " edge"]:
    """The probability that what the cut decided for each edge, joined or parted, is wrong.

    Of a joined edge: that its fragments belong to different bodies; of a parted one: that they belong to the same body.

    Parameters
    ----------
    calibration
        From `read_calibration`.
    graph
        Weighed, with the margins of the cut.
    segment_of
        The segment of each fragment.

    Raises
    ------
    ValueError
        As `evidence_of` does.
    """
    return wrongness(calibration, evidence_of(graph, segment_of))


def wrongness(calibration: Calibration, evidence: Evidence) -> Float64[np.ndarray, " edge"]:
    """The same, from evidence."""
    odds = np.where(
        evidence.joined,
        calibration.joined.of(evidence.table, COLUMNS),
        calibration.parted.of(evidence.table, COLUMNS),
    )
    return chance(odds)


def _log_odds(boundary: Float64[np.ndarray, " edge"] | Int64[np.ndarray, " edge"]) -> Float64[np.ndarray, " edge"]:
    """Of a boundary value 0–255."""
    p = np.clip(boundary / 255, CERTAIN, 1 - CERTAIN)
    odds: Float64[np.ndarray, " edge"] = np.log(p / (1 - p))
    return odds


def _middle_size(sizes: Int64[np.ndarray, " node"]) -> int:
    """The size of the fragment that the middle voxel lies in, all fragments sorted by size; at least 1."""
    ordered = np.sort(sizes)
    if not len(ordered):
        return 1
    return max(1, int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]))


def _bundles(
    pairs: Int64[np.ndarray, "edge 2"], joined: Bool[np.ndarray, " edge"], count: Int64[np.ndarray, " edge"]
) -> tuple[Int64[np.ndarray, " edge"], Int64[np.ndarray, " edge"]]:
    """Faces between the two segments of each edge, and the further edges between them; a joined edge has its own."""
    faces, others = count.copy(), np.zeros(len(count), np.int64)
    apart = np.flatnonzero(~joined)
    if len(apart):
        codes = pairs[apart, 0] * (int(pairs.max()) + 1) + pairs[apart, 1]
        _, bundle, edges = np.unique(codes, return_inverse=True, return_counts=True)
        faces[apart] = np.bincount(bundle, count[apart]).astype(np.int64)[bundle]
        others[apart] = edges[bundle] - 1
    return faces, others


def _common(
    ends: Int64[np.ndarray, "edge 2"], joined: Bool[np.ndarray, " edge"], nodes: int
) -> Int64[np.ndarray, " edge"]:
    """How many fragments were joined to both ends of each joined edge."""
    u, v = ends[joined].T
    links = csr_array((np.ones(2 * len(u), np.int64), (np.r_[u, v], np.r_[v, u])), shape=(nodes, nodes))
    links.sort_indices()
    found = np.zeros(len(ends), np.int64)
    indices, starts = links.indices.astype(np.int64), links.indptr.astype(np.int64)
    found[joined] = _count_common(np.ascontiguousarray(ends[joined]), starts, indices)
    return found


@kernel
@no_type_check
def _count_common(ends, starts, neighbours):
    """Neighbours that two nodes share; each node's are sorted."""
    found = np.zeros(len(ends), np.int64)
    for edge in range(len(ends)):
        a, b = starts[ends[edge, 0]], starts[ends[edge, 1]]
        last_a, last_b = starts[ends[edge, 0] + 1], starts[ends[edge, 1] + 1]
        while a < last_a and b < last_b:
            if neighbours[a] == neighbours[b]:
                found[edge] += 1
            if neighbours[a] <= neighbours[b]:
                a += 1
            else:
                b += 1
    return found


def _rivals(
    ends: Int64[np.ndarray, "edge 2"],
    joined: Bool[np.ndarray, " edge"],
    costs: Float64[np.ndarray, " edge"],
    sizes: Int64[np.ndarray, " node"],
) -> Float64[np.ndarray, " edge"]:
    """Of the smaller fragment of each edge: the best cost among its edges of the other state, less the edge's own."""
    best = np.full((2, len(sizes)), -np.inf)
    for state in (0, 1):
        own = joined == bool(state)
        for column in (0, 1):
            np.maximum.at(best[state], ends[own, column], costs[own])
    smaller = np.where(sizes[ends[:, 0]] <= sizes[ends[:, 1]], ends[:, 0], ends[:, 1])
    ahead = best[np.where(joined, 0, 1), smaller] - costs
    return np.clip(ahead, NO_RIVAL, -NO_RIVAL)


def _parts_joined(
    ends: Int64[np.ndarray, "edge 2"], joined: Bool[np.ndarray, " edge"], graph: RegionGraph
) -> tuple[Bool[np.ndarray, " edge"], Int64[np.ndarray, "edge 2"]]:
    """Which edges bring parts of a segment together, joined by falling costs, and the voxels of both, lesser first."""
    assert graph.costs is not None
    inside = np.flatnonzero(joined)
    order = inside[np.lexsort((inside, -graph.costs[inside]))]
    parts = np.sort(graph.sizes[ends], axis=1)
    came = join_in_turn(np.ascontiguousarray(ends[order]), graph.sizes)
    is_new = came[:, 0] > 0
    parts[order[is_new]] = came[is_new]
    seam = np.zeros(len(ends), np.bool_)
    seam[order[is_new]] = True
    return seam, parts


@kernel
@no_type_check
def join_in_turn(ends, sizes):
    """Of each edge in turn: voxels of the two parts that it joins, lesser first; 0 where they are one already."""
    roots, voxels = np.arange(len(sizes)), sizes.copy()
    parts = np.zeros((len(ends), 2), np.int64)
    for edge in range(len(ends)):
        one, other = ends[edge, 0], ends[edge, 1]
        while roots[one] != one:
            roots[one] = roots[roots[one]]
            one = roots[one]
        while roots[other] != other:
            roots[other] = roots[roots[other]]
            other = roots[other]
        if one != other:
            if voxels[one] < voxels[other]:
                one, other = other, one
            parts[edge] = voxels[other], voxels[one]
            roots[other] = one
            voxels[one] += voxels[other]
    return parts
