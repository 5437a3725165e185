"""A volume with its coarser levels: what is shown of it at any scale, read from the level that costs least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Nanometres, Shape
from savem3.view.planes import Shown
from savem3.volume import Labels

MOST_READ = 2**26
"""Voxels that are read for one piece; a larger piece is refused."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """One volume at several scales.

    Parameters
    ----------
    name
        What it is called beside the others.
    levels
        The same volume ever coarser, finest first; lazy.

    Raises
    ------
    ValueError
        If there is no level.
    """

    name: str
    levels: tuple[Shown, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError(f"levels must hold a volume, got none for {self.name}")

    @property
    def is_labels(self) -> bool:
        """Whether voxels are object numbers."""
        return isinstance(self.levels[0], Labels)

    @property
    def shape(self) -> Shape:
        """Voxels of the finest level along z, y, x."""
        return self.levels[0].grid.shape

    @property
    def voxel_size(self) -> Nanometres:
        """Edges of a voxel of the finest level along z, y, x, in nm."""
        return self.levels[0].grid.voxel_size

    def factor_of(self, level: int) -> Shape:
        """How many voxels of the finest level along z, y, x one voxel of a level is."""
        edges = zip(self.levels[level].grid.voxel_size, self.voxel_size, strict=True)
        z, y, x = (max(1, round(coarse / fine)) for coarse, fine in edges)
        return z, y, x

    def at_most(self, voxels: int) -> Shown:
        """The finest level of at most so many voxels; the coarsest where all have more."""
        fitting = (level for level in self.levels if level.grid.voxels <= voxels)
        return next(fitting, self.levels[-1])

    def read(self, level: int, box: Box) -> NDArray[Any]:
        """The voxels of a box of a level.

        Raises
        ------
        ValueError
            If the box does not lie in the level, or holds more voxels than are read at once.
        """
        shape = self.levels[level].grid.shape
        if any(a < 0 or a == b or b > n for a, b, n in zip(box.start, box.stop, shape, strict=True)):
            raise ValueError(f"box must lie in the {shape} voxels of level {level}, got {box}")
        if int(np.prod(box.shape, dtype=np.float64)) > MOST_READ:
            raise ValueError(f"box must hold at most {MOST_READ} voxels, got {box.shape}")
        return self.levels[level].read(box)
