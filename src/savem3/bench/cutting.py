"""A boundary map cut at every β and scored, and the β that is chosen without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from savem3.evaluate import Contingency, compare, merge_tables, relabel_components, score_table
from savem3.graphcut import CUTTERS as ALL_CUTTERS
from savem3.graphcut import PromptRecipe, TwoLooks, Witness, overlay, region_graph, steadiest_beta, weigh_edges
from savem3.graphcut.prompting import AskRecipe
from savem3.grid import Box
from savem3.pipeline import FINENESS, Settings, hear_witness, make_fragments
from savem3.regions import RegionGraph
from savem3.saem2 import Saem2Teacher
from savem3.volume import BoundaryMap, Image, Labels, intensity_of

CUTTERS = ("quantile", "multicut")
"""WaterZ's agglomeration by the 50-quantile, and the multicut: what the ablation is cut by."""
BETAS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1)
Errors = tuple[float, float, float]
"""VoI split, VoI merge and ARand (scikit-image's convention)."""
Sections = tuple[int, int]
"""First and last, both included."""
Volume = TypeVar("Volume", Image, BoundaryMap, Labels)


@dataclass(frozen=True, slots=True)
class Scored:
    """What one cutter makes of one map.

    Parameters
    ----------
    chosen
        The β that was chosen without labels, for each part of the truth.
    errors
        For each part of the truth, at every β.
    """

    chosen: Mapping[str, float]
    errors: Mapping[str, Mapping[float, Errors]]

    def voi(self, part: str) -> float:
        """Bits at the β that was chosen."""
        return sum(self.errors[part][self.chosen[part]][:2])

    def best(self, part: str) -> float:
        """Bits at the β that would have been best."""
        return min(sum(errors[:2]) for errors in self.errors[part].values())


def score_map(
    boundary: BoundaryMap, truth: Labels, *, parts: Mapping[str, Sections], sectionwise: bool, threads: int
) -> dict[str, Scored]:
    """Every cutter at every β.

    Parameters
    ----------
    boundary
        To be cut.
    truth
        On the same grid.
    parts
        First and last section of each part of the truth that is scored, by name; each is cut on its own.
    sectionwise
        Whether each section is a volume of its own; a part's error is then the mean over its sections.
    threads
        For fragments and region graphs.
    """
    found: dict[str, dict[str, tuple[float, dict[float, Errors]]]] = {cutter: {} for cutter in CUTTERS}
    for name, sections in parts.items():
        part, true = _cut_out(boundary, truth, sections, sectionwise=sectionwise)
        pieces = list(divide(part, true, sectionwise=sectionwise, threads=threads))
        for cutter in CUTTERS:
            found[cutter][name] = choose(pieces, cutter), {beta: errors_of(pieces, cutter, beta) for beta in BETAS}
    return _by_cutter(found)


