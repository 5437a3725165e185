"""A cut that hears prompts: whether and how, who is asked, and what the graph keeps of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from savem3.graphcut.asking import ReadPrompter
from savem3.graphcut.clusters import costs_of
from savem3.graphcut.energy import EnergyRecipe, add_evidence, add_published
from savem3.graphcut.evidence import ONE, Evidence, trust_of
from savem3.graphcut.prompting import AskRecipe
from savem3.graphcut.reading import Reading, learn_reading
from savem3.graphcut.vectors import ReadTeacher, cosines, likenesses
from savem3.regions import RegionGraph
from savem3.volume import Image, IntensityMap


@dataclass(frozen=True, slots=True)
class PromptRecipe:
    """Whether a cut hears prompts, and how.

    Parameters
    ----------
    ask
        What is asked; with 0 prompts nothing is, and the cut is that of the boundary alone.
    weights
        λ of each kind of evidence; features and lifted edges are heard by our energy only.
    energy
        ``ours`` reads evidence as log-odds, centred where it says what the boundary says; ``paper`` adds the published
        sums.

    Raises
    ------
    ValueError
        If there is no such energy, or lifted edges are wanted of the published one.
    """

    ask: AskRecipe = AskRecipe(prompts=0)
    weights: EnergyRecipe = EnergyRecipe()
    energy: Literal["ours", "paper"] = "ours"

    def __post_init__(self) -> None:
        if self.energy not in ("ours", "paper"):
            raise ValueError(f"energy must be ours or paper, got {self.energy}")
        if self.energy == "paper" and self.weights.lifted:
            raise ValueError("energy must be ours to hear lifted edges, got paper")

    @property
    def is_wanted(self) -> bool:
        """Whether anything may be asked."""
        return self.ask.prompts > 0

    @property
    def is_lifted(self) -> bool:
        """Whether pairs that do not touch are heard."""
        return self.is_wanted and self.weights.lifted > 0

    @property
    def weighs_features(self) -> bool:
        """Whether the likeness of all fragments counts, so that every section has to be looked at."""
        return self.energy == "paper" or self.weights.features > 0


@dataclass(frozen=True, slots=True)
class Witness:
    """Who is asked about a volume, in whichever process.

    Parameters
    ----------
    image
        The volume, on the fragments' grid; may be lazy.
    teacher
        Gives who sees features.
    prompter
        Gives who answers prompts.
    intensity
        The intensity map of the whole image.
    """

    image: Image
    teacher: ReadTeacher
    prompter: ReadPrompter
    intensity: IntensityMap


def hear(graph: RegionGraph, evidence: Evidence, *, recipe: PromptRecipe) -> RegionGraph:
    """The graph with what prompts say in its costs.

    How overlaps and likenesses are read is learned from the boundary on the same pairs, and how far answers agree with
    each other decides how far they are trusted: both without labels.

    Parameters
    ----------
    graph
        Weighed; with vectors where the recipe weighs features.
    evidence
        Of all sections.
    recipe
        How it is heard.
    """
    if recipe.energy == "paper":
        return add_published(graph, evidence)
    overlap = learn_reading(evidence.of_pairs(graph.edges).overlap, costs_of(graph))
    likeness = Reading()
    if recipe.weights.features:
        likeness = learn_reading(likenesses(graph, graph.edges), costs_of(graph))
    trust = trust_of(evidence)
    return add_evidence(graph, evidence, recipe=recipe.weights, trust=trust, overlap=overlap, likeness=likeness)


def testimony(graph: RegionGraph, heard: RegionGraph, evidence: Evidence) -> Mapping[str, NDArray[Any]]:
    """What was said about each edge, as columns.

    ``prompt_overlap``, the mean overlap of the answers, 0–1, and ``prompt_weight``, the sum of the products of their
    predicted IoUs; ``prompt_answers``, how often the two were compared; ``cosine`` of the feature vectors;
    ``agreement``, what all this adds to the cost, above 0 where it says the same as the boundary, below 0 where it
    contradicts. Overlap and cosine are no number where there is none.

    Parameters
    ----------
    graph, heard
        Before `hear`, with vectors, and after.
    evidence
        Of all sections.
    """
    own, costs = evidence.of_pairs(graph.edges), costs_of(graph)
    return {
        "prompt_overlap": own.overlap,
        "prompt_weight": own.weight / ONE,
        "prompt_answers": own.count,
        "cosine": cosines(graph, graph.edges),
        "agreement": (costs_of(heard) - costs) * np.sign(costs),
    }
