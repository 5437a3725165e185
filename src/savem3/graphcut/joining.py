"""Joining pairs of nodes one after the other, the surest first: the loop that the agglomerating cutters share."""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Bool, Int64

from savem3.blocks import kernel

CERTAIN_BOUNDARY = 2**28
"""Boundary probability 1 in fixed point."""


@kernel
def join_surest(
    ends: Int64[np.ndarray, "edge 2"],
    sums: Int64[np.ndarray, "edge column"],
    waits: Bool[np.ndarray, " node"],
    stop: int,
) -> Int64[np.ndarray, " node"]:
    """Cluster of each node, named by one of its members; changes its arguments.

    Each edge hangs in the lists of both its ends, as arcs 2·edge and 2·edge + 1, so that joining two nodes links two
    lists. Of two edges that fall together the smaller number survives, with the sums of both. An entry of the heap
    that no longer fits its edge is stale.

    Parameters
    ----------
    ends
        The two nodes of each edge, from 0, each pair once.
    sums
        Of each edge its faces, below 2³¹, the sum of their boundary probabilities in fixed point, and then, if
        wanted, its votes for each bin of a histogram. Without bins an edge ranks by its mean; with bins by the bin
        of its median vote, then its mean.
    waits
        Nodes that may have neighbours outside the graph; they join nothing, nor does what would join one of them next.
    stop
        Rank from which on nothing is joined.

    Notes
    -----
    Source: delayed decisions. A mean of two edges is never below the smaller of both, so joining two nodes that are
    each other's surest neighbour leaves every other such pair as it is, in whatever order they are joined. That holds
    for exact means only: rounded down, two edges may fall together into a rank that none of them had.
    """
    nodes = len(waits)
    first, last, length, after = _arc_lists(ends, nodes)
    parents = np.arange(nodes)
    alive = np.ones(len(ends), np.bool_)
    found = _by_pair(ends)
    heap = [_entry(edge, sums) for edge in range(len(ends))]
    heapq.heapify(heap)
    while heap and heap[0][0] < stop:
        entry = heapq.heappop(heap)
        edge = entry[2]
        if not alive[edge] or entry != _entry(edge, sums):
            continue
        a, b = ends[edge]
        if waits[a] or waits[b]:
            waits[a] = waits[b] = True
            continue
        if length[a] < length[b]:
            a, b = b, a
        parents[b] = a
        alive[edge] = False
        _move_edges(b, a, first[b], after, ends, sums, alive, found, heap)
        after[last[a]] = first[b]
        last[a] = last[b]
        length[a] += length[b]
    return _shorten(parents)


@kernel
def _by_pair(ends: Int64[np.ndarray, "edge 2"]) -> dict[tuple[int, int], int]:
    found = {(-1, -1): -1}
    for edge in range(len(ends)):
        found[(min(ends[edge, 0], ends[edge, 1]), max(ends[edge, 0], ends[edge, 1]))] = edge
    return found


@kernel
def _shorten(parents: Int64[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    for node in range(len(parents)):
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
    sums: Int64[np.ndarray, "edge column"],
    alive: Bool[np.ndarray, " edge"],
    found: dict[tuple[int, int], int],
    heap: list[tuple[int, int, int]],
) -> None:
    """The edges in the list of b that begins with ``arc`` become edges of a; two to the same node become one."""
    while arc >= 0:
        edge = arc >> 1
        arc = after[arc]
        if not alive[edge]:
            continue
        other = ends[edge, 0] + ends[edge, 1] - b
        pair = (min(a, other), max(a, other))
        if pair in found and alive[found[pair]]:
            edge, twin = min(edge, found[pair]), max(edge, found[pair])
            for column in range(sums.shape[1]):
                sums[edge, column] += sums[twin, column]
            alive[twin] = False
            heapq.heappush(heap, _entry(edge, sums))
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
def _entry(edge: int, sums: Int64[np.ndarray, "edge column"]) -> tuple[int, int, int]:
    """Rank of an edge: median bin and whole part of its mean, the 62 bits after the point, its number.

    Two fractions of denominators below 2³¹ differ in those 62 bits or not at all.
    """
    count = sums[edge, 0]
    whole, rest = divmod(sums[edge, 1], count)
    upper = (rest << 31) // count
    lower = (((rest << 31) - upper * count) << 31) // count
    return (_median_bin(sums[edge]) * CERTAIN_BOUNDARY + whole, (upper << 31) | lower, edge)


@kernel
def _median_bin(sums: Int64[np.ndarray, " column"]) -> int:
    """The first bin by which half of the votes are counted; 0 without bins."""
    votes = below = 0
    for column in range(2, len(sums)):
        votes += sums[column]
    for column in range(2, len(sums)):
        below += sums[column]
        if 2 * below >= votes:
            return column - 2
    return 0
