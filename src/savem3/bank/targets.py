"""What a network learns from labels: where membranes are, and how far from them a voxel is.

Section 4 of the method, choices 5 and 6. Lengths are in nm and hold for any grid.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import fastremap
import numpy as np
from bioimage_cpp.distance import distance_transform
from jaxtyping import Bool, Float32, Int, UInt64
from numpy.typing import NDArray

from savem3.grid import Nanometres, Shape
from savem3.volume import DISTANCE_CUT_NM, BoundaryMap, DistanceMap, Labels

WIDTH_NM = 28.0
"""Width of a membrane target, nm."""


FRAGMENT_VOXELS = 100
"""Annotated bodies of fewer voxels are slips of the annotation, not cells (292 of the 525 bodies of FIB-25)."""


def boundary_target(
    labels: Labels,
    *,
    sectionwise: bool,
    width_nm: float = WIDTH_NM,
    fragment_voxels: int = FRAGMENT_VOXELS,
) -> BoundaryMap:
    """Membranes between labels: 255 on voxels near a border between two cells or in the gap between them, else 0.

    Fragments are first given to the label around them (the nearest), so that they make no membranes. Background is
    membrane up to half the width from a cell; what lies deeper in it is not. Where two cells touch, or only a
    thinner gap lies between them, the membrane is widened on both sides.

    Parameters
    ----------
    labels
        Cells; 0 is background.
    sectionwise
        Whether sections are looked at one by one (ssTEM), or borders count in every direction (isotropic volumes).
    width_nm
        Width of a membrane, nm. A flat border along an axis gets the even number of voxels that fits into it.
    fragment_voxels
        Labels of fewer voxels in the whole volume are fragments.

    Raises
    ------
    ValueError
        If ``width_nm`` is not above 0.

    Notes
    -----
    Source: the paper trains on boundaries of the instances and names no width; 24–32 nm is our choice, as wide as
    two membranes and the cleft between them look.
    """
    if not width_nm > 0:
        raise ValueError(f"width_nm must be above 0, got {width_nm}")
    sampling = labels.grid.voxel_size
    cells = fill_fragments(
        labels.read(labels.grid.box),
        fragment_voxels,
        sampling=sampling,
        sectionwise=sectionwise,
    )
    grown = _grow(cells, width_nm / 2, sampling=sampling, sectionwise=sectionwise)
    border = contacts(Labels(grown, labels.grid), sectionwise=sectionwise, width_nm=width_nm)
    border |= (cells == 0) & (grown > 0)
    return BoundaryMap(np.where(border, np.uint8(255), np.uint8(0)), labels.grid)


def distance_target(boundary: BoundaryMap, *, sectionwise: bool, cut_nm: float = DISTANCE_CUT_NM) -> DistanceMap:
    """Distance of every voxel to the nearest boundary voxel, nm, at most ``cut_nm``.

    Parameters
    ----------
    boundary
        Membranes; voxels of at least 128 count.
    sectionwise
        Whether the nearest boundary is looked for within the section.
    cut_nm
        Largest distance that is told apart, nm.

    Notes
    -----
    Source: the paper regresses a distance transform and gives no range; truncation at 64 nm is our choice.
    """
    inside = boundary.read(boundary.grid.box) < 128
    distance = np.full(inside.shape, cut_nm, np.float32)
    for part in _parts(inside.shape, sectionwise):
        if not inside[part].all():
            found = distance_transform(inside[part], sampling=boundary.grid.voxel_size)
            distance[part] = np.minimum(found, cut_nm)
    return DistanceMap(distance, boundary.grid)


def contacts(labels: Labels, *, sectionwise: bool, width_nm: float = WIDTH_NM) -> Bool[np.ndarray, "z y x"]:
    """Whether a voxel's centre is within half of ``width_nm`` of a voxel face where two cells touch.

    Parameters
    ----------
    labels
        Cells; 0 is background and touches nothing.
    sectionwise
        Whether only cells of one section touch.
    width_nm
        Width of the contact, nm.
    """
    voxels = labels.read(labels.grid.box)
    near = np.zeros(voxels.shape, bool)
    for axis in (1, 2) if sectionwise else (0, 1, 2):
        low, high = (
            _along(voxels, axis, slice(None, -1)),
            _along(voxels, axis, slice(1, None)),
        )
        faces = (low != high) & (low > 0) & (high > 0)
        for offset in _offsets(
            axis,
            width_nm / 2,
            voxel_size=labels.grid.voxel_size,
            sectionwise=sectionwise,
        ):
            _mark(near, faces, offset)
    return near


def drop_fragments(
    labels: UInt64[np.ndarray, "z y x"], fragment_voxels: int = FRAGMENT_VOXELS
) -> UInt64[np.ndarray, "z y x"]:
    """The labels with those of fewer than ``fragment_voxels`` voxels set to background."""
    return np.where(_is_fragment(labels, fragment_voxels), np.uint64(0), labels)


def _is_fragment(labels: UInt64[np.ndarray, "z y x"], fragment_voxels: int) -> Bool[np.ndarray, "z y x"]:
    """Whether a voxel's label has fewer voxels than a cell should."""
    names, counts = fastremap.unique(labels, return_counts=True)
    return np.isin(labels, names[(counts < fragment_voxels) & (names > 0)])


