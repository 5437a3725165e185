"""An OME-NGFF 0.5 pyramid that is written block by block; viewers see it once it is finished."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from savem3.grid import Grid, Shape
from savem3.store.durable import write_durably
from savem3.store.levels import factors
from savem3.store.ngff import group_attributes
from savem3.store.voxel_file import VoxelFile


@dataclass(frozen=True, slots=True)
class PyramidFile:
    """Where a volume and its coarser levels go.

    Parameters
    ----------
    folder
        Of the group; level ``i`` is the array ``str(i)``.
    grid
        Of the finest level.
    dtype
        Name of the numpy type of a voxel.
    method
        How levels are made from finer ones: ``mode`` for labels, ``mean`` for grey values.
    block
        What is written at once at every level, along z, y, x.
    """

    folder: Path
    grid: Grid
    dtype: str
    method: Literal["mode", "mean"]
    block: Shape

    @property
    def factors(self) -> list[Shape]:
        """How many voxels along z, y, x each level but the first joins of the one before it."""
        return factors(self.grid)

    @property
    def grids(self) -> list[Grid]:
        """Of all levels, finest first."""
        grids = [self.grid]
        for factor in self.factors:
            grids.append(grids[-1].coarsen(factor))
        return grids

    @property
    def levels(self) -> list[VoxelFile]:
        """The arrays of all levels, finest first."""
        return [
            VoxelFile(self.folder / str(i), grid.shape, self.dtype, self.block) for i, grid in enumerate(self.grids)
        ]

    @property
    def is_finished(self) -> bool:
        """Whether the group's metadata are there, as `finish` writes them."""
        file = self.folder / "zarr.json"
        return file.is_file() and file.read_bytes() == self._metadata()

    def finish(self) -> None:
        """Write the group's metadata, once all levels are whole."""
        if not self.is_finished:
            write_durably(self.folder / "zarr.json", self._metadata())

    def _metadata(self) -> bytes:
        name, is_labels = self.folder.name, self.method == "mode"
        attributes = group_attributes(self.grids, name=name, method=self.method, is_labels=is_labels)
        return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=2).encode()
