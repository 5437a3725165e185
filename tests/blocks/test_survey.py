import numpy as np
import pytest

from savem3.blocks import survey
from savem3.grid import Grid
from savem3.volume import Image, intensity_of


@pytest.fixture
def image():
    voxels = np.random.default_rng(0).integers(20, 240, (35, 17, 23)).astype(np.uint8)
    return Image(voxels, Grid((35, 17, 23), (30.0, 6.0, 4.0)))


def test_a_survey_counts_as_the_intensity_map_does(image):
    assert survey(image, workers=2).intensity == intensity_of(image)


def test_one_changed_voxel_changes_the_digest_and_threads_do_not(image):
    other = image.voxels.copy()
    other[34, 16, 22] ^= 1
    assert survey(image).sha256 == survey(image, workers=3).sha256
    assert survey(image).sha256 != survey(Image(other, image.grid)).sha256


def test_the_same_voxels_in_another_shape_are_another_volume(image):
    turned = Image(image.voxels.reshape(17, 35, 23), Grid((17, 35, 23), (30.0, 6.0, 4.0)))
    assert survey(image).sha256 != survey(turned).sha256


@pytest.mark.parametrize(("value", "constant"), [(0, True), (128, True), (255, True)])
def test_a_volume_of_one_value_is_told(image, value, constant):
    assert survey(Image(np.full_like(image.voxels, value), image.grid)).is_constant == constant
    assert not survey(image).is_constant
