"""The energy that a cut minimises: boundary, likeness of features, and what prompts say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from savem3.graphcut.clusters import costs_of
from savem3.graphcut.contacts import find_pairs
from savem3.graphcut.evidence import Evidence, weigh_evidence
from savem3.graphcut.reading import Reading
from savem3.graphcut.vectors import cosines, likenesses
from savem3.regions import RegionGraph


@dataclass(frozen=True, slots=True)
class EnergyRecipe:
    """How much each kind of evidence weighs against the boundary; 0 leaves it out.

    Parameters
    ----------
    features
        λ_f, for the likeness of feature vectors.
    prompts
        λ_s, for the overlap of prompted masks.
    lifted
        λ_s of pairs that do not touch.

    Raises
    ------
    ValueError
        If a weight is negative or no number.
    """

    features: float = 0.0
    prompts: float = 1.0
    lifted: float = 0.0

    def __post_init__(self) -> None:
        for name in ("features", "prompts", "lifted"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a weight of at least 0, got {getattr(self, name)}")


def add_evidence(
    graph: RegionGraph,
    evidence: Evidence,
    *,
    recipe: EnergyRecipe,
    trust: float = 1.0,
    overlap: Reading = Reading(),
    likeness: Reading = Reading(),
) -> RegionGraph:
    """The graph with all evidence in its costs, and with lifted edges where pairs that do not touch were observed.

    Parameters
    ----------
    graph
        Weighed by `weigh_edges`.
    evidence
        From `gather_evidence`; what is not in it changes no cost.
    recipe
        Weights.
    trust
        From `trust_of`: multiplies all that prompts say.
    overlap
        How overlaps are read: centred at 0.5, or as `learn_reading` found on this volume.
    likeness
        How likenesses of features are read: from `centre_likeness`, or as `learn_reading` found.

    Notes
    -----
    Source: METHOD §7, Choice 12: w = logit(affinity; β) + λ_f·h_f + λ_s·n/(n+1)·h_s, each h clipped at ±3. Each cost
    is a function of its own pair, so evidence about one pair changes no other cost.
    """
    costs = costs_of(graph)
    if recipe.features:
        costs = costs + recipe.features * likeness.read(likenesses(graph, graph.edges))
    if recipe.prompts * trust:
        own = evidence.of_pairs(graph.edges)
        costs = costs + recipe.prompts * trust * weigh_evidence(own, overlap)
    graph = replace(graph, costs=costs)
    if not recipe.lifted * trust:
        return graph
    apart = evidence.of_pairs(evidence.pairs[find_pairs(evidence.pairs, graph.edges) < 0])
    return replace(graph, lifted_edges=apart.pairs, lifted_costs=recipe.lifted * trust * weigh_evidence(apart, overlap))


def add_published(graph: RegionGraph, evidence: Evidence) -> RegionGraph:
    """The graph with the published sums: boundary log-odds + cosine + overlap, on touching pairs alone.

    Neither sum is centred, so neither ever speaks for cutting; a cosine below 0 counts as 0.

    Notes
    -----
    Source: METHOD §7, the authors' energy.
    """
    cosine = np.nan_to_num(np.maximum(cosines(graph, graph.edges), 0.0))
    own = evidence.of_pairs(graph.edges)
    overlap = np.nan_to_num(own.overlap)
    return graph.with_costs(costs_of(graph) + cosine + overlap)
