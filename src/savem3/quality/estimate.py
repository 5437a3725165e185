"""An estimate of VoI without truth: what it would be if the decisions of the cut were wrong as often as is probable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from savem3.quality.bodies import likeliest_borders
from savem3.quality.calibration import Calibration, VoiScale
from savem3.quality.edges import Evidence, evidence_of, wrongness
from savem3.regions import RegionGraph

DRAWS = 40


@dataclass(frozen=True, slots=True)
class Estimate:
    """VoI against a truth that nobody has, in bits.

    Parameters
    ----------
    voi
        Split and merge together.
    low, high
        Where it lies if the volume is like those that were calibrated on.
    split, merge
        H(segmentation | truth) and H(truth | segmentation).
    """

    voi: float
    low: float
    high: float
    split: float
    merge: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """What drawn truths say, before it is scaled.

    Parameters
    ----------
    split, merge
        Bits, the mean over draws.
    rough
        Faces between fragments for each voxel.
    """

    split: float
    merge: float
    rough: float


def estimate_voi(
    calibration: Calibration,
    graph: RegionGraph,
    segment_of: UInt64[np.ndarray, " node"],
    sizes: Int64[np.ndarray, " counted"],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """VoI between a cut and the truth, estimated from the probabilities of its errors.

    Truths are drawn: segments fall apart at the seams that are drawn to be wrong, and grow together at wrong borders,
    along the likeliest borders that form no ring. Errors of one volume and of one segment are drawn together, as far as
    they were seen to come together. The means over draws are then scaled, and what lies below the fragments is added,
    as it was fitted on volumes with truth.

    Parameters
    ----------
    calibration
        From `read_calibration`.
    graph
        Weighed, with the margins of the cut.
    segment_of
        The segment of each fragment.
    sizes
        Voxels of each fragment that count: ``graph.sizes``, or those that a truth names.
    seed
        Of the draws.
    draws
        How many truths are drawn, at least 1.

    Raises
    ------
    ValueError
        If there are no draws, or sizes are not one for each fragment.

    Notes
    -----
    Source: none; ours. How well it held is said in docs/how-to-trust.md.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if len(sizes) != len(segment_of):
        raise ValueError(f"sizes must be those of {len(segment_of)} fragments, got {len(sizes)}")
    evidence = evidence_of(graph, segment_of)
    found = draw_voi(
        graph, segment_of, sizes, evidence, wrongness(calibration, evidence), calibration.voi, seed=seed, draws=draws
    )
    return scale_voi(found, calibration.voi)


def scale_voi(drawn: Drawn, scale: VoiScale) -> Estimate:
    """The estimate that belongs to what was drawn."""
    split = scale.split * drawn.split + scale.split_floor * drawn.rough
    merge = scale.merge * drawn.merge + scale.merge_floor * drawn.rough
    voi = split + merge
    return Estimate(voi, voi * float(np.exp(-scale.width)), voi * float(np.exp(scale.width)), split, merge)


def draw_voi(
    graph: RegionGraph,
    segment_of: UInt64[np.ndarray, " node"],
    sizes: Int64[np.ndarray, " node"],
    evidence: Evidence,
    probability: Float64[np.ndarray, " edge"],
    scale: VoiScale,
    *,
    seed: int,
    draws: int,
) -> Drawn:
    """The mean VoI between a cut and truths that are drawn by the probability of each error; see `estimate_voi`."""
    segments, places = np.unique(segment_of, return_inverse=True)
    ends = graph.edges.astype(np.int64) - 1
    pairs = places[ends]
    seams, borders = np.flatnonzero(evidence.seam), _forest(pairs, evidence, probability, len(segments))
    edges = np.r_[seams, borders]
    owner = pairs[edges, 0]
    owner[len(seams) :] = np.where(_is_lesser(pairs[borders], places, sizes), *pairs[borders].T)
    widened = np.sqrt(1 + np.pi / 8 * (scale.by_volume**2 + scale.by_segment**2))
    odds = widened * (np.log(probability[edges]) - np.log1p(-probability[edges]))
    is_seam = np.arange(len(edges)) < len(seams)
    rng, found = np.random.default_rng(seed), np.zeros(2)
    for _ in range(draws):
        shift = rng.normal(0, 1) * scale.by_volume + rng.normal(0, 1, len(segments))[owner] * scale.by_segment
        wrong = rng.random(len(edges)) < 1 / (1 + np.exp(-np.clip(odds + shift, -30, 30)))
        found += _voi(places, _join(ends[edges[wrong != is_seam]], len(places)), sizes)
    split, merge = (found / draws).tolist()
    return Drawn(split, merge, float(graph.count.sum()) / max(1, int(graph.sizes.sum())))


def _is_lesser(
    pairs: Int64[np.ndarray, "border 2"], places: Int64[np.ndarray, " node"], sizes: Int64[np.ndarray, " node"]
) -> Bool[np.ndarray, " border"]:
    """Whether the first segment of each pair is the one that is asked where it belongs: the smaller."""
    voxels = np.bincount(places, sizes)
    first: Bool[np.ndarray, " border"] = voxels[pairs[:, 0]] <= voxels[pairs[:, 1]]
    return first


def _forest(
    pairs: Int64[np.ndarray, "edge 2"], evidence: Evidence, probability: Float64[np.ndarray, " edge"], many: int
) -> Int64[np.ndarray, " border"]:
    """The likeliest borders that join segments without a ring, so that many small chances do not join everything."""
    edges, likeliest = likeliest_borders(pairs, evidence, probability)
    if not len(edges):
        return edges
    rank = np.empty(len(edges))
    rank[np.lexsort((edges, -likeliest))] = np.arange(1, len(edges) + 1)
    ordered = np.sort(pairs[edges], axis=1)
    links = coo_array((rank, (ordered[:, 0], ordered[:, 1])), shape=(many, many))
    kept = minimum_spanning_tree(links.tocsr()).data
    by_rank = np.empty(len(edges), np.int64)
    by_rank[rank.astype(np.int64) - 1] = edges
    return np.sort(by_rank[kept.astype(np.int64) - 1])


def _join(ends: Int64[np.ndarray, "edge 2"], nodes: int) -> Int64[np.ndarray, " node"]:
    """The body of each fragment."""
    links = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _voi(
    segments: Int64[np.ndarray, " node"], truth: Int64[np.ndarray, " node"], sizes: Int64[np.ndarray, " node"]
) -> Float64[np.ndarray, "2"]:
    """Split and merge in bits, of fragments that count their voxels."""
    _, both = np.unique(segments * (int(truth.max(initial=0)) + 1) + truth, return_inverse=True)
    joint, one, other = (_entropy(np.bincount(names, sizes)) for names in (both, segments, truth))
    return np.maximum(0.0, np.array([joint - other, joint - one]))


def _entropy(voxels: Float64[np.ndarray, " part"]) -> float:
    share = voxels[voxels > 0] / max(1.0, float(voxels.sum()))
    return float(-(share * np.log2(share)).sum())
