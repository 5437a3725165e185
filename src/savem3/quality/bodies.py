"""How likely each segment holds more than one body, and how likely a part of its body lies elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.quality.calibration import Calibration
from savem3.quality.edges import Evidence, evidence_of, wrongness
from savem3.quality.odds import chance
from savem3.regions import RegionGraph

SEAM_COLUMNS = ("worst_seam", "any_seam", "at_stake", "size", "fragments")
BORDER_COLUMNS = ("worst_border", "any_border", "to_gain", "size", "fragments")
"""The evidence of a segment for a merge and for a missing part, see `BodyEvidence`."""

LEAST = 1e-4
"""Added where a logarithm is taken of what may be 0."""

SHARE = 0.02
"""Share of a segment's voxels from which a second body in it is a merge, and from which voxels of its own body that lie
elsewhere are a missing part."""


@dataclass(frozen=True, slots=True, eq=False)
class BodyEvidence:
    """A row for each segment, in the order of their labels.

    - ``worst_seam``, ``worst_border``: the greatest log-odds of an error on its seams, and on its borders.
    - ``any_seam``, ``any_border``: logarithm of the expected number of errors.
    - ``at_stake``, ``to_gain``: logarithm of the voxels that are expected to leave, and to come, as a share of its own.
    - ``size``: logarithm of its voxels relative to the mean over voxels of all segments' sizes.
    - ``fragments``: logarithm of their number.

    Parameters
    ----------
    segments, voxels
        Label and size of each.
    seams, borders
        The columns of `SEAM_COLUMNS` and of `BORDER_COLUMNS`.
    """

    segments: UInt64[np.ndarray, " segment"]
    voxels: Int64[np.ndarray, " segment"]
    seams: Float64[np.ndarray, "segment column"]
    borders: Float64[np.ndarray, "segment column"]


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """What may be wrong with each segment.

    Parameters
    ----------
    segments, voxels
        Label and size of each, in the order of their labels.
    merge
        Probability that at least `SHARE` of its voxels lie in fragments of another body than its own.
    missing
        Probability that fragments of its body elsewhere hold at least `SHARE` of as many voxels as it has.
    """

    segments: UInt64[np.ndarray, " segment"]
    voxels: Int64[np.ndarray, " segment"]
    merge: Float64[np.ndarray, " segment"]
    missing: Float64[np.ndarray, " segment"]


def bodies(calibration: Calibration, graph: RegionGraph, segment_of: UInt64[np.ndarray, " node"]) -> Bodies:
    """The probabilities of each segment that it holds a merge, and that something of its body is missing.

    Parameters
    ----------
    calibration
        From `read_calibration`.
    graph
        Weighed, with the margins of the cut.
    segment_of
        The segment of each fragment.
    """
    evidence = evidence_of(graph, segment_of)
    found = body_evidence(graph, segment_of, evidence, wrongness(calibration, evidence))
    merge = chance(calibration.merge.of(found.seams, SEAM_COLUMNS))
    missing = chance(calibration.missing.of(found.borders, BORDER_COLUMNS))
    return Bodies(found.segments, found.voxels, np.where(found.seams[:, 0] > _NONE, merge, 0.0), missing)


_NONE = -20.0
"""Log-odds that stand where there is nothing to be wrong."""


def body_evidence(
    graph: RegionGraph,
    segment_of: UInt64[np.ndarray, " node"],
    evidence: Evidence,
    probability: Float64[np.ndarray, " edge"],
) -> BodyEvidence:
    """The evidence of each segment, from the probabilities of its edges.

    Parameters
    ----------
    graph
        That was cut.
    segment_of
        The segment of each fragment.
    evidence, probability
        Of each edge.
    """
    segments, places, fragments = np.unique(segment_of, return_inverse=True, return_counts=True)
    many = len(segments)
    voxels = np.bincount(places, graph.sizes, many).astype(np.int64)
    pairs = places[graph.edges.astype(np.int64) - 1]
    seams = np.flatnonzero(evidence.seam)
    lesser = evidence.side[seams]
    of_seams = _tell(pairs[seams, 0], probability[seams], probability[seams] * lesser, many, voxels)
    edges, likeliest = likeliest_borders(pairs, evidence, probability)
    owner, other = np.r_[pairs[edges, 0], pairs[edges, 1]], np.r_[pairs[edges, 1], pairs[edges, 0]]
    twice = np.r_[likeliest, likeliest]
    of_borders = _tell(owner, twice, twice * voxels[other], many, voxels)
    usual = float((voxels.astype(np.float64) ** 2).sum() / voxels.sum())
    size = np.log(np.maximum(voxels, 1)) - np.log(max(1.0, usual))
    shared = (size, np.log(fragments))
    return BodyEvidence(
        segments.astype(np.uint64),
        voxels,
        np.stack([*of_seams, *shared], axis=1),
        np.stack([*of_borders, *shared], axis=1),
    )


def likeliest_borders(
    pairs: Int64[np.ndarray, "edge 2"], evidence: Evidence, probability: Float64[np.ndarray, " edge"]
) -> tuple[Int64[np.ndarray, " border"], Float64[np.ndarray, " border"]]:
    """Of each two segments that touch, the edge that is likeliest wrong, and its probability."""
    apart = np.flatnonzero(~evidence.joined)
    if not len(apart):
        return apart, np.zeros(0)
    ordered = np.sort(pairs[apart], axis=1)
    codes = ordered[:, 0] * (int(pairs.max()) + 1) + ordered[:, 1]
    order = np.lexsort((apart, -probability[apart], codes))
    first = np.unique(codes[order], return_index=True)[1]
    edges = apart[order][first]
    return edges, probability[edges]


def _tell(
    owner: Int64[np.ndarray, " n"],
    probability: Float64[np.ndarray, " n"],
    moved: Float64[np.ndarray, " n"],
    many: int,
    voxels: Int64[np.ndarray, " segment"],
) -> tuple[Float64[np.ndarray, " segment"], Float64[np.ndarray, " segment"], Float64[np.ndarray, " segment"]]:
    """The greatest log-odds, the expected errors and the voxels that are expected to move, of each owner."""
    worst = np.full(many, _NONE)
    np.maximum.at(worst, owner, np.log(probability) - np.log1p(-probability))
    errors = np.bincount(owner, probability, many)
    share = np.bincount(owner, moved, many) / np.maximum(voxels, 1)
    return worst, np.log(errors + LEAST), np.log(share + LEAST)
