"""A quality report of labels that no truth exists for: a page, its numbers, and the list of places to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from savem3.quality import (
    Place,
    crossing_places,
    ending_places,
    rank,
    seam_places,
    section_places,
    shape_places,
)
from savem3.request import Machine, Source
from savem3.runs.calibrated import doubts_of, with_chances
from savem3.runs.evidence import Evidence, gather
from savem3.runs.held import held_chapter, hold_against
from savem3.runs.judged import Judged, open_judged
from savem3.runs.output import refuse_existing
from savem3.runs.quality_chapters import (
    branches_chapter,
    continuity_chapter,
    coverage_chapter,
    seams_chapter,
    sections_chapter,
    shapes_chapter,
    steadiness_chapter,
    teacher_chapter,
)
from savem3.runs.quality_files import write_report
from savem3.store import completed
from savem3.view.quality_page import Chapter
from savem3.watch import Watch

LISTED = 2000
"""Places that the table holds at most."""


def run_quality(
    path: str,
    out: Path | None,
    *,
    raw: str | None,
    source: Source,
    truth: str | None,
    block: tuple[int, int, int] | None,
    stability: bool,
    machine: Machine,
    overwrite: bool,
    watch: Watch,
) -> None:
    """Write ``quality.html``, ``quality.json``, ``places.csv``, ``places.json`` and ``annotations`` into a folder.

    Parameters
    ----------
    path
        A finished run directory, or labels of any tool.
    out
        The folder; ``quality`` in the run directory by default.
    raw
        The raw volume; a run knows its own.
    source
        How volumes are read.
    truth
        Labels to tell how well the report held; nothing of it enters the report's own numbers.
    block
        The blocks that another tool worked in, to look for their seams.
    stability
        Whether the middle is computed again, differently seen.
    machine, overwrite, watch
        Who computes, whether an older report is replaced, and who is told.

    Raises
    ------
    ValueError
        If the run is not finished, or there is no folder to write to.
    """
    if out is None:
        if not (Path(path) / "run.json").is_file():
            raise ValueError(f"--out must be given for labels that are no run directory, got '{path}'")
        out = Path(path) / "quality"
    refuse_existing(out, overwrite=overwrite)
    judged = open_judged(path, raw=raw, source=source)
    evidence = gather(judged, block=block, stability=stability, machine=machine, watch=watch)
    with watch.stage("places"):
        doubts, calibration = doubts_of(judged, workers=machine.workers)
        found = [*with_chances(places_of(evidence), calibration.bodies), *doubts]
        places = rank(_moved(place, judged) for place in found)[:LISTED]
    chapters = [*calibration.chapters, *chapters_of(evidence, places)]
    held = None
    if truth is not None:
        with watch.stage("truth"):
            held = hold_against(judged, source.open_labels(truth), places)
        chapters.insert(0, held_chapter(held))
    with watch.stage("report"), completed(out, overwrite=overwrite) as folder:
        folder.mkdir(parents=True)
        write_report(folder, judged, evidence, places, chapters, calibration, held)
    watch.say(f"{len(places)} places to look at, in {out / 'quality.html'}", places=len(places), out=str(out))


def places_of(evidence: Evidence) -> list[Place]:
    """All places that the labels themselves give, in voxels of the box that is looked at."""
    census = evidence.census
    return [
        *shape_places(census, evidence.traces[0]),
        *ending_places(evidence.branches, census.ids, census.voxels),
        *crossing_places(evidence.branches),
        *seam_places(evidence.profile, evidence.seams),
        *section_places(evidence.continuity, evidence.profile.shape),
    ]


def chapters_of(evidence: Evidence, places: Sequence[Place]) -> list[Chapter]:
    """The evidence in words."""
    too_many = sum(place.kind == "endings" for place in places)
    return [
        shapes_chapter(evidence.census),
        branches_chapter(evidence.branches, too_many),
        steadiness_chapter(evidence.shaken, evidence.shaken_voxels, evidence.skipped.get("stability", "")),
        continuity_chapter(evidence.continuity),
        seams_chapter(evidence.profile, evidence.seams),
        sections_chapter(evidence.findings),
        coverage_chapter(evidence.profile),
        teacher_chapter(evidence.disagreement, evidence.skipped.get("teacher", "")),
    ]


def _moved(place: Place, judged: Judged) -> Place:
    """The same place, counted from the start of the whole volume."""
    z, y, x = (a + first for a, first in zip(place.at, judged.box.start, strict=True))
    return replace(place, at=(z, y, x))
