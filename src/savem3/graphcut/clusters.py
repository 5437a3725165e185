"""What every cutter needs: the costs, and one way to number clusters."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, Integer

from savem3.regions import RegionGraph


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


def number_clusters(names: Integer[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    """Clusters of any names as numbers 1 to k, in the order of their smallest nodes."""
    _, first, cluster = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1)
    return rank[cluster]
