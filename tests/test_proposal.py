"""The laws of putting a mask in a label's place, and masks as run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.proposal import Proposal, mask_of, put, runs_of


@given(st.integers(0, 9999))
def test_putting_a_mask_clears_the_old_one_and_takes_no_others_pixel(seed):
    rng = np.random.default_rng(seed)
    section = rng.choice(np.array([0, 4, 9, 2**63 + 1], np.uint64), (7, 11))
    box, mask = (slice(1, 6), slice(2, 9)), rng.random((5, 7)) < 0.5
    before = section.copy()
    after = put(section, 9, box, mask)
    np.testing.assert_array_equal(section, before)
    inside = np.zeros(section.shape, bool)
    inside[box] = True
    whole = np.zeros(section.shape, bool)
    whole[box] = mask
    np.testing.assert_array_equal(after[~inside], section[~inside])
    others = (section != 9) & (section != 0)
    np.testing.assert_array_equal(after[others], section[others])
    np.testing.assert_array_equal((after == 9)[inside & ~others], whole[inside & ~others])
    np.testing.assert_array_equal(put(after, 9, box, mask), after)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask must have the shape \(2, 3\) of its crop, got \(2, 2\)"):
        put(np.zeros((4, 5), np.uint64), 1, (slice(0, 2), slice(0, 3)), np.ones((2, 2), bool))


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 9999))
def test_run_lengths_read_again_are_the_mask(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.6
    runs = runs_of(mask)
    np.testing.assert_array_equal(mask_of(runs, (height, width)), mask)
    assert sum(runs) == mask.size
    assert all(runs[1:])


def test_the_first_run_is_of_pixels_outside():
    assert runs_of(np.array([[True, True, False], [False, True, True]])) == [0, 2, 2, 2]
    assert runs_of(np.zeros((2, 3), bool)) == [6]


def test_a_proposal_without_pixels_is_refused_and_a_box_is_where_its_crop_lies():
    none, some = np.zeros((0, 3), bool), np.zeros((2, 3), bool)
    with pytest.raises(ValueError, match=r"old and new must be masks of one shape, got \(0, 3\) and \(0, 3\)"):
        Proposal("a", "b", 0, 1, 0, 0, none, none, 0.5, 0.5)
    assert Proposal("a", "b", 0, 1, 4, 5, some, some, 0.5, 0.5).box == (slice(4, 6), slice(5, 8))
