"""Three maps made of integers alone, and the bytes of their fragments; whatever changes one of them changes results."""

import hashlib

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.volume import BoundaryMap

SHAPE = (37, 50, 61)
ISOTROPIC, SECTIONS = (12.0, 10.0, 11.0), (30.0, 6.0, 4.0)
CUBES = (10.0, 10.0, 10.0)


def noise(seed):
    """One number of 16 bits a voxel, from multiplications alone."""
    state = np.arange(1, np.prod(SHAPE) + 1, dtype=np.uint64) + np.uint64(seed * 1_000_003)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(factor)
    return (state >> np.uint64(48)).astype(np.int64).reshape(SHAPE)


def smooth_map(seed, *, times, gain):
    """Noise summed over neighbours again and again, stretched around its middle and cut to 0–255."""
    values = noise(seed)
    for _ in range(times):
        for axis in range(3):
            values = np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)
        values //= 64
    low, high = int(values.min()), int(values.max())
    return np.clip((values - (low + high) // 2) * gain * 255 // (high - low) + 60, 0, 255).astype(np.uint8)


GOLDEN = {
    "smooth": (smooth_map(1, times=4, gain=2), CUBES, OversegmentRecipe()),
    "plateaus": (smooth_map(2, times=6, gain=40), ISOTROPIC, OversegmentRecipe(distance_cap_nm=48.0, min_size=30)),
    "sections": (smooth_map(3, times=3, gain=3), SECTIONS, OversegmentRecipe(distance_cap_nm=60.0, dynamics=700)),
}

DIGESTS = {
    "smooth": "d3cccd2be47c949a077bf4872d3738c8b4033970c0efece29967bb87a3936290",
    "plateaus": "93a4830fa0a2f06acf679d60867604a277827c74e1e3035c8beb22cac225ee66",
    "sections": "3702c863eda671af6d0eba576e724f46cac61c4ded6e0724f064256c12fc8c89",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_fragments_keep_their_bytes(name):
    voxels, voxel_size, recipe = GOLDEN[name]
    fragments = oversegment(BoundaryMap(voxels, Grid(SHAPE, voxel_size)), recipe=recipe, block=(19, 24, 32)).voxels
    assert hashlib.sha256(fragments.tobytes()).hexdigest() == DIGESTS[name]
