"""How sure a cut is of each of its edges: what the energy would lose if it decided that edge the other way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from savem3.blocks import kernel
from savem3.graphcut.clusters import costs_of, lifted_of
from savem3.graphcut.contract import bundle_edges
from savem3.regions import RegionGraph


def with_margins(graph: RegionGraph, clusters: Int64[np.ndarray, " node"]) -> RegionGraph:
    """The graph with `margins` of a cut as its ``margin``."""
    return replace(graph, margin=margins(graph, clusters))


def margins(graph: RegionGraph, clusters: Int64[np.ndarray, " node"]) -> Float64[np.ndarray, " edge"]:
    """What the energy would lose if each edge's state were flipped, in units of cost; low is unsure.

    For an edge between two clusters: what all edges between those two say against joining them. For an edge inside a
    cluster: what the weakest seam between its two ends holds together. Seams are the ways to part a cluster that cut
    one edge of its spanning tree of largest costs; so the margin is exact where a cluster is a tree, and otherwise an
    upper bound of what the best way to part the two ends would lose. At an optimum of the multicut no margin is below
    0; below 0 the energy says that the other state were better.

    Parameters
    ----------
    graph
        Weighed; lifted edges count where there are any.
    clusters
        Of any cutter, 1 to k.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: none; the margin as a measure of confidence is ours.
    """
    lifted, lifted_costs = lifted_of(graph)
    costs, near = costs_of(graph), len(graph.edges)
    pairs, all_costs = np.concatenate([graph.edges, lifted]), np.r_[costs, lifted_costs]
    bundles = bundle_edges(pairs, clusters)
    found = np.zeros(len(pairs))
    spread = np.diff(np.r_[bundles.first, len(bundles.order)])
    found[bundles.order] = -np.repeat(bundles.reduce(np.add, all_costs), spread)
    ends = pairs.astype(np.int64) - 1
    inside = np.flatnonzero(clusters[ends[:, 0]] == clusters[ends[:, 1]])
    contacts = inside[inside < near]
    by_cost = contacts[np.argsort(-costs[contacts], kind="stable")]
    parents, depth, order = _grow_trees(ends[by_cost], len(clusters))
    seams = _sum_seams(ends[inside], all_costs[inside], parents, depth, order)
    found[contacts] = _weakest_seams(ends[contacts], seams, parents, depth)
    return found[:near]


@kernel
def _grow_trees(
    ends: Int64[np.ndarray, "edge 2"], nodes: int
) -> tuple[Int64[np.ndarray, " node"], Int64[np.ndarray, " node"], Int64[np.ndarray, " node"]]:
    """Parent and depth of each node in the trees that the edges, taken in turn, make; and the nodes, parents first."""
    names, neighbours = np.arange(nodes), np.full((2 * len(ends), 2), -1, np.int64)
    heads = np.full(nodes, -1, np.int64)
    for edge in range(len(ends)):
        u, v = ends[edge]
        a, b = _root(names, u), _root(names, v)
        if a != b:
            names[b] = a
            neighbours[2 * edge] = heads[u], v
            neighbours[2 * edge + 1] = heads[v], u
            heads[u], heads[v] = 2 * edge, 2 * edge + 1
    parents, depth, order = np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64), np.empty(nodes, np.int64)
    known = 0
    for start in range(nodes):
        if depth[start] >= 0:
            continue
        depth[start], order[known] = 0, start
        done, known = known, known + 1
        while done < known:
            node = order[done]
            done += 1
            arc = heads[node]
            while arc >= 0:
                other = neighbours[arc, 1]
                if depth[other] < 0:
                    parents[other], depth[other], order[known] = node, depth[node] + 1, other
                    known += 1
                arc = neighbours[arc, 0]
    return parents, depth, order


@kernel
def _root(names: Int64[np.ndarray, " node"], node: int) -> int:
    while names[node] != node:
        names[node] = names[names[node]]
        node = names[node]
    return node


@kernel
def _sum_seams(
    ends: Int64[np.ndarray, "edge 2"],
    costs: Float64[np.ndarray, " edge"],
    parents: Int64[np.ndarray, " node"],
    depth: Int64[np.ndarray, " node"],
    order: Int64[np.ndarray, " node"],
) -> Float64[np.ndarray, " node"]:
    """The costs of all edges that a node's subtree has to the rest of its tree."""
    sums = np.zeros(len(parents))
    for edge in range(len(ends)):
        u, v = ends[edge]
        sums[u] += costs[edge]
        sums[v] += costs[edge]
        while u != v:
            if depth[u] < depth[v]:
                u, v = v, u
            u = parents[u]
        sums[u] -= 2 * costs[edge]
    for node in order[::-1]:
        if parents[node] >= 0:
            sums[parents[node]] += sums[node]
    return sums


@kernel
def _weakest_seams(
    ends: Int64[np.ndarray, "edge 2"],
    seams: Float64[np.ndarray, " node"],
    parents: Int64[np.ndarray, " node"],
    depth: Int64[np.ndarray, " node"],
) -> Float64[np.ndarray, " edge"]:
    """The least seam on the way through the tree between the two ends of each edge."""
    least = np.full(len(ends), np.inf)
    for edge in range(len(ends)):
        u, v = ends[edge]
        while u != v:
            if depth[u] < depth[v]:
                u, v = v, u
            least[edge] = min(least[edge], seams[u])
            u = parents[u]
    return least
