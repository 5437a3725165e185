"""Two volumes of labels on one grid: as they are, or what they have in common by where they lie."""

from __future__ import annotations

from dataclasses import dataclass

from savem3.grid import Box, Grid, Shape
from savem3.volume import Labels

SAME = 1e-3
"""Voxels by which positions, and shares by which voxel sizes, may differ and still be the same."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A segmentation and a truth of one shape.

    Parameters
    ----------
    segmentation, truth
        What can be compared voxel by voxel.
    told
        A sentence on what was made of them; absent if nothing had to be made.
    """

    segmentation: Labels
    truth: Labels
    told: str | None = None


def place(segmentation: Labels, truth: Labels) -> Placed:
    """What two volumes have in common.

    Volumes of one shape are compared voxel by voxel, unless both say where they lie (an origin other than 0) and that
    is a voxel or more apart. Then, and where shapes differ and one of them says where it lies, their overlap is
    compared.

    Raises
    ------
    ValueError
        If shapes differ and neither volume says where it lies; if voxels of an overlap are of different size or not
        on one grid; or if there is no overlap.
    """
    ours, theirs = segmentation.grid, truth.grid
    placed = [any(grid.origin) for grid in (ours, theirs)]
    if ours.shape == theirs.shape and (not all(placed) or _apart(ours, theirs) is None):
        return Placed(segmentation, truth, _size_told(ours, theirs))
    if not any(placed):
        raise ValueError(
            f"segmentation must have the shape of truth {theirs.shape}, got {ours.shape}; a crop is placed by its "
            "origin, but neither file carries one"
        )
    if not _same_size(ours, theirs):
        raise ValueError(
            f"segmentation must have the voxel size of truth {theirs.voxel_size} nm where shapes differ or origins "
            f"place them, got {ours.voxel_size} nm"
        )
    return _overlap(segmentation, truth, _apart(ours, theirs) or (0, 0, 0))


def _overlap(segmentation: Labels, truth: Labels, apart: Shape) -> Placed:
    """The overlap of two volumes, of which the truth begins ``apart`` voxels behind the segmentation."""
    ours, theirs = segmentation.grid, truth.grid
    a, b, c = (d + n for d, n in zip(apart, theirs.shape, strict=True))
    common = Box(apart, (a, b, c)).intersect(ours.box)
    if common is None:
        raise ValueError(f"segmentation must overlap with truth at {theirs.origin} nm, got an origin of {ours.origin}")
    told = (
        f"Compared is the overlap of {common.shape} voxels, placed by the origins {ours.origin} nm of the segmentation "
        f"({ours.shape} voxels) and {theirs.origin} nm of the truth ({theirs.shape} voxels)."
    )
    inside = common.relative_to(Box(apart, (a, b, c)))
    return Placed(segmentation.window(common), truth.window(inside), told)


def _apart(ours: Grid, theirs: Grid) -> Shape | None:
    """Voxels that the truth's first one lies behind the segmentation's; ``None`` where both are in one voxel."""
    steps = [(b - a) / size for a, b, size in zip(ours.origin, theirs.origin, ours.voxel_size, strict=True)]
    if all(abs(step) < 1 - SAME for step in steps):
        return None
    whole = [round(step) for step in steps]
    if any(abs(step - n) > SAME for step, n in zip(steps, whole, strict=True)):
        raise ValueError(
            f"origins must lie whole voxels of {ours.voxel_size} nm apart, got {ours.origin} and {theirs.origin} nm"
        )
    return whole[0], whole[1], whole[2]


def _same_size(ours: Grid, theirs: Grid) -> bool:
    return all(abs(a / b - 1) <= SAME for a, b in zip(ours.voxel_size, theirs.voxel_size, strict=True))


def _size_told(ours: Grid, theirs: Grid) -> str | None:
    if _same_size(ours, theirs):
        return None
    return (
        f"Compared voxel by voxel, although the segmentation says voxels of {ours.voxel_size} nm and the truth of "
        f"{theirs.voxel_size} nm."
    )
