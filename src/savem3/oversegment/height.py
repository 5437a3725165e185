"""The height that water runs down: high on membranes, low deep inside cells; integers, and exact in blocks."""

from __future__ import annotations

from math import ceil

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from savem3.blocks import kernel
from savem3.grid import Grid, Nanometres, Shape
from savem3.oversegment.recipe import OversegmentRecipe
from savem3.tiles import Tile
from savem3.volume import BoundaryMap

HIGHEST = 65535
"""Height of pure membrane; the middle of a wide cell has 0."""

UNITS_PER_NM = 16
"""Voxel sizes are rounded to this part of a nm, so that squared distances are integers."""

WEIGHTS = np.array([18, 221, 991, 1636, 991, 221, 18], np.int32)
"""Gaussian of sigma 1 voxel, cut at 3 voxels, in 4096ths; the sum is exactly 4096."""

SMOOTHING_REACH = len(WEIGHTS) // 2


def halo_of(grid: Grid, *, recipe: OversegmentRecipe) -> Shape:
    """Voxels along z, y, x that a block must see around itself: the capped distance and then the smoothing.

    On anisotropic grids sections stand alone, so there is none along z.
    """
    z, y, x = (ceil(recipe.distance_cap_nm / size) + SMOOTHING_REACH for size in grid.voxel_size)
    return (z if grid.is_isotropic else 0), y, x


def height_of(boundary: BoundaryMap, tile: Tile, *, recipe: OversegmentRecipe) -> Int32[np.ndarray, "z y x"]:
    """Height of the voxels that a tile writes, 0–65535, from the boundary values that it reads.

    smooth(2·b/255 − min(d, D)/D) mapped from −1…2 to 0…65535, where d is the distance to the nearest membrane voxel and
    D the recipe's cap. Squared distances, Gaussian weights and sums are integers, so a voxel gets the same height in
    every block that sees the halo around it.

    Parameters
    ----------
    boundary
        The volume.
    tile
        Its read box holds the halo of `halo_of`, or ends with the volume.
    recipe
        Where membrane begins and where distances end.

    Notes
    -----
    Source: the paper takes a distance-transform watershed (threshold 0.25, sigma 2, alpha 0.9). Boundary and distance
    together, the cap, and the integers are our choice; so is a distance in nm.
    """
    seen, grid, cap_nm = boundary.read(tile.read), boundary.grid, recipe.distance_cap_nm
    membrane = np.ascontiguousarray(seen >= recipe.membrane_from)
    squared = squared_distance(membrane, grid.voxel_size, cap_nm=cap_nm, linked=grid.is_isotropic)
    height = smooth(_combine(seen, squared, cap_nm=cap_nm), linked=grid.is_isotropic)
    return height[tile.write.relative_to(tile.read).slices]


def squared_distance(
    membrane: Bool[np.ndarray, "z y x"], voxel_size: Nanometres, *, cap_nm: float, linked: bool
) -> Int32[np.ndarray, "z y x"]:
    """Squared distance of each voxel's centre to the nearest membrane voxel's, in (nm/16)², cut at the squared cap.

    Parameters
    ----------
    membrane
        Where membrane is.
    voxel_size
        Along z, y, x in nm.
    cap_nm
        The longest distance that counts.
    linked
        Whether membrane in other sections counts.
    """
    cap = round(cap_nm * UNITS_PER_NM)
    z, y, x = (min(max(1, round(size * UNITS_PER_NM)), cap) for size in voxel_size)
    squared = _spread(_spread_in_rows(membrane, x, cap), y, cap)
    return _spread(_sections_as_lines(squared), z, cap).reshape(membrane.shape) if linked else squared


def smooth(height: Int32[np.ndarray, "z y x"], *, linked: bool) -> Int32[np.ndarray, "z y x"]:
    """Gaussian of sigma 1 voxel in fixed point, rounded after each axis; the volume's last voxels are repeated outside.

    Parameters
    ----------
    height
        Integers up to 2¹⁸.
    linked
        Whether to smooth across sections too.
    """
    within = _weigh(_weigh_in_rows(height, WEIGHTS), WEIGHTS)
    return _weigh(_sections_as_lines(within), WEIGHTS).reshape(height.shape) if linked else within


