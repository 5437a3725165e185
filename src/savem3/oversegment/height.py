"""The height that water runs down: high on membranes, low deep inside cells; integers, and exact in blocks."""

from __future__ import annotations

from math import ceil

import numpy as np
from jaxtyping import Integer, UInt8, UInt16

from savem3.blocks import kernel
from savem3.grid import Grid, Shape
from savem3.oversegment.distance import SMALL, Ruler, ruler_for, squared_distance
from savem3.oversegment.recipe import OversegmentRecipe
from savem3.oversegment.smoothing import SMOOTHING_REACH, smooth
from savem3.tiles import Tile
from savem3.volume import BoundaryMap

HIGHEST = 65535
"""Height of pure membrane; the middle of a wide cell has 0."""


def halo_of(grid: Grid, *, recipe: OversegmentRecipe) -> Shape:
    """Voxels along z, y, x that a block must see around itself: one step of water, the smoothing, the capped distance.

    On anisotropic grids sections stand alone, so there is none along z.
    """
    z, y, x = (ceil(recipe.distance_cap_nm / size) + SMOOTHING_REACH + 1 for size in grid.voxel_size)
    return (z if grid.is_isotropic else 0), y, x


def height_of(boundary: BoundaryMap, tile: Tile, *, recipe: OversegmentRecipe) -> UInt16[np.ndarray, "z y x"]:
    """Height of the voxels that a tile writes, 0–65535, from the boundary values that it reads.

    smooth(2·b/255 − min(d, D)/D) mapped from −1…2 to 0…65535, where d is the distance to the nearest membrane voxel and
    D the recipe's cap. Squared distances, Gaussian weights and sums are integers, so a voxel gets the same height in
    every block that sees the halo around it.

    Parameters
    ----------
    boundary
        The volume.
    tile
        Its read box holds the halo of `halo_of` less one step, or ends with the volume.
    recipe
        Where membrane begins and where distances end.

    Notes
    -----
    Source: the paper takes a distance-transform watershed (threshold 0.25, sigma 2, alpha 0.9). Boundary and distance
    together, the cap, and the integers are our choice; so is a distance in nm.
    """
    linked = boundary.grid.is_isotropic
    seen = boundary.read(tile.read)
    reach = (SMOOTHING_REACH if linked else 0), SMOOTHING_REACH, SMOOTHING_REACH
    wide = tile.write.grow(reach, within=boundary.grid.shape)
    inside = wide.relative_to(tile.read)
    ruler = ruler_for(boundary.grid.voxel_size, cap_nm=recipe.distance_cap_nm, linked=linked)
    squared = squared_distance(seen >= recipe.membrane_from, ruler, inside=inside, linked=linked)
    height = smooth(_combine(seen[inside.slices], squared, ruler), linked=linked)
    return height[tile.write.relative_to(wide).slices]


def _combine(
    seen: UInt8[np.ndarray, "z y x"], squared: Integer[np.ndarray, "z y x"], ruler: Ruler
) -> UInt16[np.ndarray, "z y x"]:
    """2·b/255 + 1 − d/D in units of a third of 65535, each term rounded for itself."""
    membrane = np.rint(np.arange(256) * (HIGHEST * 2 / 3 / 255)).astype(np.uint16)
    if ruler.limit > SMALL:
        return membrane[seen] + _shallowness(squared, ruler)
    result = np.empty(squared.shape, np.uint16)
    _look_up(np.ascontiguousarray(seen), membrane, squared, _shallowness(np.arange(ruler.limit + 1), ruler), result)
    return result


def _shallowness(squared: Integer[np.ndarray, "..."], ruler: Ruler) -> UInt16[np.ndarray, "..."]:
    """1 − d/D in units of a third of 65535."""
    depth = np.sqrt(np.minimum(squared.astype(np.int64) * ruler.unit**2, ruler.cap**2), dtype=np.float64)
    depth *= HIGHEST / 3 / ruler.cap
    return (HIGHEST // 3 - np.rint(depth).astype(np.int64)).astype(np.uint16)


@kernel
def _look_up(
    seen: UInt8[np.ndarray, "z y x"],
    membrane: UInt16[np.ndarray, "256"],
    squared: Integer[np.ndarray, "z y x"],
    shallowness: UInt16[np.ndarray, " squared"],
    result: UInt16[np.ndarray, "z y x"],
) -> None:
    """The sum of two table entries for each voxel."""
    for z in range(seen.shape[0]):
        for y in range(seen.shape[1]):
            for x in range(seen.shape[2]):
                result[z, y, x] = membrane[seen[z, y, x]] + shallowness[squared[z, y, x]]
