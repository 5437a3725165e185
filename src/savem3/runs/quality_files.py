"""The files of a quality report: the page, its numbers, the list as a table and as Neuroglancer's annotations."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from savem3 import __version__
from savem3.quality import KINDS, Place
from savem3.runs.calibrated import Calibrated
from savem3.runs.evidence import Evidence
from savem3.runs.judged import Judged
from savem3.runs.quality_chapters import least_kept
from savem3.view.annotations import Point, state_of_points, write_annotations
from savem3.view.close_up import close_up
from savem3.view.layers import data_uri, encode_webp
from savem3.view.quality_page import Chapter, Listed, QualityFacts, quality_page

ON_PAGE = 40
"""Places that the page lists."""

PICTURED = 12
"""Places that the page shows."""

POINTS, IN_VIEW = 500, 100
"""Places that become annotations in a folder, and in the state that `savem3 view` shows."""


def write_report(
    folder: Path,
    judged: Judged,
    evidence: Evidence,
    places: Sequence[Place],
    chapters: Sequence[Chapter],
    calibration: Calibrated,
    held: Mapping[str, Any] | None,
) -> None:
    """All files of a report."""
    grid = judged.whole
    points = [Point(place.at, place.kind, place.labels, place.probability, place.impact, place.why) for place in places]
    write_places(places, folder / "places.csv", voxel_size=grid.voxel_size)
    write_annotations(points[:POINTS], folder / "annotations", grid=grid, kinds=KINDS)
    (folder / "places.json").write_text(json.dumps(state_of_points(points[:IN_VIEW], grid=grid)), encoding="utf-8")
    facts = _facts(judged, evidence, places, chapters, calibration)
    (folder / "quality.html").write_text(quality_page(facts), encoding="utf-8", errors="backslashreplace")
    record = {
        "savem3": __version__,
        "of": judged.name,
        "box": [list(judged.box.start), list(judged.box.stop)],
        "run": judged.record.get("identity"),
        "calibrated": calibration.is_there,
        **calibration.facts,
        "places": {kind: sum(place.kind == kind for place in places) for kind in KINDS},
        "numbers": _numbers(evidence),
        "held": held,
    }
    (folder / "quality.json").write_text(json.dumps(_plain(record), indent=1) + "\n", encoding="utf-8")


def write_places(places: Sequence[Place], path: Path, *, voxel_size: tuple[float, float, float]) -> None:
    """The list as CSV, first things first; where nothing is known, nothing is written."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        columns = ("kind", "z", "y", "x", "z_nm", "y_nm", "x_nm", "labels", "probability", "impact_voxels", "why")
        rows.writerow(("rank", *columns))
        for number, place in enumerate(places, start=1):
            nm = (round(a * s, 1) for a, s in zip(place.at, voxel_size, strict=True))
            at = (round(a, 1) for a in place.at)
            chance = "" if math.isnan(place.probability) else round(place.probability, 4)
            labels = " ".join(str(label) for label in place.labels)
            rows.writerow((number, place.kind, *at, *nm, labels, chance, round(place.impact), place.why))


def _facts(
    judged: Judged,
    evidence: Evidence,
    places: Sequence[Place],
    chapters: Sequence[Chapter],
    calibration: Calibrated,
) -> QualityFacts:
    """All that the page says."""
    grid, labels, census = judged.whole, judged.labels, evidence.census
    size = " × ".join(f"{edge:.3g}" for edge in grid.size_um)
    tiles = {
        **calibration.tiles,
        "places to look at": f"{len(places):,}",
        "bodies": f"{len(census.ids):,}",
        "labelled": f"{evidence.profile.labelled.sum() / labels.grid.voxels:.1%}",
        "chapters that ask for a look": str(sum(chapter.verdict == "look" for chapter in chapters)),
    }
    return QualityFacts(
        f"How far to trust {judged.name}",
        f"{' × '.join(map(str, grid.shape))} voxels of {' × '.join(f'{e:g}' for e in grid.voxel_size)} nm, {size} µm "
        "(z, y, x). Nothing on this page was measured against a truth, unless a chapter says so.",
        tiles,
        [_listed(place, judged, pictured=i < PICTURED) for i, place in enumerate(places[:ON_PAGE])],
        max(0, len(places) - ON_PAGE),
        chapters,
        _done(judged),
        _warnings(judged, calibration),
    )


def _listed(place: Place, judged: Judged, *, pictured: bool) -> Listed:
    picture = ""
    if pictured:
        drawn = close_up(judged.within(place.at), place.labels, labels=judged.labels, image=judged.image)
        picture = data_uri(encode_webp(drawn, lossless=False))
    return Listed(
        place.kind,
        place.why,
        ", ".join(f"{a:.0f}" for a in place.at),
        " and ".join(str(label) for label in place.labels),
        "" if math.isnan(place.probability) else f"{place.probability:.0%}",
        f"{place.impact:,.0f}",
        picture,
    )


def _done(judged: Judged) -> dict[str, str]:
    """What was looked at and how."""
    first, stop = (", ".join(map(str, corner)) for corner in (judged.box.start, judged.box.stop))
    part = "all of it" if judged.is_whole else f"the middle, from z, y, x = {first} to {stop}"
    axes = "z, y and x" if judged.labels.grid.is_isotropic else "z"
    return {
        "labels": judged.name,
        "looked at": part,
        "sections followed along": axes,
        "raw volume": "there" if judged.image is not None else "not there",
        "version": f"savem3 {__version__}",
    }


def _warnings(judged: Judged, calibration: Calibrated) -> list[str]:
    said = []
    if not calibration.is_there:
        said.append(
            "Chances are not calibrated here: the list is ordered by the voxels that hang on each place, and does not "
            "say how likely an error is."
        )
    elif not judged.labels.grid.is_isotropic:
        said.append("Chances and the estimate were fitted on isotropic volumes: of this one they may be far off.")
    if not judged.is_whole:
        said.append("Only the middle of the volume was looked at.")
    if judged.graph is None:
        said.append("There is no region graph: no decision of the cut can be doubted, only shapes.")
    return said


def _numbers(evidence: Evidence) -> dict[str, Any]:
    """What was measured, as plain numbers."""
    shaken = None
    if evidence.shaken is not None:
        shaken = {look.name: {"split": look.split, "merge": look.merge} for look in evidence.shaken}
    return {
        "coverage": evidence.profile.coverage.tolist(),
        "membrane": (evidence.profile.membrane / math.prod(evidence.profile.shape[1:])).tolist(),
        "walled": evidence.profile.walled,
        "bodies": len(evidence.census.ids),
        "orphans": int((~evidence.census.touched.any(1)).sum()),
        "endings": len(evidence.branches.endings),
        "crossings": len(evidence.branches.crossings),
        "continuity": evidence.continuity.iou.tolist(),
        "seams": [asdict(seam) for seam in evidence.seams],
        "sections": evidence.findings,
        "stability": shaken,
        "least_kept": None if evidence.shaken is None else least_kept(evidence.shaken),
        "teacher": None if evidence.disagreement is None else asdict(evidence.disagreement),
    }


def _plain(value: Any) -> Any:
    """The same for JSON, which has no nan."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
