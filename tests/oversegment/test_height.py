"""The height: what the definition says, to the last bit, and the same in every block that sees its halo."""

import numpy as np
import pytest
from definition import height_by_definition
from hypothesis import given, settings
from hypothesis import strategies as st
from made import whole
from scipy import ndimage

from savem3.grid import Grid
from savem3.oversegment import STANDARD, OversegmentRecipe, halo_of, height_of
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap

ISOTROPIC, SECTIONS = (8.0, 10.0, 9.0), (30.0, 6.0, 4.0)
SHORT = OversegmentRecipe(distance_cap_nm=40.0)


def boundary_map(voxel_size, seed=0, shape=(9, 14, 19)):
    rng = np.random.default_rng(seed)
    smoothed = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    voxels = np.clip(smoothed * 900 + 60, 0, 255).astype(np.uint8)
    return BoundaryMap(voxels, Grid(shape, voxel_size))


def height_of_all(boundary, recipe):
    box = whole(boundary.grid.shape)
    return height_of(boundary, Tile(box, box), recipe=recipe)


def in_floats(boundary, recipe):
    """The formula of the method with scipy, section by section unless isotropic."""
    b, size, linked = boundary.voxels.astype(float), boundary.grid.voxel_size, boundary.grid.is_isotropic
    inside = b < recipe.membrane_from
    if linked:
        distance = ndimage.distance_transform_edt(inside, size)
    else:
        distance = np.stack([ndimage.distance_transform_edt(section, size[1:]) for section in inside])
    h = 2.0 * b / 255 - np.minimum(distance, recipe.distance_cap_nm) / recipe.distance_cap_nm
    return (ndimage.gaussian_filter(h, (linked, 1, 1), truncate=3, mode="nearest") + 1) / 3 * 65535


@pytest.mark.parametrize("recipe", [SHORT, STANDARD])
@pytest.mark.parametrize("voxel_size", [ISOTROPIC, SECTIONS, (10.0, 10.0, 10.0)])
def test_the_height_is_that_of_the_formula(voxel_size, recipe):
    boundary = boundary_map(voxel_size)
    height = height_of_all(boundary, recipe)
    assert height.dtype == np.uint16
    assert np.abs(height - in_floats(boundary, recipe)).max() < 70  # a thousandth of the range
    assert (height == height_by_definition(boundary.voxels, voxel_size, recipe)).all()


@settings(max_examples=25)
@given(
    seed=st.integers(0, 9),
    voxel_size=st.sampled_from([ISOTROPIC, SECTIONS]),
    block=st.tuples(st.integers(2, 9), st.integers(3, 14), st.integers(3, 19)),
)
def test_blocks_with_their_halo_give_the_same_height(seed, voxel_size, block):
    boundary = boundary_map(voxel_size, seed)
    expected = height_of_all(boundary, SHORT)
    for tile in split(boundary.grid.shape, block=block, halo=halo_of(boundary.grid, recipe=SHORT)):
        assert (height_of(boundary, tile, recipe=SHORT) == expected[tile.write.slices]).all()


@pytest.mark.parametrize("missing", [2, 3])
def test_a_smaller_halo_would_show(missing):
    grid = Grid((1, 3, 24), (10.0, 10.0, 10.0))
    boundary = BoundaryMap(np.zeros(grid.shape, np.uint8), grid)
    boundary.voxels[:, :, 0] = 255
    _, y, x = halo_of(grid, recipe=SHORT)
    expected = height_of_all(boundary, SHORT)
    cut = [
        height_of(boundary, tile, recipe=SHORT)
        for tile in split(grid.shape, block=(1, 3, 3), halo=(1, y, x - 1 - missing))
    ]
    assert not (np.concatenate(cut, axis=2) == expected).all()


@pytest.mark.parametrize(("value", "height"), [(255, 65535), (0, 0)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 4), (3, 4, 5)])
def test_a_constant_map_is_flat(value, height, shape):
    boundary = BoundaryMap(np.full(shape, value, np.uint8), Grid(shape, ISOTROPIC))
    assert (height_of_all(boundary, STANDARD) == height).all()


def test_the_boundary_map_is_not_changed():
    boundary = boundary_map(ISOTROPIC)
    before = boundary.voxels.copy()
    boundary.voxels.setflags(write=False)
    height_of_all(boundary, STANDARD)
    assert (boundary.voxels == before).all()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"membrane_from": 256}, "membrane_from must lie between 0 and 255, got 256"),
        ({"distance_cap_nm": 0.0}, "distance_cap_nm must lie above 0"),
        ({"min_size": -1}, "dynamics and min_size must be at least 0, got [0-9]+ and -1"),
    ],
)
def test_a_recipe_with_a_number_out_of_range_is_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        OversegmentRecipe(**numbers)
