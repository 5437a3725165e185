"""Synthetic tissue: a function of its seed, dense, and dark where its membranes are."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest

from savem3.bank import make_synthetic
from savem3.bank.neurites import smooth_noise
from savem3.bank.staining import project
from savem3.grid import Grid
from savem3.volume import Sample

BLOCK = Grid((20, 32, 40), (10.0, 10.0, 10.0))
SERIES = Grid((4, 48, 56), (40.0, 5.0, 5.0))


@pytest.fixture(scope="module", params=[BLOCK, SERIES], ids=["block", "series"])
def sample(request: pytest.FixtureRequest) -> Sample:
    return make_synthetic(3, grid=request.param)


def test_the_same_seed_gives_the_same_bytes(sample: Sample) -> None:
    again = make_synthetic(3, grid=sample.image.grid)
    for one, two in ((sample.image, again.image), (sample.labels, again.labels), (sample.boundary, again.boundary)):
        assert np.asarray(one.voxels).tobytes() == np.asarray(two.voxels).tobytes()


def test_another_seed_gives_another_volume(sample: Sample) -> None:
    other = make_synthetic(4, grid=sample.image.grid)
    assert (other.image.voxels != sample.image.voxels).any()
    assert (other.labels.voxels != sample.labels.voxels).any()


def test_every_voxel_belongs_to_one_of_several_cells(sample: Sample) -> None:
    cells = np.unique(sample.labels.voxels)
    assert cells[0] > 0
    assert len(cells) > 3
    assert sample.linked


def test_membranes_are_darker_than_cells(sample: Sample) -> None:
    grey, membrane = np.asarray(sample.image.voxels), np.asarray(sample.boundary.voxels) == 255
    assert grey[membrane].mean() < grey[~membrane].mean() - 10


def test_every_noun_lies_on_the_grid_that_was_asked_for(sample: Sample) -> None:
    for noun in (sample.image, sample.labels, sample.boundary, sample.distance):
        assert noun.grid in (BLOCK, SERIES)
        assert noun.grid == sample.image.grid


def test_cells_of_a_block_seldom_fall_into_pieces() -> None:
    labels = np.asarray(make_synthetic(5, grid=BLOCK).labels.voxels)
    pieces = cc3d.connected_components(labels, connectivity=6, return_N=True)[1]
    assert len(np.unique(labels)) <= pieces <= 1.5 * len(np.unique(labels))


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        make_synthetic(-1, grid=BLOCK)


def test_noise_has_the_shape_of_its_grid_and_unit_deviation() -> None:
    grid = Grid((11, 53, 71), (30.0, 6.0, 4.0))
    noise = smooth_noise(np.random.default_rng(0), grid=grid, scale_nm=20.0)
    assert noise.shape == grid.shape
    assert 0.6 < noise.std() < 1.3


def test_a_section_is_the_mean_of_its_layers() -> None:
    layers = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    assert project(layers, layers=2)[:, 0, 0].tolist() == [0.5, 2.5]
