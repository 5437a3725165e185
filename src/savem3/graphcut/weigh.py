"""From boundary values to costs: how much speaks for joining two fragments."""

from __future__ import annotations

import numpy as np

from savem3.regions import RegionGraph

CERTAIN = 0.001
"""Mean boundary values are kept this far from 0 and 1, so that costs stay finite."""


def weigh_edges(graph: RegionGraph, *, beta: float) -> RegionGraph:
    """The graph with the cost log((1−p)/p) + log((1−β)/β) on each edge, p its mean boundary value.

    An edge joins (cost > 0) where p < 1 − β. Costs do not depend on how large the contact is.

    Parameters
    ----------
    graph
        From `region_graph`.
    beta
        Where to cut, above 0 and below 1: 0.5 trusts the boundary map; less joins more.

    Raises
    ------
    ValueError
        If beta is out of its range.

    Notes
    -----
    Source: the paper's cost, with p in 0.001 … 0.999.
    """
    if not 0 < beta < 1:
        raise ValueError(f"beta must lie above 0 and below 1, got {beta}")
    p = np.clip(graph.mean / 255, CERTAIN, 1 - CERTAIN)
    return graph.with_costs(np.log((1 - p) / p) + np.log((1 - beta) / beta))
