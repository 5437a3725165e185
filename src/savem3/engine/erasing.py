"""What is no cell becomes background, and what cannot be believed is not learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from savem3.engine.section import Section
from savem3.grid import Grid


@dataclass(frozen=True, slots=True)
class Clear:
    """Labels become background, such as myelin (AC3, AC4, AxonEM).

    Parameters
    ----------
    labels
        Which ones.
    """

    labels: tuple[int, ...]

    def grid_of(self, grid: Grid) -> Grid:
        """The same one."""
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section without them."""
        gone = np.isin(section.labels, np.array(self.labels, np.uint64))
        return replace(section, labels=np.where(gone, np.uint64(0), section.labels))


@dataclass(frozen=True, slots=True)
class HideLabels:
    """Nothing is learned from labels, such as glia (CREMI, FIB-25, HemiBrain, J0126): their weight becomes 0.

    Parameters
    ----------
    labels
        Which ones; they stay labels.
    """

    labels: tuple[int, ...]

    def grid_of(self, grid: Grid) -> Grid:
        """The same one."""
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section with weight 0 there."""
        hidden = np.isin(section.labels, np.array(self.labels, np.uint64))
        return replace(section, weight=np.where(hidden, np.uint8(0), section.weight))


@dataclass(frozen=True, slots=True)
class HideSections:
    """Nothing is learned from sections, such as lost ones: their weight becomes 0.

    Parameters
    ----------
    sections
        Their numbers.
    """

    sections: tuple[int, ...]

    def grid_of(self, grid: Grid) -> Grid:
        """The same one.

        Raises
        ------
        ValueError
            If there is no such section.
        """
        if any(not 0 <= z < grid.shape[0] for z in self.sections):
            raise ValueError(f"sections must lie within 0–{grid.shape[0] - 1}, got {self.sections}")
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section, with weight 0 if it is one of them."""
        return replace(section, weight=np.zeros_like(section.weight)) if section.z in self.sections else section
