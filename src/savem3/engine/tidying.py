"""Borders of labels made clean, section by section: eroded; without slivers, specks and holes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cc3d
import numpy as np
from jaxtyping import Bool, UInt32, UInt64

from savem3.engine.section import Section
from savem3.grid import Grid

Labels2D = UInt64[np.ndarray, "y x"]


@dataclass(frozen=True, slots=True)
class Erode:
    """Labels lose their outermost pixels to the background; one pixel at a time, across the four sides of pixels.

    Parameters
    ----------
    pixels
        How many times. The section's edge is no border.

    Raises
    ------
    ValueError
        If it is not above 0.
    """

    pixels: int

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise ValueError(f"pixels must be at least 1, got {self.pixels}")

    def grid_of(self, grid: Grid) -> Grid:
        """The same one."""
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section with smaller labels."""
        labels = section.labels
        for _ in range(self.pixels):
            labels = np.where(_touches_other(labels), np.uint64(0), labels)
        return replace(section, labels=labels)


@dataclass(frozen=True, slots=True)
class Tidy:
    """Slivers and specks become background, then holes become what is around them.

    Parameters
    ----------
    thin
        What of a label lies in no square of so many pixels a side of it is a sliver; 1 finds none.
    speck
        A part of a label with fewer pixels is a speck.
    hole
        A part of the background with fewer pixels is a hole if one label alone surrounds it.

    Raises
    ------
    ValueError
        If a number is below 1.
    """

    thin: int = 1
    speck: int = 20
    hole: int = 64

    def __post_init__(self) -> None:
        if min(self.thin, self.speck, self.hole) < 1:
            raise ValueError(f"thin, speck and hole must be at least 1, got {self.thin}, {self.speck} and {self.hole}")

    def grid_of(self, grid: Grid) -> Grid:
        """The same one."""
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section with clean borders."""
        labels = np.where(_in_square(section.labels, self.thin), section.labels, np.uint64(0))
        return replace(section, labels=fill_holes(drop_specks(labels, self.speck), self.hole))


def drop_specks(labels: Labels2D, least: int) -> Labels2D:
    """Labels without their 4-connected parts of fewer pixels."""
    parts = _parts(labels)
    large = np.bincount(parts.ravel()) >= least
    return np.where(large[parts], labels, np.uint64(0))


def fill_holes(labels: Labels2D, below: int) -> Labels2D:
    """Labels with the 4-connected parts of the background filled that are smaller and that one label surrounds."""
    holes = _parts((labels == 0).astype(np.uint64))
    around = np.zeros((2, int(holes.max()) + 1), np.uint64)
    around[0] = np.iinfo(np.uint64).max
    for here, there in _neighbours():
        edge = (holes[here] > 0) & (labels[there] > 0)
        np.minimum.at(around[0], holes[here][edge], labels[there][edge])
        np.maximum.at(around[1], holes[here][edge], labels[there][edge])
    small = (np.bincount(holes.ravel()) < below) & (around[0] == around[1])
    small[0] = False
    for edge in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        small[edge] = False
    return np.where(small[holes], around[1][holes], labels)


def _touches_other(labels: Labels2D) -> Bool[np.ndarray, "y x"]:
    """Whether one of a pixel's four neighbours has another label."""
    touches = np.zeros(labels.shape, bool)
    for here, there in _neighbours():
        touches[here] |= labels[here] != labels[there]
    return touches


def _in_square(labels: Labels2D, edge: int) -> Bool[np.ndarray, "y x"]:
    """Whether a pixel lies in a square of its own label; squares reach over the section's edge."""
    if edge == 1:
        return np.ones(labels.shape, bool)
    framed = np.pad(labels, edge - 1, mode="edge")
    height, width = (n - edge + 1 for n in framed.shape)
    first = framed[:height, :width]
    whole = np.ones((height, width), bool)
    steps = [(y, x) for y in range(edge) for x in range(edge)]
    for y, x in steps:
        whole &= framed[y : y + height, x : x + width] == first
    covered = np.zeros(framed.shape, bool)
    for y, x in steps:
        covered[y : y + height, x : x + width] |= whole
    return covered[edge - 1 : edge - 1 + labels.shape[0], edge - 1 : edge - 1 + labels.shape[1]]


def _neighbours() -> tuple[tuple[tuple[slice, slice], tuple[slice, slice]], ...]:
    """Pixels, and for each the one on one of its sides."""
    every, low, high = slice(None), slice(None, -1), slice(1, None)
    pairs = (((low, every), (high, every)), ((every, low), (every, high)))
    return tuple(pair for here, there in pairs for pair in ((here, there), (there, here)))


def _parts(labels: Labels2D) -> UInt32[np.ndarray, "y x"]:
    return np.asarray(cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32))
