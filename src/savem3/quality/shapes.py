"""Sizes and shapes of bodies: which touch no face of the volume, lie within another one, or look like glia."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from savem3.grid import Grid
from savem3.quality.place import Place
from savem3.quality.robust import beyond_trend
from savem3.quality.tracing import Trace

ISLAND_UM3 = 0.001
"""Bodies below this volume are islands: counted, not listed one by one."""

ENCLOSED = 0.95
"""Share of a body's surface that must face one other body for it to lie within that one."""

SHEET = 3.0
"""Deviations of the surface, and of the number of neighbours, beyond the volume's own trend, from which a body looks
like glia."""

THREADLIKE = 0.05
"""Natural logarithm: differences of surface below this say nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """The bodies of a volume and their contacts, as they were measured.

    Parameters
    ----------
    grid
        Of the labels.
    ids
        Numbers of the bodies, ascending.
    voxels
        Of each.
    lowest, highest
        First and last index of each along z, y, x, the last one included.
    faces
        Voxel faces across z, y, x where each ends within the volume.
    pairs
        Numbers of each two bodies that touch.
    shared
        Voxel faces that they share across z, y, x.
    """

    grid: Grid
    ids: UInt64[np.ndarray, " body"]
    voxels: Int64[np.ndarray, " body"]
    lowest: Int64[np.ndarray, "body 3"]
    highest: Int64[np.ndarray, "body 3"]
    faces: Int64[np.ndarray, "body 3"]
    pairs: UInt64[np.ndarray, "pair 2"]
    shared: Int64[np.ndarray, "pair 3"]

    @property
    def volumes_um3(self) -> Float64[np.ndarray, " body"]:
        """Volume of each body."""
        return self.voxels * (np.prod(self.grid.voxel_size) / 1e9)

    @property
    def surfaces_um2(self) -> Float64[np.ndarray, " body"]:
        """Surface of each body within the volume."""
        return self.faces @ self._face_areas

    @property
    def areas_um2(self) -> Float64[np.ndarray, " pair"]:
        """Area of each contact."""
        return self.shared @ self._face_areas

    @property
    def touched(self) -> Bool[np.ndarray, "body 6"]:
        """Which faces of the volume each body touches: the first ones along z, y, x, then the last ones."""
        return np.concatenate([self.lowest == 0, self.highest == np.array(self.grid.shape) - 1], axis=1)

    @property
    def neighbours(self) -> Int64[np.ndarray, " body"]:
        """How many bodies each one touches."""
        return np.bincount(self.row_of(self.pairs).ravel(), minlength=len(self.ids)).astype(np.int64)

    def row_of(self, ids: UInt64[np.ndarray, "..."]) -> Int64[np.ndarray, "..."]:
        """Where bodies stand among all."""
        return np.searchsorted(self.ids, ids).astype(np.int64)

    @property
    def _face_areas(self) -> Float64[np.ndarray, "3"]:
        z, y, x = self.grid.voxel_size
        return np.array([y * x, z * x, z * y]) / 1e6


def is_island(census: Census) -> Bool[np.ndarray, " body"]:
    """Which bodies are too small to be listed."""
    return census.volumes_um3 < ISLAND_UM3


def enclosed_by(census: Census) -> UInt64[np.ndarray, " body"]:
    """The body that each one lies within; 0 where it lies within none."""
    rows = census.row_of(census.pairs)
    ends = np.concatenate([rows, rows[:, ::-1]])
    areas = np.concatenate([census.areas_um2, census.areas_um2])
    order = np.lexsort((census.ids[ends[:, 1]], areas, ends[:, 0]))
    ends, areas = ends[order], areas[order]
    last = np.flatnonzero(np.diff(ends[:, 0], append=-1)) if len(ends) else np.zeros(0, np.int64)
    around, most = np.zeros(len(census.ids), np.uint64), np.zeros(len(census.ids))
    around[ends[last, 0]], most[ends[last, 0]] = census.ids[ends[last, 1]], areas[last]
    within = ~census.touched.any(1) & (most >= ENCLOSED * census.surfaces_um2) & (most > 0)
    return np.where(within, around, np.uint64(0))


def sheetness(census: Census) -> Float64[np.ndarray, " body"]:
    """How far each body is beyond the others in surface and in neighbours for its volume: the lesser of both."""
    large = ~is_island(census)
    volume = np.log(census.volumes_um3[large])
    surface = np.log(np.maximum(census.surfaces_um2[large], 1e-9))
    near = np.log1p(census.neighbours[large])
    found = np.zeros(len(census.ids))
    found[large] = np.minimum(
        beyond_trend(volume, surface, floor=THREADLIKE), beyond_trend(volume, near, floor=2 * THREADLIKE)
    )
    return found


def shape_places(census: Census, trace: Trace) -> list[Place]:
    """Bodies that touch no face of the volume, lie within another one, or look like glia; islands are left out.

    Parameters
    ----------
    census
        Of the whole volume.
    trace
        Of the same labels: it says where a body is.
    """
    around, sheets = enclosed_by(census), sheetness(census)
    large, alone = ~is_island(census), np.asarray(~census.touched.any(axis=1))
    places = []
    for row in np.flatnonzero(large & np.logical_or(alone, sheets > SHEET)).tolist():
        body, voxels = int(census.ids[row]), float(census.voxels[row])
        at = trace.middle_of(body)
        if around[row]:
            why = f"lies within body {around[row]}"
            places.append(Place("inside", at, (body, int(around[row])), float("nan"), voxels, why))
        elif alone[row]:
            why = f"{census.volumes_um3[row]:.3g} µm³ that touch no face of the volume"
            places.append(Place("orphan", at, (body,), float("nan"), voxels, why))
        if sheets[row] > SHEET:
            why = f"surface and neighbours lie {sheets[row]:.1f} deviations above those of bodies of its volume"
            places.append(Place("glia", at, (body,), float("nan"), voxels, why))
    return places
