"""Prompts for volumes of any size: weigh, choose, ask and cut as block functions, each a stage of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from savem3.blocks import Product, Table, Tables
from savem3.graphcut.asking import AskSections
from savem3.graphcut.clusters import Cutter
from savem3.graphcut.contacts import join_contacts
from savem3.graphcut.cutting import ARRAYS, columns_of, cut_graph, graph_in
from savem3.graphcut.evidence import join_evidence
from savem3.graphcut.graph import join_graph
from savem3.graphcut.hearing import PromptRecipe, Witness, hear, testimony
from savem3.graphcut.margins import with_margins
from savem3.graphcut.prompting import AskRecipe, Plan, doubtful, plan_prompts
from savem3.graphcut.vectors import join_vectors
from savem3.graphcut.weigh import weigh_edges
from savem3.tiles import Tile
from savem3.volume import Labels

WEIGHED = tuple(name for name in ARRAYS if name != "margin")


@dataclass(frozen=True, slots=True)
class Weigh:
    """The block function, for one tile that is the whole volume, that weighs the region graph and finds its doubts.

    Its table: the graph with its ``costs``, the numbers of the ``asked`` edges in the order of their importance, and
    their ``pairs``, sorted.

    Parameters
    ----------
    tables
        From `CollectFaces`, of all tiles.
    beta
        See `weigh_edges`.
    recipe
        What is doubtful.
    """

    tables: Tables
    beta: float
    recipe: AskRecipe

    def __call__(self, tile: Tile) -> Product:
        graph = weigh_edges(join_graph(self.tables), beta=self.beta)
        asked = doubtful(graph, recipe=self.recipe)
        return Product(tables={**columns_of(graph), "asked": asked, "pairs": graph.edges[np.sort(asked)]})


@dataclass(frozen=True, slots=True)
class Choose:
    """The block function, for one tile that is the whole volume, that chooses what is asked; it sees tables alone.

    Its table: the columns of a `Plan`, and ``offsets``: section z has the rows offsets[z] to offsets[z + 1].

    Parameters
    ----------
    weighed
        From `Weigh`.
    contacts
        From `CollectContacts`, of all tiles.
    recipe
        What is asked, and how often at most.
    """

    weighed: Table
    contacts: Tables
    recipe: AskRecipe

    def __call__(self, tile: Tile) -> Product:
        depth, asked = tile.write.shape[0], np.asarray(self.weighed["asked"][...])
        contacts = join_contacts(self.contacts, np.asarray(self.weighed["pairs"][...]))
        graph = graph_in(self.weighed, columns=WEIGHED)
        plan = plan_prompts(graph, contacts, asked, depth=depth, recipe=self.recipe)
        offsets = np.searchsorted(plan.shown, np.arange(depth + 1))
        columns = {"shown": plan.shown, "pairs": plan.pairs, "sources": plan.sources}
        return Product(tables={**columns, "offsets": offsets.astype(np.int64)})


@dataclass(frozen=True, slots=True)
class Ask:
    """The block function of chosen prompts: a block is one whole section, encoded once, and not at all if none is its.

    Its table: the evidence of the section, in integers, and how many ``prompts`` were answered.

    Parameters
    ----------
    witness
        Who is asked.
    fragments
        May be lazy.
    chosen
        From `Choose`.
    recipe
        How prompts are made.
    """

    witness: Witness
    fragments: Labels
    chosen: Table
    recipe: AskRecipe

    def __call__(self, tile: Tile) -> Product:
        plan = plan_in(self.chosen, section=tile.write.start[0])
        return AskSections(self.witness.image, self.fragments, self.witness.prompter, plan, self.recipe)(tile)


@dataclass(frozen=True, slots=True)
class CutHeard:
    """The block function, for one tile that is the whole volume, that cuts the region graph by all evidence.

    Its table is that of `Cut`, with `testimony` for each edge, the ``lifted_edges`` and their ``lifted_costs`` where
    there are any, and how many ``prompts`` were answered.

    Parameters
    ----------
    weighed
        From `Weigh`.
    answers
        From `Ask`, of all sections.
    vectors
        From `SumSections`, of all sections.
    cutter
        One of `CUTTERS`; one that hears lifted edges if the recipe has them.
    recipe
        How evidence is heard.
    """

    weighed: Table
    answers: Tables
    vectors: Tables
    cutter: Cutter
    recipe: PromptRecipe

    def __call__(self, tile: Tile) -> Product:
        graph = graph_in(self.weighed, columns=WEIGHED)
        graph = replace(graph, features=join_vectors(self.vectors, nodes=len(graph.sizes)))
        evidence = join_evidence(self.answers)
        heard = hear(graph, evidence, recipe=self.recipe)
        clusters = cut_graph(heard, cutter=self.cutter)
        said = {**testimony(graph, heard, evidence), "prompts": np.array([_count(self.answers)])}
        lifted = {name: getattr(heard, name) for name in ("lifted_edges", "lifted_costs")}
        said |= {name: values for name, values in lifted.items() if values is not None}
        return Product(tables={**columns_of(with_margins(heard, clusters)), **said, "clusters": clusters})


def plan_in(chosen: Table, *, section: int) -> Plan:
    """What is asked of one section, from the table of `Choose`."""
    first, after = chosen["offsets"][section : section + 2].tolist()
    if first == after:  # a file has no slice of an empty column
        return Plan(np.zeros(0, np.int64), np.zeros((0, 2), np.uint64), np.zeros((0, 2), np.int64))
    shown, pairs, sources = (chosen[name][first:after] for name in ("shown", "pairs", "sources"))
    return Plan(shown, pairs, sources)


def _count(answers: Tables) -> int:
    return sum(int(answers[i]["prompts"][0]) for i in range(len(answers)))
