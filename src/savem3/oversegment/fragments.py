"""Fragments, and the way there from a boundary map in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from savem3.blocks import Product, Progress, Table, each, look_up
from savem3.grid import Box, Shape
from savem3.oversegment.drain import Drain
from savem3.oversegment.height import halo_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.settle import Settle
from savem3.tiles import Blocks, Tile, split
from savem3.volume import BoundaryMap, Labels, VoxelArray


@dataclass(frozen=True, slots=True)
class Fragment:
    """The block function that writes ``fragments``, uint64: each voxel's group replaced by its fragment.

    Parameters
    ----------
    basins
        The volume from `Drain`, in memory or lazy.
    settled
        The table from `Settle`; only the part of the tile is read.
    tiles
        The blocks that `Drain` saw; tiles are looked up by what they write.

    Raises
    ------
    ValueError
        If a tile writes no block of these.
    """

    basins: VoxelArray
    settled: Table
    tiles: Sequence[Tile]

    def __call__(self, tile: Tile, /) -> Product:
        index = _find(tile.write, self.tiles)
        start, stop = self.settled["offsets"][index : index + 2]
        table = self.settled["lookup"][int(start) : int(stop)].astype(np.uint64)
        return Product({"fragments": look_up(np.asarray(self.basins[tile.write.slices]), table)})


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
        Told of each finished block; each of two passes counts the blocks anew.
    """
    grid = boundary.grid
    tiles = split(grid.shape, block=block, halo=halo_of(grid, recipe=recipe))
    basins, fragments = np.empty(grid.shape, np.uint32), np.empty(grid.shape, np.uint64)
    tables = []
    drained = each(tiles, Drain(boundary, recipe), workers=workers, progress=progress)
    for tile, product in zip(tiles, drained, strict=True):
        basins[tile.write.slices] = product.volumes["basins"]
        tables.append(product.tables)
    settled = Settle(tables, tiles, grid, recipe)(Tile(grid.box, grid.box)).tables
    written = each(tiles, Fragment(basins, settled, tiles), workers=workers, progress=progress)
    for tile, product in zip(tiles, written, strict=True):
        fragments[tile.write.slices] = product.volumes["fragments"]
    return Labels(fragments, grid)


def _find(block: Box, tiles: Sequence[Tile]) -> int:
    """The number of the tile that writes a block."""
    if isinstance(tiles, Blocks):
        z, y, x = (a // b for a, b in zip(block.start, tiles.block, strict=True))
        index = (z * tiles.along[1] + y) * tiles.along[2] + x
    else:
        index = next((i for i, tile in enumerate(tiles) if tile.write.start == block.start), 0)
    if tiles[index].write != block:
        raise ValueError(f"tile must write a block that was drained, got {block}")
    return index
