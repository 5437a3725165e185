"""Fragments are the same bytes whatever the blocks, every voxel has one, and cells are found."""

import random
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from definition import fragments_by_definition, height_by_definition
from hypothesis import given, settings
from hypothesis import strategies as st
from made import CUBES, ISOTROPIC, SECTIONS, random_map, random_recipe, whole
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from skimage.segmentation import watershed

from savem3.grid import Grid
from savem3.oversegment import Drain, Fragment, OversegmentRecipe, Settle, fragments, halo_of, oversegment
from savem3.tiles import Blocks, Tile, split
from savem3.volume import BoundaryMap

SHAPE = (20, 24, 28)
RECIPE = OversegmentRecipe(distance_cap_nm=48.0, dynamics=800, min_size=30)


def saturated_map(seed, voxel_size):
    """Smooth, with wide plateaus at both ends of the range."""
    smoothed = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2)
    scaled = (smoothed - smoothed.min()) / np.ptp(smoothed)
    return BoundaryMap(np.clip((scaled - 0.45) * 2000, 0, 255).astype(np.uint8), Grid(SHAPE, voxel_size))


def shuffled(seed):
    """Blocks in another order."""

    def cut(shape, **how):
        tiles = split(shape, **how)
        random.Random(seed).shuffle(tiles)
        return tiles

    return cut


