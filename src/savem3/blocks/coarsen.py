"""A coarser level of a pyramid, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from savem3.blocks.product import Product
from savem3.grid import Box, Shape
from savem3.store.pyramid import join_grey, join_labels
from savem3.tiles import Tile
from savem3.volume import VoxelArray


@dataclass(frozen=True, slots=True)
class Coarsen:
    """The block function of a pyramid level.

    Parameters
    ----------
    finer
        The level before it.
    factor
        Voxels along z, y, x that are joined into one.
    method
        ``mode`` for labels, ``mean`` for grey values.
    """

    finer: VoxelArray
    factor: Shape
    method: Literal["mode", "mean"]

    def __call__(self, tile: Tile) -> Product:
        axes = zip(tile.write.start, tile.write.stop, self.factor, self.finer.shape, strict=True)
        spans = [(a * f, min(b * f, n)) for a, b, f, n in axes]
        (z, zz), (y, yy), (x, xx) = spans
        voxels = np.asarray(self.finer[Box((z, y, x), (zz, yy, xx)).slices])
        join = join_labels if self.method == "mode" else join_grey
        return Product({"voxels": join(voxels, factor=self.factor)})
