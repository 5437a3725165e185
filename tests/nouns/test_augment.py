"""Augmentation: turns are symmetries, isotropic volumes may exchange all axes, nothing leaves its range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.augment import change_grey_values, fill, fitting_turn, random_box, random_turn

seeds = st.integers(0, 2**16)


@given(seed=seeds, isotropic=st.booleans())
def test_a_turn_keeps_every_value_and_asks_for_the_shape_it_needs(seed, isotropic):
    turn = random_turn(np.random.default_rng(seed), isotropic=isotropic)
    crop = np.arange(24).reshape(turn.source_shape((2, 3, 4)))
    turned = turn.apply(crop)
    assert turned.shape == (2, 3, 4)
    np.testing.assert_array_equal(np.sort(turned.ravel()), np.arange(24))


def test_sections_stay_sections_where_voxels_are_longer_along_z():
    turns = [random_turn(np.random.default_rng(seed), isotropic=False) for seed in range(300)]
    assert {t.axes for t in turns} == {(0, 1, 2), (0, 2, 1)}
    assert len({(t.axes, t.mirrored) for t in turns}) == 16


def test_all_48_symmetries_of_a_cube_are_drawn():
    rng = np.random.default_rng(0)
    turns = {(t.axes, t.mirrored) for t in (random_turn(rng, isotropic=True) for _ in range(2000))}
    assert len(turns) == 48


def test_thin_volumes_are_not_stood_on_edge():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert fitting_turn(rng, within=(10, 40, 40), shape=(1, 32, 32), isotropic=True).axes[0] == 0


@given(seed=seeds, isotropic=st.booleans())
def test_grey_values_stay_in_range_and_the_input_is_untouched(seed, isotropic):
    raw = np.random.default_rng(1).uniform(-1, 1, (6, 16, 20)).astype(np.float32)
    before = raw.copy()
    changed = change_grey_values(raw, np.random.default_rng(seed), isotropic=isotropic)
    assert changed.shape == raw.shape
    assert np.abs(changed).max() <= 1.5
    np.testing.assert_array_equal(raw, before)


def test_short_crops_are_continued_and_long_boxes_refused():
    np.testing.assert_array_equal(fill(np.array([[[1, 2, 3]]]), (1, 1, 5))[0, 0], [1, 1, 2, 3, 3])
    with pytest.raises(ValueError, match="shape must fit"):
        random_box(np.random.default_rng(0), within=(2, 2, 2), shape=(1, 3, 1))
