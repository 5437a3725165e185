"""Mean agglomeration: join the pair that is surest to belong together, again and again."""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Bool, Float64, Int64

from savem3.blocks import kernel
from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.regions import RegionGraph

CERTAIN_BOUNDARY = 2**28
"""Boundary probability 1 in fixed point; a mean and an edge number fit together into 63 bits."""


def agglomerate(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes: joined from the surest pair on, while the mean over its faces says "join".

    An edge's boundary probability is what its cost says, 1 / (1 + e^cost): with β = 0.5 its mean boundary value. Pairs
    that fall together add up their faces, in integers; so the order of joins is exact. Equal means go by the smallest
    original edge.

    Parameters
    ----------
    graph
        Weighed; only ``edges``, ``count`` and ``costs`` are used.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: the paper runs WaterZ on the median affinity (thresholds 0.3, 0.4, 0.5). The mean, which adds up exactly,
    and reading it from the costs, so that further evidence counts here too, are our choice.
    """
    boundary = _fixed_point(costs_of(graph))
    edges = graph.edges.astype(np.int64) - 1
    return number_clusters(_join(edges, graph.count.copy(), boundary * graph.count, len(graph.sizes)))


def _fixed_point(costs: Float64[np.ndarray, " edge"]) -> Int64[np.ndarray, " edge"]:
    """Boundary probability of each edge in fixed point; however small a cost is, it stays on its side of one half."""
    probability = (CERTAIN_BOUNDARY / (1 + np.exp(np.clip(costs, -40, 40)))).astype(np.int64)
    half = CERTAIN_BOUNDARY // 2
    return np.where(costs > 0, np.minimum(probability, half - 1), np.maximum(probability, half))


@kernel
def _join(
    ends: Int64[np.ndarray, "edge 2"], count: Int64[np.ndarray, " edge"], total: Int64[np.ndarray, " edge"], nodes: int
) -> Int64[np.ndarray, " node"]:
    """Cluster of each node, named by one of its members; changes its arguments.

    Each edge hangs in the lists of both its ends, as arcs 2·edge and 2·edge + 1, so that joining two nodes links two
    lists. Of two edges that fall together the smaller number survives. The heap holds mean · 2³² + edge; an entry that
    no longer fits its edge is stale.
    """
    first, last, length, after = _arc_lists(ends, nodes)
    parents = np.arange(nodes)
    alive = np.ones(len(ends), np.bool_)
    found = {-1: -1}
    for edge in range(len(ends)):
        found[_pair(ends[edge, 0], ends[edge, 1])] = edge
    heap = [_entry(edge, count, total) for edge in range(len(ends))]
    heapq.heapify(heap)
    while heap and heap[0] >> 32 < CERTAIN_BOUNDARY // 2:
        entry = heapq.heappop(heap)
        edge = entry & (2**32 - 1)
        if not alive[edge] or entry != _entry(edge, count, total):
            continue
        a, b = ends[edge]
        if length[a] < length[b]:
            a, b = b, a
        parents[b] = a
        alive[edge] = False
        _move_edges(b, a, first[b], after, ends, count, total, alive, found, heap)
        after[last[a]] = first[b]
        last[a] = last[b]
        length[a] += length[b]
    for node in range(nodes):
        while parents[parents[node]] != parents[node]:
            parents[node] = parents[parents[node]]
    return parents


@kernel
def _move_edges(
    b: int,
    a: int,
    arc: int,
    after: Int64[np.ndarray, " arc"],
    ends: Int64[np.ndarray, "edge 2"],
    count: Int64[np.ndarray, " edge"],
    total: Int64[np.ndarray, " edge"],
    alive: Bool[np.ndarray, " edge"],
    found: dict[int, int],
    heap: list[int],
) -> None:
    """The edges in the list of b that begins with ``arc`` become edges of a; two to the same node become one."""
    while arc >= 0:
        edge = arc >> 1
        arc = after[arc]
        if not alive[edge]:
            continue
        other = ends[edge, 0] + ends[edge, 1] - b
        pair = _pair(a, other)
        if pair in found and alive[found[pair]]:
            edge, twin = min(edge, found[pair]), max(edge, found[pair])
            count[edge] += count[twin]
            total[edge] += total[twin]
            alive[twin] = False
            heapq.heappush(heap, _entry(edge, count, total))
        ends[edge, 0], ends[edge, 1] = a, other
        found[pair] = edge


@kernel
def _arc_lists(
    ends: Int64[np.ndarray, "edge 2"], nodes: int
) -> tuple[
    Int64[np.ndarray, " node"], Int64[np.ndarray, " node"], Int64[np.ndarray, " node"], Int64[np.ndarray, " arc"]
]:
    """First and last arc and number of arcs of each node, and the arc after each arc; −1 ends a list."""
    first, last, length = np.full(nodes, -1, np.int64), np.full(nodes, -1, np.int64), np.zeros(nodes, np.int64)
    after = np.full(2 * len(ends), -1, np.int64)
    for arc in range(2 * len(ends)):
        node = ends[arc >> 1, arc & 1]
        if first[node] < 0:
            first[node] = arc
        else:
            after[last[node]] = arc
        last[node] = arc
        length[node] += 1
    return first, last, length, after


@kernel
def _entry(edge: int, count: Int64[np.ndarray, " edge"], total: Int64[np.ndarray, " edge"]) -> int:
    return ((total[edge] // count[edge]) << 32) | edge


@kernel
def _pair(a: int, b: int) -> int:
    """One number for two nodes in any order; both below 2³¹."""
    return (min(a, b) << 32) | max(a, b)
