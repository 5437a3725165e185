"""A colour for every label."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from savem3.view import colours_of


def test_background_is_transparent_and_labels_are_opaque() -> None:
    colours = colours_of(np.array([[0, 1], [7, 2**64 - 1]], np.uint64))
    assert colours.shape == (2, 2, 4)
    assert colours[..., 3].tolist() == [[0, 255], [255, 255]]
    assert colours[0, 0].tolist() == [0, 0, 0, 0]


def test_colours_stay_what_they_are_from_version_to_version() -> None:
    found = colours_of(np.array([1, 2, 3], np.uint64))[:, :3].tolist()
    assert found == [[255, 162, 66], [164, 86, 209], [0, 211, 255]]


@given(st.integers(1, 2**64 - 20))
def test_neighbouring_numbers_differ_in_colour(first: int) -> None:
    colours = colours_of(np.array(range(first, first + 12), np.uint64))[:, :3].astype(int)
    assert len({tuple(colour) for colour in colours}) >= 9


def test_colours_are_vivid() -> None:
    colours = colours_of(np.arange(1, 2000, dtype=np.uint64))[:, :3].astype(float)
    assert (np.ptp(colours, axis=1) > 60).all()
    assert (colours.max(axis=1) > 110).all()


def test_colours_are_spread_over_all_hues() -> None:
    colours = colours_of(np.arange(1, 2000, dtype=np.uint64))[:, :3]
    strongest = np.bincount(colours.argmax(axis=1), minlength=3)
    assert (strongest > 200).all()
