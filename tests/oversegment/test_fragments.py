"""Fragments are the same bytes whatever the blocks, every voxel has one, and cells are found."""

import hashlib
import random

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from skimage.segmentation import watershed

from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe, fragments, oversegment
from savem3.tiles import split
from savem3.volume import BoundaryMap

SHAPE = (20, 24, 28)
RECIPE = OversegmentRecipe(distance_cap_nm=48.0, dynamics=800, min_size=30)
ISOTROPIC, SECTIONS = (12.0, 10.0, 11.0), (30.0, 6.0, 4.0)


def saturated_map(seed, voxel_size):
    """Smooth, with wide plateaus at both ends of the range."""
    smoothed = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2)
    scaled = (smoothed - smoothed.min()) / np.ptp(smoothed)
    return BoundaryMap(np.clip((scaled - 0.45) * 2000, 0, 255).astype(np.uint8), Grid(SHAPE, voxel_size))


def digest(boundary, **how):
    return hashlib.sha256(oversegment(boundary, recipe=RECIPE, **how).voxels.tobytes()).hexdigest()


@pytest.mark.parametrize("block", [(4, 3, 5), (7, 24, 9), (13, 11, 28)])
@pytest.mark.parametrize("voxel_size", [ISOTROPIC, SECTIONS])
def test_blocks_and_workers_change_no_byte(block, voxel_size):
    for seed in range(2):
        boundary = saturated_map(seed, voxel_size)
        assert digest(boundary, block=block, workers=2) == digest(boundary, block=SHAPE)


@pytest.mark.parametrize("voxel_size", [ISOTROPIC, SECTIONS])
def test_the_order_of_blocks_changes_no_byte(voxel_size, monkeypatch):
    boundary = saturated_map(3, voxel_size)
    expected = digest(boundary, block=SHAPE)

    def shuffled(shape, **how):
        tiles = split(shape, **how)
        random.Random(1).shuffle(tiles)
        return tiles

    monkeypatch.setattr(fragments, "split", shuffled)
    assert digest(boundary, block=(6, 7, 9)) == expected


@pytest.mark.parametrize("voxel_size", [ISOTROPIC, SECTIONS])
def test_blocks_that_do_not_see_the_whole_cap_would_show(voxel_size, monkeypatch):
    boundary = saturated_map(0, voxel_size)
    expected = digest(boundary, block=SHAPE)
    monkeypatch.setattr(fragments, "halo_of", lambda grid, recipe: (1, 1, 1))
    assert digest(boundary, block=(7, 8, 9)) != expected


def test_every_voxel_has_a_fragment_and_numbers_have_no_gap():
    labels = oversegment(saturated_map(0, ISOTROPIC), recipe=RECIPE).voxels
    assert labels.dtype == np.uint64
    assert np.unique(labels).tolist() == list(range(1, int(labels.max()) + 1))
    assert labels.max() > 5


def test_fragments_of_anisotropic_volumes_stay_in_their_section():
    labels = oversegment(saturated_map(0, SECTIONS), recipe=RECIPE).voxels
    owners = [set(np.unique(section).tolist()) for section in labels]
    assert all(not a & b for i, a in enumerate(owners) for b in owners[:i])


@pytest.mark.parametrize("value", [0, 127, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 8), (3, 4, 5)])
def test_a_constant_map_is_one_fragment(value, shape):
    boundary = BoundaryMap(np.full(shape, value, np.uint8), Grid(shape, ISOTROPIC))
    assert (oversegment(boundary).voxels == 1).all()


def test_cells_are_found_as_another_watershed_finds_them():
    centres = np.array([[8, 8, 8], [8, 10, 30], [24, 30, 8], [24, 28, 34], [20, 10, 22]])
    voxels = np.indices((32, 40, 44)).reshape(3, -1).T
    distances = np.sort(np.linalg.norm(voxels[:, None] - centres, axis=2), axis=1)
    nearness = (distances[:, 1] - distances[:, 0]).reshape(32, 40, 44)
    membrane = (255 * np.exp(-((nearness / 2.5) ** 2))).astype(np.uint8)
    ours = oversegment(BoundaryMap(membrane, Grid(membrane.shape, (10.0, 10.0, 10.0)))).voxels
    markers = np.zeros(membrane.shape, int)
    markers[tuple(centres.T)] = np.arange(1, 6)
    theirs = watershed(membrane, markers)
    assert ours.max() == 5
    assert adapted_rand_error(theirs, ours.astype(int))[0] < 0.03
