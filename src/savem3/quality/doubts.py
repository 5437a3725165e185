"""Which decisions of a cut are the least sure, and what hangs on each: candidates for merges and for splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from savem3.quality.edges import join_in_turn
from savem3.quality.place import Place
from savem3.regions import RegionGraph

LISTED = 300
"""Places of each kind that are handed on at most."""

UNSURE = 0.2
"""Where nobody calibrated probabilities, a decision is listed if its margin, read as log-odds, gives this chance of an
error or more."""


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """Decisions of a cut that a person may want to see, the most urgent first.

    Parameters
    ----------
    edge
        The edge of the graph that each is about.
    is_merge
        Whether its fragments were joined, so that the doubt is a merge; otherwise it is a split.
    labels
        The segment or segments concerned; the second one is 0 for a merge.
    probability
        That the decision is wrong; nan where nobody calibrated it.
    impact
        Voxels that change hands if it is: those of the lesser side.
    margin
        What the cut's energy would lose by the other decision; nan where it was not kept.
    """

    edge: Int64[np.ndarray, " doubt"]
    is_merge: Bool[np.ndarray, " doubt"]
    labels: UInt64[np.ndarray, "doubt 2"]
    probability: Float64[np.ndarray, " doubt"]
    impact: Int64[np.ndarray, " doubt"]
    margin: Float64[np.ndarray, " doubt"]


def find_doubts(
    graph: RegionGraph,
    segment_of: UInt64[np.ndarray, " node"],
    probability: Float64[np.ndarray, " edge"] | None = None,
    *,
    most: int = LISTED,
) -> Doubts:
    """The decisions that are most urgent to look at; one for each pair of segments that was parted, and one for each
    seam of a segment.

    The seams of a segment are those at which its fragments come together when they are joined in the order of their
    costs; what hangs on one is the lesser side at that moment. Where nobody calibrated probabilities, the margin is
    read as log-odds, `UNSURE` decisions alone are listed, and their probability stays nan.

    Parameters
    ----------
    graph
        Weighed, and with margins where there are no probabilities.
    segment_of
        The segment of each fragment.
    probability
        That what was decided for each edge is wrong.
    most
        Doubts of each kind that are kept.

    Raises
    ------
    ValueError
        If the graph has neither costs nor margins that it needs.
    """
    if graph.costs is None or (probability is None and graph.margin is None):
        raise ValueError("graph must have costs, and margins where there are no probabilities, got none")
    margin = np.full(len(graph.edges), np.nan) if graph.margin is None else graph.margin
    guess = 1 / (1 + np.exp(np.clip(margin, -40, 40))) if probability is None else probability
    ends = graph.edges.astype(np.int64) - 1
    segments = segment_of[ends]
    joined = segments[:, 0] == segments[:, 1]
    seams, below = _seams(ends, joined, graph.costs, graph.sizes)
    parted, beside = _parted(segments, joined, guess, graph, segment_of)
    if probability is None:
        seams, below = (column[guess[seams] >= UNSURE] for column in (seams, below))
        parted, beside = (column[guess[parted] >= UNSURE] for column in (parted, beside))
    edge = np.concatenate([_worst(seams, guess, below, most), _worst(parted, guess, beside, most)])
    impact = np.zeros(len(graph.edges), np.int64)
    impact[seams], impact[parted] = below, beside
    labels = segments[edge].copy()
    labels[joined[edge], 1] = 0
    told = np.full(len(edge), np.nan) if probability is None else probability[edge]
    return Doubts(edge, joined[edge], labels, told, impact[edge], margin[edge])


def doubt_places(doubts: Doubts, at: Float64[np.ndarray, "doubt 3"]) -> list[Place]:
    """Doubts as places.

    Parameters
    ----------
    doubts
        From `find_doubts`.
    at
        Where the contact of each lies, voxels along z, y, x.
    """
    places = []
    for i, (z, y, x) in enumerate(at.tolist()):
        labels = tuple(int(label) for label in doubts.labels[i] if label)
        said = "joined over this contact" if doubts.is_merge[i] else "parted at this contact"
        why = said + _energy(float(doubts.margin[i]))
        kind = "merge" if doubts.is_merge[i] else "split"
        places.append(Place(kind, (z, y, x), labels, float(doubts.probability[i]), float(doubts.impact[i]), why))
    return places


def _energy(margin: float) -> str:
    """What the energy of the cut says to the other choice."""
    if np.isnan(margin):
        return ""
    return f"; the energy would {'lose' if margin >= 0 else 'gain'} {abs(margin):.2g} by the other choice"


def _worst(
    edges: Int64[np.ndarray, " n"], guess: Float64[np.ndarray, " edge"], impact: Int64[np.ndarray, " n"], most: int
) -> Int64[np.ndarray, " kept"]:
    """The most urgent edges, see `rank`."""
    return edges[np.lexsort((edges, -guess[edges] * np.sqrt(impact)))[:most]]


def _parted(
    segments: UInt64[np.ndarray, "edge 2"],
    joined: Bool[np.ndarray, " edge"],
    guess: Float64[np.ndarray, " edge"],
    graph: RegionGraph,
    segment_of: UInt64[np.ndarray, " node"],
) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """The likeliest edge between each two segments that were parted, and the voxels of the lesser segment."""
    names, places = np.unique(segment_of, return_inverse=True)
    sizes = np.zeros(len(names), np.int64)
    np.add.at(sizes, places, graph.sizes)
    apart = np.flatnonzero(~joined)
    rows = np.sort(np.searchsorted(names, segments[apart]), axis=1)
    order = np.lexsort((apart, -graph.count[apart], -guess[apart], rows[:, 1], rows[:, 0]))
    apart, rows = apart[order], rows[order]
    first = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(1)]) if len(rows) else np.zeros(0, np.int64)
    return apart[first], sizes[rows[first]].min(1) if len(first) else np.zeros(0, np.int64)


def _seams(
    ends: Int64[np.ndarray, "edge 2"],
    joined: Bool[np.ndarray, " edge"],
    costs: Float64[np.ndarray, " edge"],
    sizes: Int64[np.ndarray, " node"],
) -> tuple[Int64[np.ndarray, " seam"], Int64[np.ndarray, " seam"]]:
    """The edges that bring parts of a segment together, joined by falling costs, and the voxels of the lesser part."""
    inside = np.flatnonzero(joined)
    order = inside[np.lexsort((inside, -costs[inside]))]
    lesser = join_in_turn(np.ascontiguousarray(ends[order]), sizes)[:, 0]
    return order[lesser > 0], lesser[lesser > 0]
