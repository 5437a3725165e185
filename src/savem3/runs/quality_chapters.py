"""A quality report in words: each question, its answer, the numbers, and from where on something counts as found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from savem3.quality import (
    ARM_NM,
    DROPPED,
    ENCLOSED,
    ISLAND_UM3,
    KEPT,
    NEAR_NM,
    PILED_UP,
    SHEET,
    Branches,
    Census,
    Continuity,
    Profile,
    Seam,
    enclosed_by,
    is_island,
    sheetness,
)
from savem3.runs.steadiness import Disagreement, Shaken
from savem3.view.quality_page import Bars, Chapter, Curve, Row

AXES = "zyx"
NAMED = 8
"""Bodies or sections that are named at most."""

LEAST_VOXELS = 1000
"""Smaller parts of a box are not said to change: they do with anything."""


def sections_chapter(findings: Sequence[Mapping[str, object]] | None) -> Chapter:
    """What is wrong with single sections of the raw volume."""
    title = "Are all sections as they should be?"
    if findings is None:
        return Chapter(title, "There is no raw volume to look at.", "unknown")
    rows = [
        Row(
            f"section {found['section']}",
            str(found["kind"]),
            f"measured {found['value']:.3g}, limit {found['limit']:.3g}",
        )
        for found in findings[:NAMED]
    ]
    says = "No section of the raw volume stands out." if not findings else f"{len(findings)} sections stand out."
    return Chapter(title, says, "look" if findings else "fine", rows)


def coverage_chapter(profile: Profile) -> Chapter:
    """How much is labelled."""
    whole, voxels = profile.shape[1] * profile.shape[2], float(np.prod(profile.shape))
    least = int(profile.coverage.argmin())
    rows = [
        Row("labelled", f"{profile.labelled.sum() / voxels:.1%}", "of all voxels; the rest is background"),
        Row("membrane", f"{profile.membrane.sum() / voxels:.1%}", "of all voxels have a boundary value of 128 or more"),
        Row("walls", str(len(profile.walled)), "sections that no body crosses, where too much was lost to be bridged"),
        Row("least labelled section", f"{profile.labelled[least] / whole:.1%}", f"z = {least}"),
    ]
    says = f"{profile.labelled.sum() / voxels:.1%} of the voxels have a label."
    curve = Curve("labelled share", "by section", profile.coverage.tolist(), profile.walled)
    return Chapter("How much is labelled?", says, "look" if profile.walled else "fine", rows, [curve])


def shapes_chapter(census: Census) -> Chapter:
    """How many bodies there are, how large, and which stand out."""
    volumes, inner = census.volumes_um3, ~census.touched.any(1)
    islands, around, sheets = is_island(census), enclosed_by(census) != 0, sheetness(census) > SHEET
    alone = inner & ~islands
    in_islands = census.voxels[islands].sum() / max(1, census.voxels.sum())
    rows = [
        Row("bodies", f"{len(volumes):,}", f"the median has {np.median(volumes):.3g} µm³" if len(volumes) else ""),
        Row("islands", f"{islands.sum():,}", f"below {ISLAND_UM3:g} µm³: {in_islands:.2%} of what is labelled"),
        Row("orphans", f"{alone.sum():,}", "larger, yet they touch no face of the volume: neurites end in few places"),
        Row(
            "within others",
            f"{(around & ~islands).sum():,}",
            f"{ENCLOSED:.0%} or more of their surface faces one other body",
        ),
        Row("like glia", f"{sheets.sum():,}", f"surface and neighbours {SHEET:g} deviations beyond the volume's trend"),
        Row("touch all six faces", f"{census.touched.all(1).sum():,}", "large glia, or much merged into one body"),
        *_largest(census),
    ]
    suspects = int(alone.sum() + sheets.sum() + census.touched.all(1).sum())
    says = f"Bodies that touch no face of the volume: {alone.sum():,}. Bodies shaped like glia: {sheets.sum():,}."
    return Chapter(
        "Are sizes and shapes likely?", says, "look" if suspects else "fine", rows, (), [_by_volume(volumes)]
    )


def branches_chapter(found: Branches, listed: int) -> Chapter:
    """Endings and crossings."""
    rows = [
        Row("endings", f"{len(found.endings):,}", f"arms of {ARM_NM:g} nm or more that end within the volume"),
        Row("bodies with too many", f"{listed:,}", "for their volume"),
        Row("crossings", f"{len(found.crossings):,}", f"two arms of a body meet and part within {NEAR_NM:g} nm"),
    ]
    crossed = len(found.crossings)
    says = f"Crossings: {crossed:,}. Bodies with more endings than their volume explains: {listed:,}."
    return Chapter("Do bodies cross, or end too often?", says, "look" if crossed or listed else "fine", rows)


def continuity_chapter(found: Continuity) -> Chapter:
    """How labels go on from section to section."""
    worst = np.argsort(found.of_bodies, kind="stable")[:3]
    rows = [
        Row(
            "mean likeness",
            f"{found.iou.mean():.3f}" if len(found.iou) else "–",
            "of a section's labels and the next one's",
        ),
        Row("steps that stand out", str(len(found.dropped)), f"{DROPPED:g} deviations or more below those around"),
        Row(
            "least even bodies",
            ", ".join(str(body) for body in found.bodies[worst]),
            ", ".join(f"{iou:.2f}" for iou in found.of_bodies[worst]) + " over all their sections",
        ),
    ]
    named = ", ".join(f"{z} to {z + 1}" for z in found.dropped[:NAMED])
    says = f"Labels do not go on as around from section {named}." if named else "No step between sections stands out."
    meaning = "intersection over union of all bodies with themselves in the next section"
    curve = Curve("likeness of sections", meaning, found.iou.tolist(), found.dropped)
    return Chapter("Do labels go on from section to section?", says, "look" if named else "fine", rows, [curve])


def seams_chapter(profile: Profile, seams: Sequence[Seam]) -> Chapter:
    """Whether borders pile up on planes."""
    rows = [
        Row(
            f"{seam.name}, across {AXES[seam.axis]}",
            f"{seam.deviations:+.1f}",
            f"deviations, planes: {len(seam.planes)}; {seam.excess:+.2%} of the faces; "
            + ("alone" if np.isnan(seam.chance) else f"{seam.chance:.0%} of the shifted grids reach as far"),
        )
        for seam in seams
    ]
    found = [seam for seam in seams if seam.is_found]
    curves = [
        Curve(
            f"borders across {AXES[axis]}",
            "share of the faces behind each plane that part two bodies",
            profile.border_share(axis).tolist(),
            sorted({plane - 1 for seam in found if seam.axis == axis for plane in seam.planes}),
            high_is_bad=True,
        )
        for axis in range(3)
        if profile.shape[axis] > 2
    ]
    says = (
        "Borders pile up on " + ", ".join(sorted({f"{s.name} across {AXES[s.axis]}" for s in found})) + "."
        if found
        else f"On no grid do borders pile up: none is {PILED_UP:g} deviations beyond its neighbours and all its shifts."
    )
    return Chapter("Do borders follow the grid?", says, "look" if found else "fine", rows, curves)


def steadiness_chapter(shaken: Sequence[Shaken] | None, voxels: int, why_not: str) -> Chapter:
    """What changes when the same box is seen differently."""
    title = "Would the same tissue give the same labels again?"
    if shaken is None:
        return Chapter(title, why_not, "unknown")
    rows = [
        Row(
            look.name,
            f"{look.split + look.merge:.3f}",
            f"bits; {look.split:.3f} by cutting, {look.merge:.3f} by joining",
        )
        for look in shaken
    ]
    shaky = {body: share for body, share in least_kept(shaken).items() if share < KEPT}
    rows += [
        Row(f"body {body}", f"{share:.2f}", "of it in common with its best match in the worst look")
        for body, share in list(shaky.items())[:NAMED]
    ]
    mean = float(np.mean([look.split + look.merge for look in shaken]))
    says = (
        f"Seen {len(shaken)} times a little differently, the labels of the middle {voxels:,} voxels change "
        f"by {mean:.3f} bits (VoI) in the mean. Bodies that lose more than half: {len(shaky)}."
    )
    return Chapter(title, says, "look" if shaky else "fine", rows)


def least_kept(shaken: Sequence[Shaken]) -> dict[int, float]:
    """What each body of the volume keeps in the look in which it keeps least, the least first; islands are left out."""
    least: dict[int, float] = {}
    for look in shaken:
        large = look.voxels >= LEAST_VOXELS
        for body, kept in zip(look.bodies[large].tolist(), look.kept[large].tolist(), strict=True):
            least[body] = min(kept, least.get(body, 1.0))
    return dict(sorted(least.items(), key=lambda item: (item[1], item[0])))


def teacher_chapter(found: Disagreement | None, why_not: str) -> Chapter:
    """Where student and teacher differ."""
    title = "Does the teacher see the same membranes?"
    if found is None:
        return Chapter(title, why_not, "unknown")
    z, y, x, share = max(found.worst, key=lambda place: place[3])
    rows = [
        Row("mean difference", f"{np.mean(found.mean):.3f}", "of membrane probabilities, 0 to 1"),
        Row("worst section", f"{max(found.mean):.3f}", f"z = {found.sections[int(np.argmax(found.mean))]}"),
        Row("worst part", f"{share:.3f}", f"64 × 64 voxels around z, y, x = {z}, {y}, {x}"),
    ]
    says = f"Looked at in {len(found.sections)} sections; a difference is no error of either, but a place of doubt."
    return Chapter(title, says, "unknown", rows)


def _largest(census: Census) -> list[Row]:
    volumes = census.volumes_um3
    return [
        Row(
            f"body {census.ids[row]}",
            f"{volumes[row]:.3g} µm³",
            f"{census.surfaces_um2[row]:.3g} µm², {census.neighbours[row]} neighbours, "
            f"touches {census.touched[row].sum()} of 6 faces",
        )
        for row in np.lexsort((census.ids, -volumes))[:5]
    ]


def _by_volume(volumes: Float64[np.ndarray, " body"]) -> Bars:
    """Bodies by decade of volume."""
    powers = np.floor(np.log10(volumes)).astype(int) if len(volumes) else np.zeros(0, int)
    decades = range(int(powers.min()), int(powers.max()) + 1) if len(powers) else range(0)
    counts = [int((powers == power).sum()) for power in decades]
    return Bars("bodies by volume", "µm³, from this power of ten on", [f"{10.0**power:g}" for power in decades], counts)
