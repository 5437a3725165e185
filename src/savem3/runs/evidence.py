"""What a quality report measures of labels that no truth exists for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from savem3.check import check_image
from savem3.export import measure
from savem3.quality import (
    Branches,
    Census,
    Continuity,
    Profile,
    Seam,
    Trace,
    branches,
    continuity,
    find_seams,
    profile,
    trace,
)
from savem3.request import Machine
from savem3.runs.judged import Judged, block_planes, planes_of
from savem3.runs.steadiness import Disagreement, Shaken, disagree, shake
from savem3.shipped import read_student, read_teacher
from savem3.volume import Labels, intensity_of
from savem3.watch import Watch


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that was measured of labels."""

    profile: Profile
    traces: Sequence[Trace]
    census: Census
    continuity: Continuity
    branches: Branches
    seams: Sequence[Seam]
    findings: Sequence[Mapping[str, Any]] | None = None
    shaken: Sequence[Shaken] | None = None
    shaken_voxels: int = 0
    disagreement: Disagreement | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def gather(
    judged: Judged, *, block: tuple[int, int, int] | None, stability: bool, machine: Machine, watch: Watch
) -> Evidence:
    """Measure everything that can be measured."""
    labels, workers = judged.labels, machine.workers
    with watch.stage("coverage") as counter:
        seen = profile(labels, judged.boundary, workers=workers, progress=counter)
    with watch.stage("bodies") as counter:
        census = _census(labels, workers=workers, progress=counter)
    with watch.stage("sections") as counter:
        axes = (0, 1, 2) if labels.grid.is_isotropic else (0,)
        traces = [trace(labels, axis=axis, progress=counter) for axis in axes]
    settings = judged.settings(machine)
    grids = {**planes_of(judged, settings), **block_planes(judged, block)}
    found = Evidence(
        seen,
        traces,
        census,
        continuity(traces[0]),
        branches(traces, labels.grid.voxel_size),
        find_seams(seen, grids),
        findings=_findings(judged, watch=watch),
    )
    return _look_again(judged, found, stability=stability, machine=machine, watch=watch)


def _census(labels: Labels, *, workers: int, progress: Any) -> Census:
    found = measure(labels, workers=workers, progress=progress)
    bodies, contacts = found.bodies, found.contacts
    return Census(
        labels.grid,
        bodies.ids,
        bodies.voxels,
        bodies.lowest,
        bodies.highest,
        bodies.faces,
        contacts.pairs,
        contacts.faces,
    )


def _findings(judged: Judged, *, watch: Watch) -> Sequence[Mapping[str, Any]] | None:
    """What the run's own check found of sections, or a check now."""
    if "check" in judged.record:
        return list(judged.record["check"]["findings"])
    if judged.image is None:
        return None
    with watch.stage("check") as counter:
        return [asdict(finding) for finding in check_image(judged.image, progress=counter).findings]


def _look_again(judged: Judged, found: Evidence, *, stability: bool, machine: Machine, watch: Watch) -> Evidence:
    """Stability, and what the teacher says; where they cannot be had, why."""
    settings, image = judged.settings(machine), judged.image
    if settings is None or judged.folder is None or judged.boundary is None or image is None:
        why = "Needs a run directory of savem3 and its raw volume."
        return replace(found, skipped={"stability": why, "teacher": why})
    if not stability:
        why = "Left out, since --no-stability was given."
        return replace(found, skipped={"stability": why, "teacher": why})
    intensity = intensity_of(image)
    student, _ = read_student(str(judged.folder / "student.safetensors"))
    with watch.stage("stability") as counter:
        box, shaken = shake(image, judged.labels, student, intensity=intensity, settings=settings, progress=counter)
    found = replace(found, shaken=shaken, shaken_voxels=math.prod(box.shape))
    name = str((judged.record.get("choices") or {}).get("teacher") or "")
    try:
        teacher, _ = read_teacher(name)
    except (OSError, ValueError) as error:
        return replace(found, skipped={"teacher": f"The teacher '{name}' is not here: {error}"})
    with watch.stage("teacher") as counter:
        seen = disagree(image, judged.boundary, teacher, intensity=intensity, progress=counter)
    return replace(found, disagreement=seen)
