"""Linking section by section: each object of a section goes on in at most one object of the next."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from savem3.graphcut.clusters import costs_of, number_clusters
from savem3.graphcut.multicut import connected
from savem3.regions import RegionGraph

LEAST_IOU = 0.25
"""Overlap from which two objects may be one neurite: they may move and change their shape between thick sections."""


def link_by_iou(
    graph: RegionGraph, sections: Int64[np.ndarray, " node"], *, least: float = LEAST_IOU
) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k: each node joined to the one in the next section that it overlaps most.

    The largest overlap goes first, and each node gets at most one node in the section before and one in the section
    after. Of equal overlaps the smaller edge number goes first. No boundary map is needed.

    Parameters
    ----------
    graph
        Of objects that lie in one section each; weighed or not.
    sections
        The section of each node, from `sections_of`.
    least
        Least intersection over union of a link, 0–1.

    Notes
    -----
    Source: stitching two-dimensional masks by their overlap is how single-section models are commonly carried through
    a volume; the threshold and one-to-one links, the largest first, are our choice.
    """
    if not 0 < least <= 1:
        raise ValueError(f"least must lie above 0 and up to 1, got {least}")
    u, v = graph.edges.astype(np.int64).T - 1
    overlap = graph.count / (graph.sizes[u] + graph.sizes[v] - graph.count)
    return _link(graph, sections, overlap, least=least)


def link_by_confidence(graph: RegionGraph, sections: Int64[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k: each node joined to the one in the next section that most speaks for it.

    As `link_by_iou`, but by cost: what the boundary map, and further evidence where there is any, says of the contact.
    Only costs above 0 join.

    Parameters
    ----------
    graph
        Of objects that lie in one section each; weighed.
    sections
        The section of each node, from `sections_of`.

    Raises
    ------
    ValueError
        If the graph is not weighed.

    Notes
    -----
    Source: models that are prompted in one section with the mask of the last keep the mask that they are surest of;
    links by the cost of the contact stand for that where no prompts are asked.
    """
    return _link(graph, sections, costs_of(graph), least=np.nextafter(0, 1))


def _link(
    graph: RegionGraph, sections: Int64[np.ndarray, " node"], strength: Float64[np.ndarray, " edge"], *, least: float
) -> Int64[np.ndarray, " node"]:
    if len(sections) != len(graph.sizes):
        raise ValueError(f"sections must name one for each of {len(graph.sizes)} nodes, got {len(sections)}")
    ends = graph.edges.astype(np.int64) - 1
    ends = np.where((sections[ends[:, 0]] > sections[ends[:, 1]])[:, None], ends[:, ::-1], ends)
    follows = sections[ends[:, 1]] - sections[ends[:, 0]] == 1
    links = np.flatnonzero(follows & (strength >= least))
    links = links[np.argsort(-strength[links], kind="stable")]
    kept = links[_one_to_one(ends[links], nodes=len(sections))]
    return number_clusters(connected(ends[kept], nodes=len(sections)))


def _one_to_one(links: Int64[np.ndarray, "link 2"], *, nodes: int) -> list[int]:
    """The links, in their order, whose lower node goes on in no other and whose upper node continues no other."""
    goes_on, continues = np.zeros(nodes, np.bool_), np.zeros(nodes, np.bool_)
    kept = []
    for link, (lower, upper) in enumerate(links):
        if not goes_on[lower] and not continues[upper]:
            goes_on[lower] = continues[upper] = True
            kept.append(link)
    return kept
