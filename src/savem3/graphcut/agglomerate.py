"""Mean agglomeration: join the pair that is surest to belong together, again and again."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.graphcut.joining import CERTAIN_BOUNDARY, join_surest
from savem3.regions import RegionGraph


def agglomerate(graph: RegionGraph) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of the nodes: joined from the surest pair on, while the mean over its faces says "join".

    An edge's boundary probability is what its cost says, 1 / (1 + e^cost): with β = 0.5 its mean boundary value. Pairs
    that fall together add up their faces, in integers, and means are compared as exact fractions; so the order of
    joins is exact. Equal means go by the smallest original edge. `agglomerate_in_domains` gives the same clusters.

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
    Source: the paper runs WaterZ on the median affinity (thresholds 0.3, 0.4, 0.5; here `quantile`). The mean, which
    adds up exactly, and reading it from the costs, so that further evidence counts here too, are our choice.
    """
    ends, sums = faces_of(graph)
    waits = np.zeros(len(graph.sizes), np.bool_)
    return number_clusters(join_surest(ends, sums, waits, CERTAIN_BOUNDARY // 2))


def faces_of(graph: RegionGraph) -> tuple[Int64[np.ndarray, "edge 2"], Int64[np.ndarray, "edge 2"]]:
    """Ends of each edge, from 0, and its number of faces and their summed boundary probability in fixed point."""
    boundary = fixed_point(costs_of(graph))
    return graph.edges.astype(np.int64) - 1, np.stack([graph.count, boundary * graph.count], axis=1)


def fixed_point(costs: Float64[np.ndarray, " edge"]) -> Int64[np.ndarray, " edge"]:
    """Boundary probability of each edge in fixed point; however small a cost is, it stays on its side of one half."""
    probability = (CERTAIN_BOUNDARY / (1 + np.exp(np.clip(costs, -40, 40)))).astype(np.int64)
    half = CERTAIN_BOUNDARY // 2
    return np.where(costs > 0, np.minimum(probability, half - 1), np.maximum(probability, half))
