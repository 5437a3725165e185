"""What calibrated probabilities say of a run: its least sure decisions, its bodies, and an estimate of VoI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import UInt64

from savem3.graphcut import graph_in
from savem3.quality import Place, doubt_places, find_doubts, locate
from savem3.quality.bodies import Bodies, bodies
from savem3.quality.calibration import Calibration, read_calibration
from savem3.quality.confirming import OF_MERGE, OF_PIECE
from savem3.quality.edges import probabilities
from savem3.quality.estimate import Estimate, estimate_voi
from savem3.regions import RegionGraph
from savem3.runs.judged import Judged
from savem3.view.quality_page import Chapter, Row

COLUMNS = ("sizes", "edges", "count", "total", "minimum", "maximum", "costs", "margin")

NAMED = 5
"""Bodies that are named at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What is said beside the list.

    Parameters
    ----------
    chapters, tiles, facts
        For the page, its head, and the record.
    bodies
        The probabilities of each segment; absent where nothing is calibrated.
    """

    chapters: Sequence[Chapter] = ()
    tiles: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    bodies: Bodies | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything is calibrated."""
        return self.bodies is not None


def doubts_of(judged: Judged, *, workers: int) -> tuple[list[Place], Calibrated]:
    """The least sure decisions of a run's cut, in voxels of the box that is looked at, and what is calibrated."""
    if judged.graph is None or judged.fragments is None:
        return [], Calibrated()
    graph = graph_in(judged.graph, columns=COLUMNS)
    segment_of = np.asarray(judged.graph["clusters"][...]).astype(np.uint64)
    calibration = _calibration()
    chances = None if calibration is None else probabilities(calibration, graph, segment_of)
    doubts = find_doubts(graph, segment_of, chances)
    at = locate(judged.fragments, graph.edges[doubts.edge], workers=workers)
    places = doubt_places(doubts, np.nan_to_num(at))
    seen = [place for place, is_seen in zip(places, ~np.isnan(at[:, 0]), strict=True) if is_seen]
    return seen, Calibrated() if calibration is None else _said(calibration, graph, segment_of)


def with_chances(places: Iterable[Place], found: Bodies | None) -> list[Place]:
    """Places of bodies with their body's own chance to hold a merge, or to be a piece of another one."""
    if found is None:
        return list(places)
    rows = {int(segment): row for row, segment in enumerate(found.segments)}
    return [_with_chance(place, found, rows) for place in places]


def _with_chance(place: Place, found: Bodies, rows: Mapping[int, int]) -> Place:
    row = rows.get(place.labels[0]) if place.labels else None
    if row is None or place.kind not in (*OF_MERGE, *OF_PIECE) or not np.isnan(place.probability):
        return place
    chances = found.merge if place.kind in OF_MERGE else found.missing
    return replace(place, probability=float(chances[row]))


def _calibration() -> Calibration | None:
    """The shipped calibration, if there is one."""
    try:
        return read_calibration()
    except FileNotFoundError:
        return None


def _said(calibration: Calibration, graph: RegionGraph, segment_of: UInt64[np.ndarray, " node"]) -> Calibrated:
    """The estimate and the bodies, in words and numbers."""
    estimate = estimate_voi(calibration, graph, segment_of, graph.sizes)
    found = bodies(calibration, graph, segment_of)
    tiles = {f"VoI, bits: an estimate ({estimate.low:.2f} to {estimate.high:.2f})": f"≈ {estimate.voi:.2f}"}
    facts = {"estimate": asdict(estimate), "fitted_on": list(calibration.fitted_on)}
    return Calibrated([_chapter(estimate, found, calibration)], tiles, facts, found)


def _chapter(estimate: Estimate, found: Bodies, calibration: Calibration) -> Chapter:
    rows = [
        Row(
            "VoI, bits",
            f"{estimate.voi:.2f}",
            f"{estimate.low:.2f} to {estimate.high:.2f}, if this volume is like those",
        ),
        Row("of it split", f"{estimate.split:.2f}", "bodies cut into pieces"),
        Row("of it merge", f"{estimate.merge:.2f}", "bodies grown together"),
        *_likeliest("merge in body", found, found.merge),
        *_likeliest("missing of body", found, found.missing),
    ]
    says = (
        "Probabilities were fitted on volumes with truth, for runs of the shipped student: "
        f"{', '.join(calibration.fitted_on)}. They hold for volumes like those."
    )
    return Chapter("How many errors are to be expected?", says, "unknown", rows)


def _likeliest(name: str, found: Bodies, chances: np.ndarray[Any, np.dtype[np.float64]]) -> list[Row]:
    """The bodies of which most voxels are expected to be wrong."""
    order = np.lexsort((found.segments, -chances * found.voxels))[:NAMED]
    return [Row(f"{name} {found.segments[i]}", f"{chances[i]:.0%}", f"of {found.voxels[i]:,} voxels") for i in order]
