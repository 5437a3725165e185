"""What every cutter needs: the costs, and one way to number clusters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64, Integer, UInt64

from savem3.regions import RegionGraph

Cutter = Callable[[RegionGraph], Int64[np.ndarray, " node"]]
"""From a weighed graph to clusters 1 to k of its nodes, in the order of their smallest nodes."""


def costs_of(graph: RegionGraph) -> Float64[np.ndarray, " edge"]:
    """The costs of a weighed graph.

    Raises
    ------
    ValueError
        If the graph has no costs, or one is not finite.
    """
    if graph.costs is None:
        raise ValueError("graph must be weighed, got no costs; call weigh_edges first")
    if not np.isfinite(graph.costs).all():
        raise ValueError(f"graph must have finite costs, got {graph.costs[~np.isfinite(graph.costs)][0]}")
    return graph.costs


def lifted_of(graph: RegionGraph) -> tuple[UInt64[np.ndarray, "lifted 2"], Float64[np.ndarray, " lifted"]]:
    """The lifted edges of a graph and their costs; none where it has none.

    Raises
    ------
    ValueError
        If there are lifted edges without finite costs, or costs without edges.
    """
    if graph.lifted_edges is None and graph.lifted_costs is None:
        return np.zeros((0, 2), np.uint64), np.zeros(0)
    if graph.lifted_edges is None or graph.lifted_costs is None:
        raise ValueError("graph must have both lifted edges and lifted costs, got one of them")
    if not np.isfinite(graph.lifted_costs).all():
        bad = graph.lifted_costs[~np.isfinite(graph.lifted_costs)][0]
        raise ValueError(f"graph must have finite lifted costs, got {bad}")
    return graph.lifted_edges, graph.lifted_costs


def number_clusters(names: Integer[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    """Clusters of any names as numbers 1 to k, in the order of their smallest nodes."""
    _, first, cluster = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return rank[cluster]
