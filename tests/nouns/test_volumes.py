"""Grids, volumes, prompts and graphs refuse what they cannot be, and keep what they are."""

import numpy as np
import pytest

from savem3.grid import Box, Grid
from savem3.prompt import BoxPrompt, PointPrompt
from savem3.regions import RegionGraph
from savem3.volume import DistanceMap, Image, IntensityMap, Labels, intensity_of

GRID = Grid((2, 3, 4), (30.0, 6.0, 4.0), (100.0, 0.0, 8.0))


def test_a_grid_knows_its_size_and_whether_axes_may_be_exchanged():
    assert GRID.voxels == 24
    assert GRID.size_um == (0.06, 0.018, 0.016)
    assert not GRID.is_isotropic
    assert Grid((1, 1, 1), (12.0, 8.0, 8.0)).is_isotropic


def test_a_crop_keeps_its_place_in_space():
    crop = GRID.crop(Box((1, 1, 2), (2, 3, 4)))
    assert crop == Grid((1, 2, 2), (30.0, 6.0, 4.0), (130.0, 6.0, 16.0))


def test_coarser_grids_round_their_shape_up():
    assert GRID.coarsen((1, 2, 2)) == Grid((2, 2, 2), (30.0, 12.0, 8.0), (100.0, 0.0, 8.0))


@pytest.mark.parametrize(
    ("shape", "voxel_size", "message"),
    [((0, 3, 4), (1.0, 1.0, 1.0), "shape must be"), ((1, 1, 1), (1.0, 0.0, 1.0), "voxel_size must be"),
     ((1, 1, 1), (1.0, float("nan"), 1.0), "voxel_size must be")],
)  # fmt: skip
def test_impossible_grids_are_refused(shape, voxel_size, message):
    with pytest.raises(ValueError, match=message):
        Grid(shape, voxel_size)


def test_volumes_refuse_other_shapes_and_types():
    with pytest.raises(ValueError, match="Image must have the shape"):
        Image(np.zeros((2, 3, 5), np.uint8), GRID)
    with pytest.raises(TypeError, match="Labels must hold uint64"):
        Labels(np.zeros((2, 3, 4), np.uint32), GRID)


def test_a_crop_of_a_volume_is_a_volume_of_the_same_kind():
    labels = Labels(np.arange(24, dtype=np.uint64).reshape(2, 3, 4), GRID)
    crop = labels.crop(Box((1, 0, 1), (2, 3, 3)))
    assert type(crop) is Labels
    np.testing.assert_array_equal(crop.voxels, [[[13, 14], [17, 18], [21, 22]]])
    assert DistanceMap(np.zeros((2, 3, 4), np.float32), GRID).load().grid == GRID


def test_the_intensity_map_leaves_padding_out_and_is_linear_between_its_ends():
    voxels = np.zeros((10, 10, 10), np.uint8)
    voxels[5:] = np.linspace(50, 150, 500).reshape(5, 10, 10)
    intensity = intensity_of(Image(voxels, Grid(voxels.shape, (8.0, 8.0, 8.0))))
    assert 49 <= intensity.low <= 52
    assert 148 <= intensity.high <= 150
    np.testing.assert_allclose(IntensityMap(50, 150).to_unit(np.array([50, 100, 150, 250])), [-1, 0, 1, 1.4], atol=1e-6)
    np.testing.assert_array_equal(IntensityMap(50, 150).to_uint8(np.array([0, 50, 100, 200])), [0, 0, 128, 255])


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_has_an_intensity_map(value):
    image = Image(np.full((2, 3, 4), value, np.uint8), GRID)
    assert np.isfinite(intensity_of(image).to_unit(image.voxels)).all()


def test_prompts_say_what_they_miss():
    with pytest.raises(ValueError, match="same points"):
        PointPrompt(0, (1.0,), (1.0, 2.0), (True,))
    with pytest.raises(ValueError, match="stop must lie beyond start"):
        BoxPrompt(0, 3.0, 3.0, 1.0, 2.0)


def test_a_graph_names_the_smaller_label_first_and_only_known_ones():
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="smaller label first"):
        RegionGraph(np.ones(2, np.int64), np.array([[2, 1]], np.uint64), one, one, one, one)
    with pytest.raises(ValueError, match="labels 1 to 2, got 3"):
        RegionGraph(np.ones(2, np.int64), np.array([[1, 3]], np.uint64), one, one, one, one)
