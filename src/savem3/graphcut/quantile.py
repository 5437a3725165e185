"""Median agglomeration, as WaterZ does it: join the pair with the least median of boundary values, again and again."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from savem3.graphcut.agglomerate import faces_of, fixed_point
from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.graphcut.histogram import middle_of_bins
from savem3.graphcut.joining import CERTAIN_BOUNDARY, join_surest
from savem3.graphcut.weigh import log_odds_of_none
from savem3.regions import RegionGraph

BINS = 32
"""Into which boundary probabilities 0–1 are counted; one half lies between two of them."""


def quantile(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes: joined while the median over original edges, each by its least face, says "join".

    An edge says what its least boundary value says, moved by what its cost says beyond its mean (β, and further
    evidence): it speaks for joining where that value is below 1 − β. Of edges that fall together the median counts,
    however many faces each has. Among equal medians the least mean goes first, then the smallest original edge.

    Parameters
    ----------
    graph
        Weighed.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: the paper runs WaterZ with its 50-quantile of affinities, at thresholds 0.3, 0.4 and 0.5. In WaterZ's
    default an edge enters with its largest affinity alone, and of an even number of values the larger affinity is the
    median. Bins that add up exactly, and reading the threshold from the costs, are our choice.
    """
    ballot = _open_ballot(graph)
    _vote(graph, ballot, graph.minimum / 255, np.ones(len(graph.edges), np.int64))
    return _join(graph, ballot)


def median(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes: joined while the median over all faces says "join".

    As `quantile`, but each face counts with its own boundary value where the graph has a histogram (`with_histogram`),
    and with the mean of its edge where it has none.

    Parameters
    ----------
    graph
        Weighed.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: the literal 50-quantile of affinities; in WaterZ an option.
    """
    ballot = _open_ballot(graph)
    if graph.histogram is None:
        _vote(graph, ballot, graph.mean / 255, graph.count)
        return _join(graph, ballot)
    for value, faces in zip(middle_of_bins(graph.histogram.shape[1]), graph.histogram.T, strict=True):
        _vote(graph, ballot, np.full(len(faces), value / 255), faces)
    return _join(graph, ballot)


def _open_ballot(graph: RegionGraph) -> Int64[np.ndarray, "edge column"]:
    """Faces and summed boundary of each edge, as `agglomerate` has them, then a column for each bin."""
    ballot = np.zeros((len(graph.edges), 2 + BINS), np.int64)
    ballot[:, :2] = faces_of(graph)[1]
    return ballot


def _vote(
    graph: RegionGraph,
    ballot: Int64[np.ndarray, "edge column"],
    said: Float64[np.ndarray, " edge"],
    count: Int64[np.ndarray, " edge"],
) -> None:
    """So many votes of each edge for the boundary probability that is said, moved by what its cost says beyond."""
    beyond = costs_of(graph) - log_odds_of_none(graph.mean / 255)
    bins = np.minimum(fixed_point(log_odds_of_none(said) + beyond) // (CERTAIN_BOUNDARY // BINS), BINS - 1)
    ballot[np.arange(len(bins)), 2 + bins] += count


def _join(graph: RegionGraph, ballot: Int64[np.ndarray, "edge column"]) -> Int64[np.ndarray, " node"]:
    waits = np.zeros(len(graph.sizes), np.bool_)
    ends = graph.edges.astype(np.int64) - 1
    return number_clusters(join_surest(ends, ballot, waits, BINS // 2 * CERTAIN_BOUNDARY))