def fill_fragments(
    labels: UInt64[np.ndarray, "z y x"],
    fragment_voxels: int,
    *,
    sampling: Nanometres,
    sectionwise: bool,
) -> UInt64[np.ndarray, "z y x"]:
    """Labels whose fragments took the nearest label that is none; a part that holds only fragments stays."""
    fragment = _is_fragment(labels, fragment_voxels)
    filled = labels.copy()
    for part in _parts(labels.shape, sectionwise):
        if fragment[part].any() and not fragment[part].all():
            nearest = _nearest(~fragment[part], sampling)[1]
            filled[part] = labels[part][tuple(nearest)]
    return filled


def _grow(
    labels: UInt64[np.ndarray, "z y x"],
    reach_nm: float,
    *,
    sampling: Nanometres,
    sectionwise: bool,
) -> UInt64[np.ndarray, "z y x"]:
    """Labels grown into the background by ``reach_nm``, each background voxel to its nearest cell."""
    grown = labels.copy()
    for part in _parts(labels.shape, sectionwise):
        cell = labels[part] > 0
        if cell.any() and not cell.all():
            distance, nearest = _nearest(cell, sampling)
            grown[part] = np.where(distance <= reach_nm, labels[part][tuple(nearest)], np.uint64(0))
    return grown


def _nearest(
    known: Bool[np.ndarray, "z y x"], sampling: Nanometres
) -> tuple[Float32[np.ndarray, "z y x"], Int[np.ndarray, "3 z y x"]]:
    """Distance in nm to, and index of, the nearest known voxel."""
    distance, nearest = distance_transform(~known, sampling=sampling, return_indices=True)
    return distance, nearest


def _parts(shape: tuple[int, ...], sectionwise: bool) -> list[slice]:
    """What is looked at on its own: every section, or the whole volume."""
    return [slice(z, z + 1) for z in range(shape[0])] if sectionwise else [slice(0, shape[0])]


def _along(voxels: NDArray[Any], axis: int, part: slice) -> NDArray[Any]:
    """A part of an array along one axis."""
    return voxels[(slice(None),) * axis + (part,)]


def _offsets(axis: int, reach_nm: float, *, voxel_size: Nanometres, sectionwise: bool) -> list[Shape]:
    """Steps from the voxel below a face along ``axis`` to the voxels whose centres lie within reach of the face."""
    reach = [0 if sectionwise and k == 0 else int(reach_nm // s) + 1 for k, s in enumerate(voxel_size)]
    steps = []
    for z, y, x in product(*(range(-r, r + 1) for r in reach)):
        away = [float(z), float(y), float(x)]
        away[axis] -= 0.5
        if sum((a * s) ** 2 for a, s in zip(away, voxel_size, strict=True)) <= reach_nm**2:
            steps.append((z, y, x))
    return steps


def _mark(
    near: Bool[np.ndarray, "z y x"],
    faces: Bool[np.ndarray, "depth height width"],
    offset: Shape,
) -> None:
    """Set the voxels of ``near`` that lie at ``offset`` from a face, where they are inside."""
    to, source = [], []
    for step, n, m in zip(offset, near.shape, faces.shape, strict=True):
        to.append(slice(max(0, step), max(0, min(n, m + step))))
        source.append(slice(max(0, -step), max(0, min(m, n - step))))
    near[tuple(to)] |= faces[tuple(source)]
