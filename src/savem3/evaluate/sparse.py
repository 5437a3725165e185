"""Truth of which only a part is known or counts: some sections, some bodies, nothing near a border."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import UInt64
from numpy.typing import NDArray
from scipy import ndimage

from savem3.grid import Box, Nanometres, Shape
from savem3.volume import Labels, VoxelArray

CREMI_NM = 25.0
"""How near to a border CREMI leaves voxels out, nm."""


def keep_sections(truth: Labels, sections: Iterable[int]) -> Labels:
    """The truth with all sections unknown but these, counted from its first; they alone are read.

    Raises
    ------
    ValueError
        If one of them is not there, or there are none.
    """
    kept = tuple(sorted(set(sections)))
    if not kept or not 0 <= kept[0] <= kept[-1] < truth.grid.shape[0]:
        raise ValueError(f"sections must lie in 0 to {truth.grid.shape[0] - 1}, got {kept or 'none'}")
    return replace(truth, voxels=_Sections(truth.voxels, frozenset(kept)))


def keep_bodies(truth: Labels, bodies: Iterable[int]) -> Labels:
    """The truth with all bodies unknown but these.

    What it can say: how the segmentation splits these bodies, and merges among them. What it cannot: that one of them
    is merged with tissue beside them, since that is unknown; so an error by merges is the least that there may be.
    """
    return replace(truth, voxels=_Bodies(truth.voxels, np.array(sorted(set(bodies)), np.uint64)))


def clear_borders(truth: Labels, *, within_nm: float = CREMI_NM) -> Labels:
    """The truth with what lies near a border between two bodies of a section unknown.

    A pixel is at a border if one of its four neighbours in the section carries another label, 0 included. Pixels
    within ``within_nm`` of one, centre to centre, are cleared, borders themselves too.

    Parameters
    ----------
    truth
        Read section by section, with as much around a box as matters, so the blocks do not show.
    within_nm
        Distance in the section, nm; not below 0.

    Notes
    -----
    Source: CREMI's metrics leave out what lies within a threshold of a border of the truth in the same section, and
    its program takes a pixel for a border's where one of its 4 neighbours differs, and leaves out distances up to the
    threshold, that one too. 25 nm is what METHOD §8's score is used with; the program's argument is in pixels.
    """
    if not 0 <= within_nm < float("inf"):
        raise ValueError(f"within_nm must be a length of at least 0, got {within_nm}")
    return replace(truth, voxels=_Inner(truth.voxels, truth.grid.voxel_size, within_nm))


def inner(section: UInt64[np.ndarray, "y x"], voxel_size: Nanometres, within_nm: float) -> UInt64[np.ndarray, "y x"]:
    """One section with what lies near a border cleared."""
    border = np.zeros(section.shape, bool)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differ = section[before] != section[after]
        border[before] |= differ
        border[after] |= differ
    if not border.any():
        return section
    distance = ndimage.distance_transform_edt(~border, sampling=voxel_size[1:])
    return np.where(distance > within_nm, section, np.uint64(0))


@dataclass(frozen=True, slots=True)
class _Part:
    """Voxels of which a part is shown; the rest is 0."""

    voxels: VoxelArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.voxels.shape

    @property
    def dtype(self) -> Any:
        return self.voxels.dtype


@dataclass(frozen=True, slots=True)
class _Sections(_Part):
    kept: frozenset[int]

    def __getitem__(self, index: tuple[slice, slice, slice], /) -> NDArray[np.uint64]:
        box = _box(self.shape, index)
        found = np.zeros(box.shape, np.uint64)
        kept = np.array([z for z in range(box.start[0], box.stop[0]) if z in self.kept], np.int64)
        for run in np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1):
            if len(run):
                first, last = int(run[0]), int(run[-1]) + 1
                read = self.voxels[first:last, index[1], index[2]]
                found[first - box.start[0] : last - box.start[0]] = np.asarray(read)
        return found


@dataclass(frozen=True, slots=True)
class _Bodies(_Part):
    kept: NDArray[np.uint64]

    def __getitem__(self, index: tuple[slice, slice, slice], /) -> NDArray[np.uint64]:
        found = np.asarray(self.voxels[index])
        return np.where(np.isin(found, self.kept), found, np.uint64(0))


@dataclass(frozen=True, slots=True)
class _Inner(_Part):
    voxel_size: Nanometres
    within_nm: float

    def __getitem__(self, index: tuple[slice, slice, slice], /) -> NDArray[np.uint64]:
        box = _box(self.shape, index)
        y, x = (ceil(self.within_nm / size) + 1 for size in self.voxel_size[1:])
        outer = box.grow((0, y, x), within=_three(self.shape))
        read = np.asarray(self.voxels[outer.slices])
        cleared = np.stack([inner(section, self.voxel_size, self.within_nm) for section in read])
        return cleared[box.relative_to(outer).slices]


def _box(shape: tuple[int, ...], index: tuple[slice, slice, slice]) -> Box:
    """The box that slices of step 1 name."""
    ranges = [range(n)[part] for n, part in zip(shape, index, strict=True)]
    return Box(_three([r.start for r in ranges]), _three([max(r.start, r.stop) for r in ranges]))


def _three(numbers: Iterable[int]) -> Shape:
    z, y, x = numbers
    return z, y, x
