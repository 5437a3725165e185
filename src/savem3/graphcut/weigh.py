"""From boundary values to costs: how much speaks for joining two fragments."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

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
    return graph.with_costs(log_odds_of_none(graph.mean / 255) + np.log((1 - beta) / beta))


def log_odds_of_none(p: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The log-odds log((1−p)/p) that there is no membrane where the boundary probability is p, 0–1; finite."""
    kept = np.clip(p, CERTAIN, 1 - CERTAIN)
    return np.log((1 - kept) / kept)
