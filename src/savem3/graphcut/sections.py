"""Sections first: cut each section on its own, then what that left across sections."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from savem3.graphcut.clusters import Cutter
from savem3.graphcut.contract import contract, keep_edges, refine
from savem3.graphcut.multicut import multicut
from savem3.regions import RegionGraph


def sections_first(
    graph: RegionGraph,
    sections: Int64[np.ndarray, " node"],
    *,
    within: Cutter = multicut,
    across: Cutter = multicut,
) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k: first the nodes of each section, then the objects that they make, with all edges.

    Between two objects count the costs of all edges between their nodes, summed. So the second cut minimises what a
    cut of the whole volume would, over what the first has left possible.

    Parameters
    ----------
    graph
        Of fragments that lie in one section each; weighed.
    sections
        The section of each node, from `sections_of`.
    within, across
        What cuts the sections and what cuts the volume.

    Raises
    ------
    ValueError
        If there is no section for each node.

    Notes
    -----
    Source: the paper cuts anisotropic volumes by a multicut per section, then in 3D. It does not say how costs are
    carried over; summing them is our choice.
    """
    if len(sections) != len(graph.sizes):
        raise ValueError(f"sections must name one for each of {len(graph.sizes)} nodes, got {len(sections)}")
    u, v = sections[graph.edges.astype(np.int64).T - 1]
    far = None if graph.lifted_edges is None else sections[graph.lifted_edges.astype(np.int64) - 1]
    flat = keep_edges(graph, u == v, lifted=None if far is None else far[:, 0] == far[:, 1])
    clusters = within(flat)
    return refine(across(contract(graph, clusters)), clusters)