def score_heard(
    boundary: BoundaryMap,
    truth: Labels,
    *,
    image: Image,
    teacher: Saem2Teacher,
    prompts: int,
    parts: Mapping[str, Sections],
    sectionwise: bool,
    threads: int,
) -> dict[str, Scored]:
    """Every cutter at the β that is chosen without labels, hearing a teacher's answers about doubtful contacts.

    Parameters
    ----------
    boundary, truth, parts, sectionwise, threads
        As `score_map` takes them.
    image, teacher
        What is asked about, and who.
    prompts
        At most so many in each part.
    """
    found: dict[str, dict[str, tuple[float, dict[float, Errors]]]] = {cutter: {} for cutter in CUTTERS}
    intensity = intensity_of(image)
    for name, (first, last) in parts.items():
        part, true = _cut_out(boundary, truth, (first, last), sectionwise=sectionwise)
        pieces = list(divide(part, true, sectionwise=sectionwise, threads=threads))
        recipe = PromptRecipe(ask=AskRecipe(prompts=max(1, prompts // len(pieces))))
        for cutter in CUTTERS:
            beta, heard = choose(pieces, cutter), []
            for n, piece in enumerate(pieces):
                own = (first + n, first + n) if sectionwise else (first, last)
                witness = Witness(
                    keep_sections(image, own), lambda: teacher, lambda: teacher.prompter(intensity), intensity
                )
                graph = weigh_edges(piece.graph, beta=beta)
                settings = Settings(beta, cutter=cutter, threads=threads, prompts=recipe)
                heard.append(hear_witness(graph, piece.fragments, witness, settings=settings))
            errors = [errors_of_graph(p, graph, cutter) for p, graph in zip(pieces, heard, strict=True)]
            found[cutter][name] = beta, {beta: mean_of(errors)}
    return _by_cutter(found)


@dataclass(frozen=True, slots=True)
class Piece:
    """A volume that is cut on its own.

    Parameters
    ----------
    fragments
        What is joined.
    looks
        The fragments beside a finer and beside a coarser fragmentation: what the choice of β is made by.
    pairs
        Fragments and bodies of the truth.
    """

    fragments: Labels
    looks: tuple[TwoLooks, TwoLooks]
    pairs: Contingency

    @property
    def graph(self) -> RegionGraph:
        """Of the fragments."""
        return self.looks[0].graphs[0]


def divide(boundary: BoundaryMap, truth: Labels, *, sectionwise: bool, threads: int) -> Iterator[Piece]:
    """What is cut on its own: each section, or all of them together."""
    depth, settings = boundary.grid.shape[0], Settings(0.5, threads=threads)
    step = 1 if sectionwise else depth
    for first in range(0, depth, step):
        sections = first, first + step - 1
        part = keep_sections(boundary, sections)
        own, *others = (make_fragments(part, settings=at_fineness(settings, factor)) for factor in FINENESS)
        graph, *graphs = (region_graph(f, part, block=settings.block, workers=threads) for f in (own, *others))
        finer, coarser = (TwoLooks((graph, g), overlay(own, f)) for f, g in zip(others, graphs, strict=True))
        pairs = compare(own, keep_sections(truth, sections))
        yield Piece(own, (finer, coarser), pairs)


def at_fineness(settings: Settings, factor: float) -> Settings:
    """Settings with other dynamics."""
    recipe = settings.oversegment
    return replace(settings, oversegment=replace(recipe, dynamics=round(factor * recipe.dynamics)))


def keep_sections(volume: Volume, sections: Sections) -> Volume:
    """Some sections of a volume, first and last included."""
    _, height, width = volume.grid.shape
    return volume.crop(Box((sections[0], 0, 0), (sections[1] + 1, height, width)))


def choose(pieces: Sequence[Piece], cutter: str) -> float:
    """The β at which finer and coarser fragmentations are cut most alike, in the mean of pieces."""
    looks = [look for piece in pieces for look in piece.looks]
    return steadiest_beta(looks, cutter=ALL_CUTTERS[cutter], betas=BETAS).choice


def errors_of(pieces: Sequence[Piece], cutter: str, beta: float) -> Errors:
    """The mean over pieces of the errors at one β."""
    return mean_of([errors_of_graph(piece, weigh_edges(piece.graph, beta=beta), cutter) for piece in pieces])


def errors_of_graph(piece: Piece, graph: RegionGraph, cutter: str) -> Errors:
    """The errors of one piece, cut by these costs."""
    clusters = ALL_CUTTERS[cutter](graph)
    named = np.concatenate([[0], clusters]).astype(np.uint64)[piece.pairs.segments]
    scores = score_table(merge_tables([replace(piece.pairs, segments=named)]), unsegmented="segment")
    return scores.voi_split, scores.voi_merge, scores.arand_skimage


def mean_of(errors: Sequence[Errors]) -> Errors:
    """The mean of each error."""
    split, merge, arand = np.mean(errors, axis=0).tolist()
    return split, merge, arand


def _cut_out(
    boundary: BoundaryMap, truth: Labels, sections: Sections, *, sectionwise: bool
) -> tuple[BoundaryMap, Labels]:
    """A part of map and truth; a body that leaves the part and comes back is several bodies in it."""
    part, true = keep_sections(boundary, sections), keep_sections(truth, sections)
    if true.grid.shape != truth.grid.shape and not sectionwise:
        true = relabel_components(true)
    return part, true


def _by_cutter(found: Mapping[str, Mapping[str, tuple[float, dict[float, Errors]]]]) -> dict[str, Scored]:
    return {
        cutter: Scored({n: chosen for n, (chosen, _) in of.items()}, {n: errors for n, (_, errors) in of.items()})
        for cutter, of in found.items()
    }