def _combine(
    seen: UInt8[np.ndarray, "z y x"], squared: Int32[np.ndarray, "z y x"], *, cap_nm: float
) -> Int32[np.ndarray, "z y x"]:
    """2·b/255 + 1 − d/D in units of a third of 65535, each term rounded for itself."""
    membrane = np.rint(np.arange(256) * (HIGHEST * 2 / 3 / 255)).astype(np.int32)
    depth = np.sqrt(squared, dtype=np.float64)
    depth *= HIGHEST / 3 / round(cap_nm * UNITS_PER_NM)
    np.rint(depth, out=depth)
    return membrane[seen] + (HIGHEST // 3 - depth.astype(np.int32))


def _sections_as_lines(array: Int32[np.ndarray, "z y x"]) -> Int32[np.ndarray, "1 z y*x"]:
    """The same voxels with z in the middle, so that the loop along y serves z as well."""
    return array.reshape(1, len(array), -1)


@kernel
def _spread_in_rows(membrane: Bool[np.ndarray, "z y x"], step: int, cap: int) -> Int32[np.ndarray, "z y x"]:
    """Squared distance to the nearest membrane voxel of the same row (last axis): one walk each way."""
    depth, height, width = membrane.shape
    result = np.empty(membrane.shape, np.int32)
    for z in range(depth):
        for y in range(height):
            away = cap
            for x in range(width):
                away = 0 if membrane[z, y, x] else min(away + step, cap)
                result[z, y, x] = away * away
            away = cap
            for x in range(width - 1, -1, -1):
                away = 0 if membrane[z, y, x] else min(away + step, cap)
                result[z, y, x] = min(result[z, y, x], away * away)
    return result


@kernel
def _spread(
    squared: Int32[np.ndarray, "before along after"], step: int, cap: int
) -> Int32[np.ndarray, "before along after"]:
    """Least of squared[k] + ((k − here)·step)² along the middle axis, as far as the cap reaches."""
    before, along, after = squared.shape
    result = squared.copy()
    for b in range(before):
        for here in range(along):
            for start in range(0, after, 128):
                stop = min(start + 128, after)
                away = 1
                while away * step < cap:
                    added = np.int32(away * away * step * step)
                    if added >= result[b, here, start:stop].max():
                        break
                    for k in (here - away, here + away):
                        if 0 <= k < along:
                            for i in range(start, stop):
                                result[b, here, i] = min(result[b, here, i], np.int32(squared[b, k, i] + added))
                    away += 1
    return result


@kernel
def _weigh(
    height: Int32[np.ndarray, "before along after"], weights: Int32[np.ndarray, " weight"]
) -> Int32[np.ndarray, "before along after"]:
    """Weighted sum along the middle axis, in 4096ths, rounded."""
    before, along, after = height.shape
    reach = len(weights) // 2
    result = np.full_like(height, 2048)
    for b in range(before):
        for here in range(along):
            for k in range(-reach, reach + 1):
                there = min(max(here + k, 0), along - 1)
                weight = weights[k + reach]
                for i in range(after):
                    result[b, here, i] = np.int32(result[b, here, i] + np.int32(height[b, there, i] * weight))
            for i in range(after):
                result[b, here, i] >>= 12
    return result


@kernel
def _weigh_in_rows(
    height: Int32[np.ndarray, "z y x"], weights: Int32[np.ndarray, " weight"]
) -> Int32[np.ndarray, "z y x"]:
    """`_weigh` along the last axis."""
    reach = len(weights) // 2
    result = np.empty_like(height)
    for z in range(height.shape[0]):
        for y in range(height.shape[1]):
            row = height[z, y]
            padded = np.concatenate((np.repeat(row[:1], reach), row, np.repeat(row[-1:], reach)))
            for x in range(len(row)):
                total = np.int32(2048)
                for k in range(len(weights)):
                    total = np.int32(total + np.int32(padded[x + k] * weights[k]))
                result[z, y, x] = total >> 12
    return result
