"""Mutex watershed: the strongest costs first; what is once kept apart stays apart."""

from __future__ import annotations

import numpy as np
from bioimage_cpp.graph import UndirectedGraph
from bioimage_cpp.graph.mutex_watershed import mutex_watershed_clustering
from jaxtyping import Int64

from savem3.graphcut.clusters import costs_of, lifted_of, number_clusters
from savem3.regions import RegionGraph


def mutex(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes, from the strongest cost to the weakest, whatever its sign.

    A cost above 0 joins two clusters unless they are kept apart; a cost below 0 keeps them apart for good, also that
    of a lifted edge. Of equal strengths the smaller edge number goes first, lifted edges after all others. A lifted
    edge above 0 does nothing, since a cluster must hang together by contacts; neither does a cost of 0.

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
    Source: the mutex watershed (Wolf et al., ECCV 2018), here on the region graph, as bioimage-cpp computes it. It is
    given ranks for costs: they are all different, so that no order is left to it.
    """
    lifted, lifted_costs = lifted_of(graph)
    edges, costs = np.concatenate([graph.edges, lifted]) - np.uint64(1), np.r_[costs_of(graph), lifted_costs]
    strength = np.empty(len(costs))
    strength[np.argsort(-np.abs(costs), kind="stable")] = np.arange(len(costs), 0, -1)
    joins, parts = np.flatnonzero(costs[: len(graph.edges)] > 0), costs < 0
    contacts = UndirectedGraph.from_unique_edges(len(graph.sizes), edges[joins])
    clusters = mutex_watershed_clustering(contacts, strength[joins], edges[parts], strength[parts])
    return number_clusters(clusters.astype(np.int64))
