"""The three steps from a boundary map to fragments."""

from __future__ import annotations

import numpy as np

from savem3.blocks import Progress, each
from savem3.grid import Shape
from savem3.oversegment.basins import merge_basins
from savem3.oversegment.height import halo_of, height_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.watershed import find_basins, renumber
from savem3.tiles import split
from savem3.volume import BoundaryMap, Labels


def oversegment(
    boundary: BoundaryMap,
    *,
    recipe: OversegmentRecipe = STANDARD,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Labels:
    """Fragments of a boundary map; the same bytes for every block and every number of workers.

    Parameters
    ----------
    boundary
        Membranes.
    recipe
        Cap, dynamics and smallest size; see `OversegmentRecipe`.
    block
        Voxels along z, y, x that one worker holds at a time.
    workers
        Threads.
    progress
        Told of each finished block; each of three passes counts the blocks anew.
    """
    linked = boundary.grid.is_isotropic
    tiles = split(boundary.grid.shape, block=block, halo=halo_of(boundary.grid, recipe=recipe))
    height = np.empty(boundary.grid.shape, np.int32)
    heights = each(tiles, lambda tile: height_of(boundary, tile, recipe=recipe), workers=workers, progress=progress)
    for tile, values in zip(tiles, heights, strict=True):
        height[tile.write.slices] = values
    basins = find_basins(height, tiles=tiles, linked=linked, workers=workers, progress=progress)
    table = merge_basins(basins, height, tiles=tiles, linked=linked, recipe=recipe, workers=workers, progress=progress)
    renumber(basins.labels, table, tiles=tiles, workers=workers)
    return Labels(basins.labels.view(np.uint64), boundary.grid)
