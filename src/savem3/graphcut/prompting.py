"""What to ask: which pairs of fragments are worth a prompt, and in which sections they are asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from savem3.graphcut.clusters import costs_of
from savem3.graphcut.contacts import Contacts, find_pairs
from savem3.regions import RegionGraph

LABEL_BITS = 36
"""A prompt's key holds its fragment in this many bits; 27 are left for the section."""

EDGES_A_PROMPT = 8
"""So many doubtful edges are looked at for each allowed prompt. In a section, fragments touch about 3 others each, of
a higher number; the rest makes up for contacts that are too small to ask about."""


@dataclass(frozen=True, slots=True)
class AskRecipe:
    """Which edges are asked about, and how.

    Parameters
    ----------
    doubt
        Only edges whose cost lies nearer to 0 than this are asked about.
    prompts
        At most this many prompts in all.
    contacts
        At most this many contacts of an edge are asked about: those of most faces.
    reach
        0 asks in a contact's own sections; 1 also carries the prompts to the sections before and after it.
    smallest
        A contact is asked about where both fragments have this many pixels in their sections.
    points
        0 prompts with the fragment's mask; otherwise with this many points, deep inside it.
    erosion
        Pixels by which a mask prompt is eroded, where anything is left then.

    Notes
    -----
    With the shipped prompter, on sections 100–119 of FIB-25 sample 2, the overlap told pairs of one body from others
    with an area under the curve of 0.73 for masks eroded by 1 pixel, 0.75 for 3 points and 0.71 for one.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    doubt: float = 3.0
    prompts: int = 1_000_000
    contacts: int = 3
    reach: int = 1
    smallest: int = 20
    points: int = 3
    erosion: int = 1

    def __post_init__(self) -> None:
        if not self.doubt >= 0:
            raise ValueError(f"doubt must be at least 0, got {self.doubt}")
        if self.reach not in (0, 1):
            raise ValueError(f"reach must be 0 or 1, got {self.reach}")
        least = {"prompts": 0, "contacts": 1, "smallest": 1, "points": 0, "erosion": 0}
        for name, least_value in least.items():
            if (value := getattr(self, name)) < least_value:
                raise ValueError(f"{name} must be at least {least_value}, got {value}")


@dataclass(frozen=True, slots=True)
class Plan:
    """Observations to make: in one section, the answers to the prompts of two fragments are laid over each other.

    Parameters
    ----------
    shown
        The section that is asked about, ascending.
    pairs
        The two fragments, u < v.
    sources
        The sections that u's and v's prompts are taken from; the shown one, or one apart.
    """

    shown: Int64[np.ndarray, " row"]
    pairs: UInt64[np.ndarray, "row 2"]
    sources: Int64[np.ndarray, "row 2"]

    def take(self, rows: Int64[np.ndarray, " some"]) -> Plan:
        """Some of the observations."""
        return Plan(self.shown[rows], self.pairs[rows], self.sources[rows])

    @property
    def keys(self) -> Int64[np.ndarray, "row 2"]:
        """The two prompts of each observation; equal keys are the same prompt, and keys ascend with the section."""
        shown = self.shown[:, None]
        return ((shown << LABEL_BITS) + self.pairs.astype(np.int64)) * 3 + self.sources - shown + 1

    @property
    def prompts(self) -> int:
        """How many different prompts these observations need."""
        return len(np.unique(self.keys))


def doubtful(graph: RegionGraph, *, recipe: AskRecipe) -> Int64[np.ndarray, " asked"]:
    """Numbers of the edges that are worth asking about, those first on which most depends.

    What depends on an edge is the number of voxels that its cost is expected to put on the wrong side: those of its
    smaller fragment, times the chance 1 / (1 + e^|cost|) that the cost has the wrong sign. Of equals, the edge with
    more faces goes first. No more than `EDGES_A_PROMPT` edges are named for each prompt that the recipe allows.
    """
    costs = np.abs(costs_of(graph))
    at_stake = graph.sizes[graph.edges.astype(np.int64) - 1].min(1) / (1 + np.exp(np.minimum(costs, 700)))
    order = np.lexsort((np.arange(len(costs)), -graph.count, -at_stake))
    return order[costs[order] < recipe.doubt][: EDGES_A_PROMPT * recipe.prompts]


def plan_prompts(
    graph: RegionGraph, contacts: Contacts, asked: Int64[np.ndarray, " asked"], *, depth: int, recipe: AskRecipe
) -> Plan:
    """What to ask about the doubtful edges, within the budget; lifted pairs come along for nothing.

    Parameters
    ----------
    graph
        Weighed.
    contacts
        Of the edges ``graph.edges[sort(asked)]``: where they meet.
    asked
        Edges in the order of their importance (`doubtful`). The first ones that the budget allows are asked about.
    depth
        Sections of the volume.
    recipe
        All settings.
    """
    turn_of = np.argsort(asked)
    chosen = _choose_contacts(contacts, recipe=recipe)
    pairs = graph.edges[np.sort(asked)][chosen.pair]
    plan, contact = _show(pairs, chosen.sections, depth=depth, recipe=recipe)
    kept = _within_budget(plan, turn_of[chosen.pair][contact], recipe=recipe)
    paid = np.unique(contact[kept])
    plan = plan.take(kept)
    return sort_plan([plan, plan_lifted(graph, plan, pairs[paid], chosen.sections[paid])])


def sort_plan(parts: list[Plan]) -> Plan:
    """All observations as one plan, each once, by section."""
    rows = [np.column_stack([p.shown, p.pairs.astype(np.int64), p.sources]) for p in parts]
    table = np.unique(np.concatenate(rows), axis=0)
    return Plan(table[:, 0], table[:, 1:3].astype(np.uint64), table[:, 3:])


def plan_lifted(
    graph: RegionGraph, plan: Plan, pairs: UInt64[np.ndarray, "contact 2"], sections: Int64[np.ndarray, "contact 2"]
) -> Plan:
    """Observations of pairs that do not touch, made of prompts that are asked anyway.

    Two contacts that share a fragment in a section join their other ends: two fragments of one section, or one in z
    and one in z + 2. They are compared wherever both are shown.
    """
    ends, sources = _ends_two_contacts_apart(pairs.astype(np.int64), sections)
    apart = (ends[:, 0] != ends[:, 1]) & (find_pairs(ends.astype(np.uint64), graph.edges) < 0)
    ends, sources = ends[apart], sources[apart]
    steps = [Plan(sources.max(1) + step, ends.astype(np.uint64), sources) for step in (-1, 0, 1)]
    return sort_plan([rows.take(np.flatnonzero(np.isin(rows.keys, plan.keys).all(1))) for rows in steps])


def _choose_contacts(contacts: Contacts, *, recipe: AskRecipe) -> Contacts:
    """The largest contacts of each pair, those within a section before those between two."""
    large = np.flatnonzero(contacts.pixels >= recipe.smallest)
    between = contacts.sections[:, 0] != contacts.sections[:, 1]
    keys = (contacts.sections[:, 1], contacts.sections[:, 0], -contacts.faces, between, contacts.pair)
    order = large[np.lexsort([key[large] for key in keys])]
    pair = contacts.pair[order]
    place = np.arange(len(pair)) - np.searchsorted(pair, pair)
    best = order[place < recipe.contacts]
    return Contacts(contacts.pair[best], contacts.sections[best], contacts.faces[best], contacts.pixels[best])


def _show(
    pairs: UInt64[np.ndarray, "contact 2"],
    sections: Int64[np.ndarray, "contact 2"],
    *,
    depth: int,
    recipe: AskRecipe,
) -> tuple[Plan, Int64[np.ndarray, " row"]]:
    """Observations of contacts, and the contact that each is made of.

    A contact within a section is shown there, and carried to the sections before and after it; one between two
    sections is shown in both, each time with one prompt carried over.
    """
    low, high = sections.min(1), sections.max(1)
    carried = recipe.reach * (low == high)
    steps = [(low - carried, carried > 0), (low, low >= 0), (high + carried, (carried > 0) | (low < high))]
    rows = np.concatenate([np.flatnonzero(valid & (z >= 0) & (z < depth)) for z, valid in steps])
    shown = np.concatenate([z[valid & (z >= 0) & (z < depth)] for z, valid in steps])
    return Plan(shown, pairs[rows], sections[rows]), rows


def _within_budget(plan: Plan, turn: Int64[np.ndarray, " row"], *, recipe: AskRecipe) -> Int64[np.ndarray, " kept"]:
    """Rows of the first edges that together need no more than the allowed number of prompts."""
    order = np.argsort(turn, kind="stable")
    _, first = np.unique(plan.take(order).keys, return_index=True)
    new = np.bincount(turn[order][first // 2], minlength=int(turn.max(initial=-1)) + 1)
    affordable = np.cumsum(new) <= recipe.prompts
    return np.flatnonzero(affordable[turn])


def _ends_two_contacts_apart(
    pairs: Int64[np.ndarray, "contact 2"], sections: Int64[np.ndarray, "contact 2"]
) -> tuple[Int64[np.ndarray, "two 2"], Int64[np.ndarray, "two 2"]]:
    """Fragments (u < v) and sections of the outer ends of each two contacts that meet in one fragment and section."""
    hub, far = (np.concatenate([pairs[:, end], pairs[:, 1 - end]]) for end in (0, 1))
    hub_z, far_z = (np.concatenate([sections[:, end], sections[:, 1 - end]]) for end in (0, 1))
    order = np.lexsort((far_z, far, hub_z, hub))
    hub, far, hub_z, far_z = hub[order], far[order], hub_z[order], far_z[order]
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    step = 1
    while step < len(hub):
        same = np.flatnonzero((hub[:-step] == hub[step:]) & (hub_z[:-step] == hub_z[step:]))
        if not len(same):
            break
        firsts.append(same)
        seconds.append(same + step)
        step += 1
    a, b = np.concatenate(firsts), np.concatenate(seconds)
    return np.stack([far[a], far[b]], 1), np.stack([far_z[a], far_z[b]], 1)
