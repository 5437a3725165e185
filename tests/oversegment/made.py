"""Boundary maps with all that makes blocks hard, and the three stages run block by block."""

import random

import numpy as np
from scipy import ndimage

from savem3.blocks import each
from savem3.grid import Box, Grid
from savem3.oversegment import OversegmentRecipe, drain, settle
from savem3.tiles import split
from savem3.volume import BoundaryMap

CUBES, ISOTROPIC, SECTIONS = (10.0, 10.0, 10.0), (12.0, 10.0, 11.0), (30.0, 6.0, 4.0)


def random_map(rng, shape):
    """Smooth noise, stretched until parts of it are cut off, on some with few values; isotropic or in sections."""
    smoothed = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0.5, 1, 2, 3]))
    scaled = (smoothed - smoothed.min()) / max(np.ptp(smoothed), 1e-9)
    voxels = np.clip((scaled - rng.uniform(0.2, 0.6)) * rng.choice([255, 500, 2000]), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        voxels //= 64
        voxels *= 64
    return BoundaryMap(voxels, Grid(shape, (CUBES, ISOTROPIC, SECTIONS)[rng.integers(3)]))


def random_recipe(rng):
    """From numbers that join nothing to numbers that join all."""
    return OversegmentRecipe(
        membrane_from=int(rng.integers(1, 256)),
        distance_cap_nm=float(rng.integers(10, 100)),
        dynamics=int(rng.choice([0, 1, 300, 800, 2000, 10000, 40000, 70000])),
        min_size=int(rng.choice([0, 1, 5, 30, 100, 1000])),
    )


def fragments_of_height(height, *, block, linked, recipe, seed=None):
    """Fragments of given heights, drained block by block and settled; with a seed, blocks come in another order."""
    height = np.asarray(height, np.uint16)
    tiles = split(height.shape, block=block)
    if seed is not None:
        random.Random(seed).shuffle(tiles)

    def drained(tile):
        around = tile.write.grow((int(linked), 1, 1), within=height.shape)
        return drain(height[around.slices], tile.write, volume=height.shape, linked=linked, recipe=recipe)

    products = list(each(tiles, drained))
    table = settle([p.tables for p in products], tiles, volume=height.shape, linked=linked, recipe=recipe)
    fragments = np.zeros(height.shape, np.int64)
    for k, (tile, product) in enumerate(zip(tiles, products, strict=True)):
        start, stop = table["offsets"][k : k + 2]
        fragments[tile.write.slices] = table["lookup"][start:stop][product.volumes["basins"].astype(np.int64) - 1]
    return fragments


def whole(shape):
    """The box of all voxels."""
    return Box((0, 0, 0), shape)
