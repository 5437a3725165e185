"""A region graph with some of its nodes made one, and a part of a region graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64, Num, UInt64

from savem3.graphcut.clusters import number_clusters
from savem3.regions import RegionGraph


@dataclass(frozen=True, slots=True)
class Bundles:
    """Edges that have come to join the same two nodes.

    Parameters
    ----------
    pairs
        Labels (u, v) of the two nodes, u < v, sorted, each pair once.
    order
        The edges, bundle by bundle, each bundle in their former order.
    first
        Where each bundle begins in ``order``.
    """

    pairs: UInt64[np.ndarray, "bundle 2"]
    order: Int64[np.ndarray, " edge"]
    first: Int64[np.ndarray, " bundle"]

    def reduce(self, operation: np.ufunc, values: Num[np.ndarray, "..."]) -> Num[np.ndarray, "..."]:
        """One value a bundle: the sum, least or greatest of its edges' values."""
        chosen = values[self.order]
        return operation.reduceat(chosen, self.first, axis=0) if len(self.first) else chosen


def bundle_edges(edges: UInt64[np.ndarray, "all 2"], clusters: Int64[np.ndarray, " node"]) -> Bundles:
    """Edges bundled by the clusters of their two ends; edges inside a cluster are left out."""
    ends = np.sort(clusters[edges.astype(np.int64) - 1], axis=1)
    outside = np.flatnonzero(ends[:, 0] != ends[:, 1])
    order = outside[np.lexsort((ends[outside, 1], ends[outside, 0]))]
    chosen = ends[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (chosen[1:] != chosen[:-1]).any(1)
    first = np.flatnonzero(is_first)
    return Bundles(chosen[first].astype(np.uint64), order, first)


def contract(graph: RegionGraph, clusters: Int64[np.ndarray, " node"]) -> RegionGraph:
    """The graph whose nodes are clusters: what lies between two clusters is summed, what lies inside one is dropped.

    So a cut of it costs what the same cut of the whole graph costs. A cluster is in the domain of its smallest node.

    Parameters
    ----------
    graph
        Weighed or not.
    clusters
        Cluster of each node, numbered 1 to k in the order of their smallest nodes, as every cutter gives them.

    Notes
    -----
    Features and margins are left behind: they belong to the nodes and the cut that they were computed for.
    """
    bundles = bundle_edges(graph.edges, clusters)
    sizes = np.zeros(int(clusters.max(initial=0)), np.int64)
    np.add.at(sizes, clusters - 1, graph.sizes)
    lifted = None if graph.lifted_edges is None else bundle_edges(graph.lifted_edges, clusters)
    far = None if lifted is None or graph.lifted_costs is None else lifted.reduce(np.add, graph.lifted_costs)
    return RegionGraph(
        sizes,
        bundles.pairs,
        bundles.reduce(np.add, graph.count),
        bundles.reduce(np.add, graph.total),
        bundles.reduce(np.minimum, graph.minimum),
        bundles.reduce(np.maximum, graph.maximum),
        costs=None if graph.costs is None else bundles.reduce(np.add, graph.costs),
        lifted_edges=None if lifted is None else lifted.pairs,
        lifted_costs=far,
        histogram=None if graph.histogram is None else bundles.reduce(np.add, graph.histogram),
        domain=None if graph.domain is None else graph.domain[np.unique(clusters, return_index=True)[1]],
    )


def part_of(graph: RegionGraph, nodes: Int64[np.ndarray, " member"]) -> RegionGraph:
    """Some nodes of a graph, renumbered from 1 in their order, with all edges among them.

    Parameters
    ----------
    graph
        Weighed or not.
    nodes
        The chosen nodes, from 0, ascending.
    """
    place = np.zeros(len(graph.sizes) + 1, np.uint64)
    place[nodes + 1] = np.arange(1, len(nodes) + 1, dtype=np.uint64)
    lifted = None if graph.lifted_edges is None else (place[graph.lifted_edges] > 0).all(1)
    kept = keep_edges(graph, (place[graph.edges] > 0).all(1), lifted=lifted)
    return replace(
        kept,
        sizes=graph.sizes[nodes],
        edges=place[kept.edges],
        lifted_edges=None if kept.lifted_edges is None else place[kept.lifted_edges],
        features=None if graph.features is None else graph.features[nodes],
        domain=None if graph.domain is None else graph.domain[nodes],
    )


def keep_edges(
    graph: RegionGraph, kept: Bool[np.ndarray, " edge"], *, lifted: Bool[np.ndarray, " lifted"] | None = None
) -> RegionGraph:
    """The graph with some of its edges, and all of its nodes.

    Parameters
    ----------
    graph
        Weighed or not.
    kept
        Which edges.
    lifted
        Which lifted edges; all of them where this is absent.
    """
    wide = slice(None) if lifted is None else lifted
    return replace(
        graph,
        edges=graph.edges[kept],
        count=graph.count[kept],
        total=graph.total[kept],
        minimum=graph.minimum[kept],
        maximum=graph.maximum[kept],
        costs=None if graph.costs is None else graph.costs[kept],
        lifted_edges=None if graph.lifted_edges is None else graph.lifted_edges[wide],
        lifted_costs=None if graph.lifted_costs is None else graph.lifted_costs[wide],
        histogram=None if graph.histogram is None else graph.histogram[kept],
        margin=None if graph.margin is None else graph.margin[kept],
    )


def parts_of(
    part: Int64[np.ndarray, " node"], ends: Int64[np.ndarray, "edge 2"]
) -> Iterator[tuple[Int64[np.ndarray, " member"], Int64[np.ndarray, " inner"]]]:
    """The nodes of each part, ascending, and the edges that have both ends among them, ascending.

    Parameters
    ----------
    part
        Of each node; the parts come in the order of their numbers.
    ends
        The two nodes of each edge, from 0.
    """
    numbers, rank = np.unique(part, return_inverse=True)
    inside = np.flatnonzero(rank[ends[:, 0]] == rank[ends[:, 1]])
    inside = inside[np.argsort(rank[ends[inside, 0]], kind="stable")]
    bounds = np.searchsorted(rank[ends[inside, 0]], np.arange(1, len(numbers)))
    members = np.split(np.argsort(rank, kind="stable"), np.cumsum(np.bincount(rank))[:-1])
    if len(numbers):
        yield from zip(members, np.split(inside, bounds), strict=True)


def refine(coarse: Int64[np.ndarray, " cluster"], clusters: Int64[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    """Clusters of the nodes, from clusters of the contracted graph."""
    return number_clusters(coarse[clusters - 1])
