"""What the truth says of each decision and each segment of a case, and how much that is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from trust_cases import Case, read_case

from savem3.quality.bodies import SHARE
from savem3.quality.edges import Evidence, evidence_of

KNOWN = 0.5
"""Share of a fragment that the truth must name, and of these that one body must have."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, its evidence, and what the truth says of it.

    Parameters
    ----------
    case, evidence
        What was cut.
    body_of, purity
        The body of each fragment, and the share of its voxels that is of it, 0 where that is not to be trusted.
    known
        Voxels of each fragment that the truth names.
    wrong, weight
        Whether each edge was decided wrongly, and how much that is to be trusted.
    """

    case: Case
    evidence: Evidence
    body_of: np.ndarray
    purity: np.ndarray
    known: np.ndarray
    wrong: np.ndarray
    weight: np.ndarray


def judge(case: Case) -> Judged:
    """What the truth says of each fragment and edge."""
    nodes, pairs = len(case.graph.sizes), case.pairs
    inside = pairs.segments > 0
    rows, bodies, counts = pairs.segments[inside].astype(np.int64) - 1, pairs.bodies[inside], pairs.counts[inside]
    known = np.bincount(rows, counts, nodes).astype(np.int64)
    order = np.lexsort((bodies, -counts, rows))
    fragments, first = np.unique(rows[order], return_index=True)
    body_of, most = np.zeros(nodes, np.uint64), np.zeros(nodes)
    body_of[fragments], most[fragments] = bodies[order][first], counts[order][first]
    share = most / np.maximum(1, known)
    purity = np.where((known >= KNOWN * case.graph.sizes) & (share >= KNOWN), share, 0.0)
    u, v = case.graph.edges.astype(np.int64).T - 1
    evidence = evidence_of(case.graph, case.segment_of)
    wrong = (body_of[u] == body_of[v]) != evidence.joined
    return Judged(case, evidence, body_of, purity, known, wrong, purity[u] * purity[v])


def body_truth(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each segment: whether it holds a merge, whether a part is missing, and how much of it is known."""
    segments, places = np.unique(judged.case.segment_of, return_inverse=True)
    bodies, names = np.unique(judged.body_of, return_inverse=True)
    voxels = np.zeros((len(segments), len(bodies)))
    trusted = judged.purity > 0
    np.add.at(voxels, (places[trusted], names[trusted]), judged.known[trusted])
    total, own = voxels.sum(1), voxels.argmax(1)
    held = voxels[np.arange(len(segments)), own]
    elsewhere = voxels.sum(0)[own] - held
    size = np.bincount(places, judged.case.graph.sizes)
    share = total / np.maximum(1, size)
    return (
        total - held >= SHARE * np.maximum(total, 1),
        elsewhere >= SHARE * np.maximum(total, 1),
        share * (share > KNOWN),
    )


def kind_of(place: str) -> str:
    """Volumes of one kind are never fitted and tested on together."""
    return "drawn" if place.startswith("drawn") else place.split()[0]


@cache
def read_cases(work: Path, places: tuple[str, ...]) -> list[Judged]:
    """The kept cases of these places."""
    cases = [read_case(path) for path in sorted(work.glob("*.npz"))]
    return [judge(case) for case in cases if case.place in places]
