"""Signed agglomeration: join the pair with the largest cost, again and again, while costs are above 0."""

from __future__ import annotations

import numpy as np
from bioimage_cpp.graph import UndirectedGraph
from bioimage_cpp.graph.agglomeration import GaspClusterPolicy
from jaxtyping import Int64

from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.regions import RegionGraph


def gasp_mean(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes; the cost between two clusters is the mean of their edges', weighted by faces.

    Beside `agglomerate`, which takes the mean of probabilities: here a few faces that are certain weigh more.

    Parameters
    ----------
    graph
        Weighed; lifted edges are not used.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: GASP with average linkage (Bailoni et al., CVPR 2022), as bioimage-cpp computes it.
    """
    return _cluster(graph, linkage="mean")


def gasp_sum(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes; the cost between two clusters is the sum of their edges'.

    Parameters
    ----------
    graph
        Weighed; lifted edges are not used.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: GASP with sum linkage, which is greedy additive contraction: a fast, rougher `multicut`.
    """
    return _cluster(graph, linkage="sum")


def _cluster(graph: RegionGraph, *, linkage: str) -> Int64[np.ndarray, " node"]:
    costs = costs_of(graph)
    pairs = UndirectedGraph.from_unique_edges(len(graph.sizes), graph.edges - np.uint64(1))
    policy = GaspClusterPolicy(linkage=linkage)
    clusters = policy.optimize(pairs, costs, edge_sizes=graph.count.astype(np.float64))
    return number_clusters(clusters.astype(np.int64))
