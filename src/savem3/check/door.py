"""The check that every command runs at its door: sections, contrast, voxel size, in one cheap pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from savem3.check.bridge import LONGEST_BRIDGE, gaps_of
from savem3.check.contrast import CLEAR, darkness_of_lines
from savem3.check.finding import KINDS, Finding, lost_sections
from savem3.check.judge import judge, limits_for
from savem3.check.measures import measure
from savem3.check.sampling import AT_A_GLANCE, Sampling, choose_tiles
from savem3.check.spacing import doubtful_axes, edges_by_likeness
from savem3.grid import Grid
from savem3.store import Progress
from savem3.volume import Image

USUAL_EDGES = (1.0, 500.0)
"""Voxel edges in nm that volumes for neurons have."""

NAMED = 12
"""Sections that a warning names at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """What a check found.

    Parameters
    ----------
    findings
        What is wrong with which section.
    lost
        Which sections should not be believed (`bridge`).
    warnings
        Everything that a user should know, a sentence each, with the cure; but for bright membranes, whose cure
        depends on what the user has said of them.
    inverted
        Whether membranes are bright; ``None`` where that cannot be told.
    sampling
        Where each section was looked at.
    """

    findings: tuple[Finding, ...]
    lost: Bool[np.ndarray, " z"]
    warnings: tuple[str, ...]
    inverted: bool | None
    sampling: Sampling


def check_image(image: Image, *, full: bool = False, progress: Progress | None = None) -> Checked:
    """Look for what makes neurons come out wrong, before any heavy work.

    At most 2²⁶ voxels are read (or one tile of 64 × 64 of each section, if those are more), and three million more for
    contrast and voxel size; sections that are not read as a whole are seen through the same tiles.

    Parameters
    ----------
    image
        May be lazy.
    full
        Whether up to 16 tiles of 256 × 256 of every section are read, however many sections there are.
    progress
        Told of the sections done.
    """
    sampling = choose_tiles(image.grid.shape, budget=None if full else AT_A_GLANCE)
    measures = measure(image, sampling, progress=progress)
    sections = image.grid.shape[0]
    if (measures.flat == 1).all():
        empty = "the volume must show tissue, got one grey value everywhere: all labels will be 0"
        return Checked((), np.zeros(sections, np.bool_), (empty, *_of_grid(image.grid)), None, sampling)
    findings = tuple(judge(measures, limits=limits_for(image.grid)))
    lost = lost_sections(findings, sections=sections)
    darkness = darkness_of_lines(image)
    inverted = None if abs(darkness) < CLEAR else darkness < 0
    warnings = (*_of_grid(image.grid), *_of_spacing(image), *_of_sections(findings, lost))
    return Checked(findings, lost, warnings, inverted, sampling)


def _of_grid(grid: Grid) -> list[str]:
    """Sizes that no volume of tissue should have."""
    said = []
    odd = [edge for edge in grid.voxel_size if not USUAL_EDGES[0] <= edge <= USUAL_EDGES[1]]
    if odd:
        low, high = USUAL_EDGES
        said.append(
            f"voxel edges should lie between {low:g} and {high:g} nm, got {_edges(grid.voxel_size)}: "
            "pass --voxel-size Z,Y,X in nm"
        )
    return said


def _of_spacing(image: Image) -> list[str]:
    """Declared voxel edges that the tissue does not bear out."""
    edges = edges_by_likeness(image)
    doubtful = doubtful_axes(edges, image.grid.voxel_size) if edges is not None else {}
    if edges is None or not doubtful:
        return []
    return [
        f"voxel edges (z, y, x) are declared as {_edges(image.grid.voxel_size)}, but the tissue looks like "
        f"{_edges(edges)}: see whether axes are swapped ({', '.join(doubtful)} disagree by more than 2×), "
        "or pass --voxel-size Z,Y,X in nm"
    ]


def _of_sections(findings: tuple[Finding, ...], lost: Bool[np.ndarray, " z"]) -> list[str]:
    """One sentence for each kind of finding, and what happens to lost sections."""
    said = []
    for kind, count in Counter(finding.kind for finding in findings).items():
        numbers = [finding.section for finding in findings if finding.kind == kind]
        listed = ", ".join(map(str, numbers[:NAMED])) + (", …" if count > NAMED else "")
        said.append(f"{count} of {len(lost)} sections: each {KINDS[kind].sentence} ({kind}: {listed}){_fate(kind)}")
    for gap in gaps_of(lost):
        said.append(
            f"sections {gap.start} to {gap.stop - 1} are lost in a row, more than the {LONGEST_BRIDGE} that are "
            "bridged: no neuron is followed across them"
        )
    return said


def _fate(kind: str) -> str:
    return "; its neighbours can stand in for it" if KINDS[kind].is_lost else ""


def _edges(edges: tuple[float, float, float]) -> str:
    return " × ".join(f"{edge:.3g}" for edge in edges) + " nm"
