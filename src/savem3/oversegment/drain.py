"""One block on its way from boundary values to basins, and all that other blocks must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt16
from numpy.typing import NDArray

from savem3.blocks import Product, faces_of, look_up
from savem3.grid import Box, Shape
from savem3.oversegment.decisions import decide
from savem3.oversegment.descent import Descent, descend
from savem3.oversegment.height import halo_of, height_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.seams import seams_of
from savem3.tiles import Tile
from savem3.volume import BoundaryMap

NOWHERE = np.iinfo(np.int64).max
"""The root of a group whose basins all go on into other blocks."""


@dataclass(frozen=True, slots=True)
class Drain:
    """The block function that finds basins and joins what can be joined within a block; see `drain` for its product.

    Parameters
    ----------
    boundary
        Membranes, in memory or lazy.
    recipe
        All numbers.
    """

    boundary: BoundaryMap
    recipe: OversegmentRecipe = STANDARD

    def __call__(self, tile: Tile, /) -> Product:
        grid = self.boundary.grid
        halo = halo_of(grid, recipe=self.recipe)
        if tile.read.intersect(needed := tile.write.grow(halo, within=grid.shape)) != needed:
            raise ValueError(f"tile must read {halo} voxels (z, y, x) around what it writes, {needed}, got {tile.read}")
        around = _around(tile.write, grid.shape, linked=grid.is_isotropic)
        height = height_of(self.boundary, Tile(tile.read, around), recipe=self.recipe)
        return drain(height, tile.write, volume=grid.shape, linked=grid.is_isotropic, recipe=self.recipe)


def drain(
    height: UInt16[np.ndarray, "z y x"], block: Box, *, volume: Shape, linked: bool, recipe: OversegmentRecipe
) -> Product:
    """The groups of basins of a block, and what is left to be decided between blocks.

    Parameters
    ----------
    height
        Of the block and one voxel more on each side, where the volume goes on (along z only if ``linked``).
    block
        What is answered for.
    volume
        Voxels of the whole volume along z, y, x.
    linked
        Whether basins touch across sections.
    recipe
        Dynamics and smallest size.

    Returns
    -------
    Product
        The volume ``basins`` numbers the groups of the block from 1. The tables: ``size``, ``minimum`` and ``root``
        (smallest flat index of a root) of each group. Some basins stay open, those at the seams and those of delayed
        passes: ``end`` (flat index of root or exit) and ``group`` (from 0) of each. ``delayed`` holds pass height, u, v
        of pairs of open basins. ``skin`` and ``skin_height`` hold the open basin and the height of each voxel at a
        seam, one seam after the other.
    """
    around = _around(block, volume, linked=linked)
    descent = descend(height, around, block, volume=volume, linked=linked)
    inner = np.ascontiguousarray(height[block.relative_to(around).slices])
    seams = seams_of(block, volume, linked=linked)
    skin = _in_a_row([seam.layer_of(descent.basins) for seam in seams], np.uint32).astype(np.int64) - 1
    skin_height = _in_a_row([seam.layer_of(inner) for seam in seams], np.uint16)
    is_open = np.zeros(len(descent.ends), bool)
    is_open[skin] = True
    passes = _passes_of(descent, inner, linked=linked)
    decisions = decide(
        passes,
        minimum=descent.height,
        sizes=descent.sizes,
        is_open=is_open,
        recipe=recipe,
    )
    tables = _tables(descent, decisions.groups, passes[decisions.delayed], is_open, skin)
    basins = look_up(descent.basins, (decisions.groups + 1).astype(np.uint32))
    return Product({"basins": basins}, tables | {"skin_height": skin_height})


def _around(block: Box, volume: Shape, *, linked: bool) -> Box:
    return block.grow((int(linked), 1, 1), within=volume)


def _in_a_row(layers: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *layers])


def _passes_of(descent: Descent, height: UInt16[np.ndarray, "z y x"], *, linked: bool) -> Int64[np.ndarray, "pair 3"]:
    """Pass height, u, v (from 0) of each pair of basins, lowest pass first; equal passes in the order of (u, v)."""
    z, y, x = height.shape
    whole = Box((0, 0, 0), (z, y, x))
    faces = faces_of(descent.basins, height, Tile(whole, whole), linked=linked)
    order = np.argsort(faces.minimum, kind="stable")
    return np.column_stack([faces.minimum, faces.pairs - 1])[order]


def _tables(
    descent: Descent,
    groups: Int64[np.ndarray, " basin"],
    delayed: Int64[np.ndarray, "pair 3"],
    is_open: Bool[np.ndarray, " basin"],
    skin: Int64[np.ndarray, " voxel"],
) -> dict[str, NDArray[Any]]:
    """Sums over groups, and open basins under numbers of their own."""
    is_open[delayed[:, 1:]] = True
    opened = np.cumsum(is_open) - 1
    is_root = np.arange(len(groups)) < descent.roots
    size, minimum, root = sum_up(groups, descent.sizes, descent.height, np.where(is_root, descent.ends, NOWHERE))
    return {
        "size": size,
        "minimum": minimum.astype(np.int32),
        "root": root,
        "end": descent.ends[is_open],
        "group": groups[is_open].astype(np.int32),
        "delayed": np.column_stack([delayed[:, 0], opened[delayed[:, 1:]]]).astype(np.int32),
        "skin": opened[skin].astype(np.uint32),
    }


def sum_up(
    groups: Int64[np.ndarray, " node"],
    size: Int64[np.ndarray, " node"],
    minimum: Int64[np.ndarray, " node"],
    root: Int64[np.ndarray, " node"],
) -> tuple[Int64[np.ndarray, " group"], Int64[np.ndarray, " group"], Int64[np.ndarray, " group"]]:
    """Size, minimum and smallest root of each group, from those of its nodes."""
    number = int(groups.max()) + 1
    sizes, minima, roots = np.zeros(number, np.int64), np.full(number, NOWHERE), np.full(number, NOWHERE)
    np.add.at(sizes, groups, size)
    np.minimum.at(minima, groups, minimum)
    np.minimum.at(roots, groups, root)
    return sizes, minima, roots
