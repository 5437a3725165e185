"""A volume as a model sees it, and back: by a plain definition, on odd shapes, whatever box is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.grid import Box, Grid
from savem3.predict import BringBack
from savem3.resample import IDENTITY, SEEN_NM, Scale, bring_back, look, mark_seen, range_of, scale_for
from savem3.tiles import Blocks
from savem3.volume import BoundaryMap, Image

FINE = (6.0, 4.0, 5.0)


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mean_of(voxels, factor):
    """The mean of each group, halves up, voxel by voxel."""
    groups = [range(0, n, f) for n, f in zip(voxels.shape, factor, strict=True)]
    means = np.empty([len(g) for g in groups], np.uint8)
    for place in np.ndindex(means.shape):
        starts = [g[i] for g, i in zip(groups, place, strict=True)]
        group = voxels[tuple(slice(a, a + f) for a, f in zip(starts, factor, strict=True))].astype(int)
        means[place] = (2 * group.sum() + group.size) // (2 * group.size)
    return means


def between(voxels, shape, factor):
    """Linear between the middles of voxels, constant beyond the outermost; in real numbers."""
    found = voxels.astype(float)
    for axis, (n, f) in enumerate(zip(shape, factor, strict=True)):
        places = (np.arange(n) + 0.5) / f - 0.5
        found = np.apply_along_axis(lambda line, at=places: np.interp(at, np.arange(len(line)), line), axis, found)
    return np.floor(found + 0.5 + 1e-9).astype(np.uint8)


@pytest.mark.parametrize(
    ("voxel_size", "joins", "splits"),
    [
        ((10.0, 10.0, 10.0), IDENTITY, IDENTITY),
        ((8.0, 8.0, 8.0), IDENTITY, IDENTITY),
        ((45.0, 4.6, 4.6), (1, 2, 2), IDENTITY),
        ((40.0, 4.0, 4.0), (1, 2, 2), IDENTITY),
        ((4.0, 4.0, 4.0), (2, 2, 2), IDENTITY),
        ((2.0, 2.0, 2.0), (4, 4, 4), IDENTITY),
        ((16.0, 16.0, 16.0), IDENTITY, (2, 2, 2)),
        ((20.0, 20.0, 20.0), IDENTITY, (2, 2, 2)),
        ((40.0, 16.0, 16.0), IDENTITY, (1, 2, 2)),
        ((6.0, 6.0, 6.0), (2, 2, 2), IDENTITY),
        ((12.0, 12.0, 12.0), IDENTITY, IDENTITY),
        ((30.0, 3.0, 24.0), (1, 3, 1), (1, 1, 3)),
        ((0.1, 0.1, 0.1), (8, 8, 8), IDENTITY),
    ],
)
def test_the_factor_that_comes_nearest_to_what_the_model_knows_is_taken(voxel_size, joins, splits):
    assert scale_for(Grid((5, 6, 7), voxel_size)) == Scale(joins, splits)


def test_what_is_done_is_said_in_a_sentence():
    grid = Grid((5, 6, 7), (40.0, 4.0, 4.0))
    assert scale_for(grid).describe(grid) == "raw at 40 × 4 × 4 nm is looked at by the model at 40 × 8 × 8 nm"
    assert Scale().describe(grid) == ""


def test_the_grid_that_a_model_sees_begins_where_the_volume_does():
    grid = Grid((5, 6, 7), (12.0, 4.0, 20.0), (1.0, 2.0, 3.0))
    assert Scale((1, 4, 1), (1, 1, 2)).grid_of(grid) == Grid((5, 2, 14), (12.0, 16.0, 10.0), (1.0, 2.0, 3.0))


def test_joined_voxels_are_means_and_split_ones_lie_between():
    image = Image(np.array([[[0, 1, 10, 20, 7]]], np.uint8), Grid((1, 1, 5), FINE))
    assert look(image, scale=Scale((1, 1, 2))).load().voxels.tolist() == [[[1, 15, 7]]]
    image = Image(np.array([[[0, 100]]], np.uint8), Grid((1, 1, 2), FINE))
    assert look(image, scale=Scale(splits=(1, 1, 2))).load().voxels.tolist() == [[[0, 25, 75, 100]]]
    assert look(image, scale=Scale(splits=(1, 1, 3))).load().voxels.tolist() == [[[0, 0, 33, 67, 100, 100]]]


@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.tuples(*[st.booleans()] * 3),
    st.integers(0, 99),
)
def test_every_shape_goes_there_and_back_as_the_definition_says(shape, factors, joined, seed):
    joins = tuple(f if join else 1 for f, join in zip(factors, joined, strict=True))
    splits = tuple(1 if join else f for f, join in zip(factors, joined, strict=True))
    scale, grid = Scale(joins, splits), Grid(shape, FINE)
    image = Image(noise(shape, seed), grid)
    seen = look(image, scale=scale).load()
    expected = mean_of(image.voxels, joins)
    expected = between(expected, [n * s for n, s in zip(expected.shape, splits, strict=True)], splits)
    np.testing.assert_array_equal(seen.voxels, expected)
    drawn = BoundaryMap(noise(seen.grid.shape, seed + 1), seen.grid)
    back = bring_back(drawn, grid, scale=scale).load()
    assert back.grid == grid
    np.testing.assert_array_equal(back.voxels, between(mean_of(drawn.voxels, splits), shape, joins))


@pytest.mark.parametrize("scale", [Scale((2, 3, 1)), Scale(splits=(1, 2, 3)), Scale((3, 1, 8), (1, 4, 1))])
@pytest.mark.parametrize("block", [(1, 1, 1), (2, 5, 3), (4, 4, 4), (5, 7, 11)])
def test_blocks_of_any_size_write_every_voxel_once_with_the_same_bytes(scale, block):
    grid = Grid((5, 7, 11), FINE)
    image = Image(noise(grid.shape), grid)
    seen = look(image, scale=scale)
    drawn = BoundaryMap(255 - seen.load().voxels, seen.grid)
    function, made, times = BringBack(drawn, grid, scale), np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, int)
    for tile in Blocks(grid.shape, block):
        made[tile.write.slices] = function(tile).volumes["boundary"]
        times[tile.write.slices] += 1
    assert (times == 1).all()
    np.testing.assert_array_equal(made, bring_back(drawn, grid, scale=scale).load().voxels)
    whole = seen.load().voxels
    for tile in Blocks(seen.grid.shape, block):
        np.testing.assert_array_equal(seen.read(tile.write), whole[tile.write.slices])


def test_a_constant_volume_stays_what_it_is():
    grid = Grid((5, 7, 11), FINE)
    image = Image(np.full(grid.shape, 255, np.uint8), grid)
    for scale in (Scale((8, 8, 8)), Scale(splits=(8, 8, 8))):
        seen = look(image, scale=scale).load()
        assert (seen.voxels == 255).all()
        assert (bring_back(BoundaryMap(seen.voxels, seen.grid), grid, scale=scale).load().voxels == 255).all()


def test_a_ramp_comes_back_on_its_place_not_half_a_voxel_beside_it():
    grid = Grid((1, 1, 48), FINE)
    ramp = np.arange(0, 240, 5, dtype=np.uint8)[None, None]
    for scale in (Scale((1, 1, 2)), Scale((1, 1, 3)), Scale(splits=(1, 1, 2))):
        seen = look(Image(ramp, grid), scale=scale).load()
        back = bring_back(BoundaryMap(seen.voxels, seen.grid), grid, scale=scale).load().voxels
        inside = np.s_[0, 0, 4:-4]
        assert np.abs(back[inside].astype(int) - ramp[inside]).max() <= 1


def test_a_lazy_image_is_read_only_where_it_is_looked_at():
    asked = []

    class Told:
        shape, dtype = (4, 6, 8), np.dtype(np.uint8)

        def __getitem__(self, index):
            asked.append(index)
            return np.zeros(self.shape, np.uint8)[index]

    seen = look(Image(Told(), Grid((4, 6, 8), FINE)), scale=Scale((1, 2, 2)))
    assert asked == []
    assert seen.read(Box((1, 1, 1), (2, 2, 3))).shape == (1, 1, 2)
    assert asked == [(slice(1, 2), slice(2, 4), slice(2, 6))]


def test_nothing_is_done_to_a_volume_that_the_model_knows():
    image = Image(noise((2, 3, 4)), Grid((2, 3, 4), (10.0, 9.0, 8.0)))
    scale = scale_for(image.grid)
    assert scale.is_identity
    assert look(image, scale=scale) is image


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Scale((0, 1, 1)), "joins must be three factors"),
        (lambda: Scale(splits=(1, 1, 9)), "splits must be three factors"),
        (lambda: Scale((2, 1, 1), (2, 1, 1)), "an axis must be joined or split"),
        (lambda: scale_for(Grid((1, 1, 1), FINE), seen_nm=(10.0, 8.0)), "seen_nm must be two lengths"),
        (lambda: range_of([10, 8]), "voxel_size_nm of a card must be two lengths"),
        (lambda: range_of([8, True]), "voxel_size_nm of a card must be two lengths"),
        (lambda: range_of("8"), "voxel_size_nm of a card must be two lengths"),
        (
            lambda: bring_back(
                BoundaryMap(noise((2, 3, 4)), Grid((2, 3, 4), FINE)), Grid((2, 3, 4), FINE), scale=Scale((1, 1, 2))
            ),
            "drawn must have the shape",
        ),
    ],
)
def test_what_cannot_be_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_card_says_what_its_model_knows():
    assert range_of(None) == SEEN_NM
    assert range_of([4, 6.5]) == (4.0, 6.5)


def test_a_section_that_is_made_of_a_lost_one_is_lost():
    lost = np.array([False, True, False, False, True])
    assert mark_seen(lost, scale=Scale()).tolist() == lost.tolist()
    assert mark_seen(lost, scale=Scale((2, 1, 1))).tolist() == [True, False, True]
    assert mark_seen(lost, scale=Scale(splits=(2, 1, 1))).tolist() == [i in (2, 3, 8, 9) for i in range(10)]
