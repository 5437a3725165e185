"""Sections at another pixel: grey values linearly, labels and weights by the nearest pixel; z is untouched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from savem3.engine.section import Section
from savem3.grid import Grid

MOST = 16.0
"""Largest factor between pixels before and after."""


@dataclass(frozen=True, slots=True)
class Resample:
    """Bring pixels to a length along y and x.

    Parameters
    ----------
    nm
        The new pixel; 4 for a SAM, 8 for all else.

    Raises
    ------
    ValueError
        If it is not above 0.

    Notes
    -----
    Source: METHOD §3. Linear between the two nearest pixels along each axis: from 4 to 8 nm that is their mean, beyond
    a factor of 2 some pixels are passed over.
    """

    nm: float

    def __post_init__(self) -> None:
        if not 0 < self.nm < float("inf"):
            raise ValueError(f"nm must be above 0, got {self.nm}")

    def grid_of(self, grid: Grid) -> Grid:
        """As many new pixels as come nearest to the same extent."""
        z, *rest = grid.shape
        factors = [size / self.nm for size in grid.voxel_size[1:]]
        if not all(1 / MOST <= factor <= MOST for factor in factors):
            raise ValueError(
                f"nm must be within a factor of {MOST:g} of the pixels, got {self.nm} for {grid.voxel_size}"
            )
        y, x = (max(1, round(n * factor)) for n, factor in zip(rest, factors, strict=True))
        return Grid((z, y, x), (grid.voxel_size[0], self.nm, self.nm), grid.origin)

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section at the new pixel."""
        after = self.grid_of(grid)
        if after.shape == grid.shape and after.voxel_size == grid.voxel_size:
            return section
        places = [_places(after.shape[k], self.nm / grid.voxel_size[k]) for k in (1, 2)]
        rows, columns = (_nearest(p, n) for p, n in zip(places, grid.shape[1:], strict=True))
        labels, weight = (values[np.ix_(rows, columns)] for values in (section.labels, section.weight))
        return Section(section.z, _linear(section.grey, *places), labels, weight)


def _places(size: int, step: float) -> Float64[np.ndarray, " new"]:
    """Where the middles of new pixels lie, in old pixels from the first one's edge."""
    return (np.arange(size) + 0.5) * step


def _nearest(places: Float64[np.ndarray, " new"], size: int) -> Int64[np.ndarray, " new"]:
    return np.minimum(np.floor(places).astype(np.int64), size - 1)


def _linear(
    grey: UInt8[np.ndarray, "y x"], y: Float64[np.ndarray, " row"], x: Float64[np.ndarray, " column"]
) -> UInt8[np.ndarray, "row column"]:
    """Between the middles of pixels; what lies beyond the outermost ones is as they are; halves are rounded up."""
    values = grey.astype(np.float64)
    for axis, places in enumerate((y, x)):
        at = np.clip(places - 0.5, 0, values.shape[axis] - 1)
        low = np.minimum(np.floor(at).astype(np.int64), max(0, values.shape[axis] - 2))
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = (at - low)[:, None] if axis == 0 else (at - low)[None]
        values = np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
    return np.floor(values + 0.5).astype(np.uint8)
