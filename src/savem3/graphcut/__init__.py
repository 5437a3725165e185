"""Graph-cut: fragments and a boundary map become objects (method, sections 6 and 7).

Enters: `Labels` of fragments and a `BoundaryMap` on one grid; `boundary_from` makes one of anybody's array. Leaves:
`Labels` of objects, 1 to k, each a union of whole fragments. In three steps: `region_graph` sums the boundary over
touching faces, `weigh_edges` says what speaks for joining (cost > 0 joins), `cut` partitions the graph by one of
`CUTTERS`. Where fragments lie in one section each, `LINKERS` join them from section to section. Before the cut, a
`Prompter` may be asked about doubtful contacts (`ask_sections`), and what it says joins the costs (`hear`); `Weigh`,
`Choose`, `Ask` and `CutHeard` do the same on disk, block by block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Progress
from savem3.graphcut.agglomerate import agglomerate
from savem3.graphcut.asking import AskSections, ask_sections
from savem3.graphcut.calibrate import (
    BETAS,
    Calibration,
    TwoLooks,
    calibrate,
    calibrate_beta,
    calibrate_weights,
    steadiest_beta,
)
from savem3.graphcut.choosing import Ask, Choose, CutHeard, Weigh
from savem3.graphcut.clusters import Cutter
from savem3.graphcut.contacts import CollectContacts, find_contacts
from savem3.graphcut.contract import contract, part_of, refine
from savem3.graphcut.cutting import Cut, cut_graph, graph_in
from savem3.graphcut.domains import agglomerate_in_domains, cut_in_domains
from savem3.graphcut.energy import EnergyRecipe, add_evidence, add_published
from savem3.graphcut.evidence import Evidence, join_evidence
from savem3.graphcut.foreign import boundary_from
from savem3.graphcut.gasp import gasp_mean, gasp_sum
from savem3.graphcut.graph import CollectFaces, join_graph, region_graph
from savem3.graphcut.hearing import PromptRecipe, Witness, hear
from savem3.graphcut.histogram import CountValues, join_histograms, with_histogram
from savem3.graphcut.lifted import lifted, lifted_energy_of
from savem3.graphcut.links import link_by_confidence, link_by_iou
from savem3.graphcut.margins import margins, with_margins
from savem3.graphcut.memory import memory_of
from savem3.graphcut.multicut import energy_of, multicut
from savem3.graphcut.mutex import mutex
from savem3.graphcut.overlay import Overlay, overlay
from savem3.graphcut.places import Place, domains_of, join_places, places, sections_of
from savem3.graphcut.prompting import AskRecipe
from savem3.graphcut.quantile import median, quantile
from savem3.graphcut.relabel import Relabel, relabel
from savem3.graphcut.sections import sections_first
from savem3.graphcut.vectors import SumSections, SumVectors, join_vectors, node_vectors
from savem3.graphcut.waterz import agglomerate_by_waterz, by_waterz
from savem3.graphcut.weigh import weigh_edges
from savem3.grid import Shape
from savem3.regions import RegionGraph
from savem3.volume import Labels

CUTTERS: dict[str, Cutter] = {
    "gasp_mean": gasp_mean,
    "gasp_sum": gasp_sum,
    "lifted": lifted,
    "mean": agglomerate,
    "median": median,
    "multicut": multicut,
    "mutex": mutex,
    "quantile": quantile,
}

Linker = Callable[[RegionGraph, Int64[np.ndarray, " node"]], Int64[np.ndarray, " node"]]
"""From a weighed graph and the section that each of its nodes lies in to clusters 1 to k, as a `Cutter` gives them."""

LINKERS: dict[str, Linker] = {
    "confidence": link_by_confidence,
    "iou": link_by_iou,
    "sections_first": sections_first,
}


def cut(
    fragments: Labels,
    graph: RegionGraph,
    *,
    cutter: str = "multicut",
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Labels:
    """Objects of a volume: fragments joined as a cutter says.

    Parameters
    ----------
    fragments
        Numbered 1 to n; background stays 0.
    graph
        Of these fragments, weighed.
    cutter
        A name in `CUTTERS`.
    block, workers, progress
        See `relabel`.

    Raises
    ------
    ValueError
        If there is no such cutter, or the graph is not weighed or belongs to other fragments.
    """
    if cutter not in CUTTERS:
        raise ValueError(f"cutter must be one of {', '.join(CUTTERS)}, got {cutter}")
    return relabel(fragments, CUTTERS[cutter](graph), block=block, workers=workers, progress=progress)


__all__ = [
    "BETAS",
    "CUTTERS",
    "LINKERS",
    "Ask",
    "AskRecipe",
    "AskSections",
    "Calibration",
    "Choose",
    "CollectContacts",
    "CollectFaces",
    "CountValues",
    "Cut",
    "CutHeard",
    "Cutter",
    "EnergyRecipe",
    "Evidence",
    "Linker",
    "Overlay",
    "Place",
    "PromptRecipe",
    "Relabel",
    "SumSections",
    "SumVectors",
    "TwoLooks",
    "Weigh",
    "Witness",
    "add_evidence",
    "add_published",
    "agglomerate",
    "agglomerate_by_waterz",
    "agglomerate_in_domains",
    "ask_sections",
    "boundary_from",
    "by_waterz",
    "calibrate",
    "calibrate_beta",
    "calibrate_weights",
    "contract",
    "cut",
    "cut_graph",
    "cut_in_domains",
    "domains_of",
    "energy_of",
    "find_contacts",
    "gasp_mean",
    "gasp_sum",
    "graph_in",
    "hear",
    "join_evidence",
    "join_graph",
    "join_histograms",
    "join_places",
    "join_vectors",
    "lifted",
    "lifted_energy_of",
    "link_by_confidence",
    "link_by_iou",
    "margins",
    "median",
    "memory_of",
    "multicut",
    "mutex",
    "node_vectors",
    "overlay",
    "part_of",
    "places",
    "quantile",
    "refine",
    "region_graph",
    "relabel",
    "sections_first",
    "sections_of",
    "steadiest_beta",
    "weigh_edges",
    "with_histogram",
    "with_margins",
]