def check_blocks(seed, longest, monkeypatch):
    """One random volume: random blocks in random order on 1 to 4 threads against one block."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, longest + 1, 3))
    boundary, recipe = random_map(rng, shape), random_recipe(rng)
    block = tuple(int(rng.integers(1 if n < 6 else 3, n + 1)) for n in shape)
    if rng.random() < 0.2:
        block = (3, 3, 3) if np.prod(shape) < 4000 else (9, *shape[1:])
    expected = oversegment(boundary, recipe=recipe, block=shape).voxels
    monkeypatch.setattr(fragments, "split", shuffled(seed))
    found = oversegment(boundary, recipe=recipe, block=block, workers=int(rng.integers(1, 5))).voxels
    assert found.tobytes() == expected.tobytes(), (shape, block, boundary.grid.voxel_size, recipe)


@pytest.mark.parametrize("seed", range(60))
def test_blocks_their_order_and_workers_change_no_byte(seed, monkeypatch):
    check_blocks(seed, 20, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_blocks_change_no_byte_of_larger_volumes(seed, monkeypatch):
    check_blocks(seed, 80, monkeypatch)


@pytest.mark.parametrize("block", [(8, 7, 9), (13, 11, 28)])
@pytest.mark.parametrize("voxel_size", [ISOTROPIC, SECTIONS])
def test_plateaus_across_blocks_are_cut_alike(block, voxel_size):
    boundary = saturated_map(0, voxel_size)
    expected = oversegment(boundary, recipe=RECIPE, block=SHAPE).voxels
    assert expected.max() > 5
    assert (oversegment(boundary, recipe=RECIPE, block=block, workers=2).voxels == expected).all()


@settings(max_examples=15)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 9)),
    block=st.tuples(st.integers(2, 4), st.integers(3, 5), st.integers(3, 6)),
)
def test_fragments_are_those_of_the_definition(seed, shape, block):
    rng = np.random.default_rng(seed)
    boundary, recipe = random_map(rng, shape), random_recipe(rng)
    height = height_by_definition(boundary.voxels, boundary.grid.voxel_size, recipe)
    linked = boundary.grid.is_isotropic
    expected = fragments_by_definition(height, linked=linked, dynamics=recipe.dynamics, min_size=recipe.min_size)
    assert (oversegment(boundary, recipe=recipe, block=block).voxels == expected).all()


def test_the_stages_can_travel_and_read_no_more_than_their_part():
    boundary, block = saturated_map(2, ISOTROPIC), (7, 9, 10)
    tiles = Blocks(SHAPE, block, halo_of(boundary.grid, recipe=RECIPE))
    drain = sent(Drain(boundary, RECIPE))
    basins, tables = np.zeros(SHAPE, np.uint32), []
    for tile in tiles:
        product = drain(tile)
        basins[tile.write.slices] = product.volumes["basins"]
        tables.append(product.tables)
    settle = sent(Settle(tables, tiles, boundary.grid, RECIPE))
    settled = settle(Tile(whole(SHAPE), whole(SHAPE))).tables
    fragment = sent(Fragment(basins, OnlyParts(settled), tiles))
    expected = oversegment(boundary, recipe=RECIPE).voxels
    for tile in Blocks(SHAPE, block):
        assert (fragment(tile).volumes["fragments"] == expected[tile.write.slices]).all()


def sent(function):
    """As it arrives in another process."""
    return ForkingPickler.loads(ForkingPickler.dumps(function))


class OnlyParts:
    """A table that gives short slices of its arrays, and never all of one."""

    def __init__(self, table):
        self.table = table

    def __getitem__(self, name):
        return OnlySlices(self.table[name])


class OnlySlices:
    def __init__(self, values):
        self.values = values

    def __getitem__(self, part):
        assert part.stop - part.start < len(self.values)
        return self.values[part]


def test_a_tile_that_reads_too_little_is_refused():
    boundary = saturated_map(0, ISOTROPIC)
    z, y, x = halo_of(boundary.grid, recipe=RECIPE)
    tile = Blocks(SHAPE, (7, 8, 9), (z, y, x - 1))[0]
    with pytest.raises(ValueError, match=r"tile must read \(8, 9, 9\) voxels \(z, y, x\) around what it writes"):
        Drain(boundary, RECIPE)(tile)


@pytest.mark.parametrize("tiles", [Blocks(SHAPE, (7, 8, 9)), split(SHAPE, block=(7, 8, 9))])
def test_a_tile_that_was_not_drained_is_refused(tiles):
    fragment = Fragment(np.zeros(SHAPE, np.uint32), {"offsets": np.zeros(99, int), "lookup": np.zeros(0, int)}, tiles)
    with pytest.raises(ValueError, match="tile must write a block that was drained, got Box"):
        fragment(split(SHAPE, block=(7, 8, 10))[1])


def test_only_the_whole_volume_can_be_settled():
    settle = Settle([], [], Grid(SHAPE, CUBES))
    with pytest.raises(ValueError, match="tile must write the whole volume"):
        settle(split(SHAPE, block=(7, 8, 10))[1])


def test_every_voxel_has_a_fragment_and_numbers_have_no_gap():
    labels = oversegment(saturated_map(0, ISOTROPIC), recipe=RECIPE, block=(9, 9, 9)).voxels
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
    assert (oversegment(boundary, block=(2, 3, 4)).voxels == 1).all()


def test_each_of_two_passes_counts_the_blocks():
    told = []
    oversegment(saturated_map(0, CUBES), recipe=RECIPE, block=(20, 12, 28), progress=lambda *how: told.append(how))
    assert told == [(1, 2), (2, 2), (1, 2), (2, 2)]


def test_cells_are_found_as_another_watershed_finds_them():
    centres = np.array([[8, 8, 8], [8, 10, 30], [24, 30, 8], [24, 28, 34], [20, 10, 22]])
    voxels = np.indices((32, 40, 44)).reshape(3, -1).T
    distances = np.sort(np.linalg.norm(voxels[:, None] - centres, axis=2), axis=1)
    nearness = (distances[:, 1] - distances[:, 0]).reshape(32, 40, 44)
    membrane = (255 * np.exp(-((nearness / 2.5) ** 2))).astype(np.uint8)
    ours = oversegment(BoundaryMap(membrane, Grid(membrane.shape, CUBES))).voxels
    markers = np.zeros(membrane.shape, int)
    markers[tuple(centres.T)] = np.arange(1, 6)
    theirs = watershed(membrane, markers)
    assert ours.max() == 5
    assert adapted_rand_error(theirs, ours.astype(int))[0] < 0.03
