"""Two fragmentations of one volume laid over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Progress, each
from savem3.grid import Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels


@dataclass(frozen=True, slots=True)
class Overlay:
    """The cells that two fragmentations have in common, sorted; background belongs to none.

    Parameters
    ----------
    cells
        Fragment of the first and of the second.
    voxels
        Voxels of each cell.
    """

    cells: Int64[np.ndarray, "cell 2"]
    voxels: Int64[np.ndarray, " cell"]


def overlay(
    first: Labels,
    second: Labels,
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Overlay:
    """Count the voxels that each two fragments have in common.

    Parameters
    ----------
    first, second
        On grids of one shape.
    block
        Voxels along z, y, x that a worker holds at a time.
    workers, progress
        See `savem3.blocks.each`.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if first.grid.shape != second.grid.shape:
        raise ValueError(f"second must have the shape of first {first.grid.shape}, got {second.grid.shape}")

    def of_tile(tile: Tile) -> Int64[np.ndarray, "cell 3"]:
        pairs = np.stack([v.read(tile.write).reshape(-1).astype(np.int64) for v in (first, second)], 1)
        cells, counts = np.unique(pairs[(pairs > 0).all(1)], axis=0, return_counts=True)
        return np.column_stack([cells, counts])

    parts = each(split(first.grid.shape, block=block), of_tile, workers=workers, progress=progress)
    table = np.concatenate(list(parts))
    cells, place = np.unique(table[:, :2], axis=0, return_inverse=True)
    voxels = np.zeros(len(cells), np.int64)
    np.add.at(voxels, place.reshape(-1), table[:, 2])
    return Overlay(cells, voxels)
