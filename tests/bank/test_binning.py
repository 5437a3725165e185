"""Binning on sections small enough to check by eye."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank.binning import bin_grey, bin_labels, bin_mask


def test_grey_is_the_rounded_mean() -> None:
    grey = np.array([[[10, 20, 1, 2], [30, 47, 3, 4]]], np.uint8)
    assert bin_grey(grey, factor=2).tolist() == [[[27, 2]]]


def test_a_mask_stays_where_half_of_it_is_set() -> None:
    mask = np.array([[[1, 1, 1, 0], [0, 0, 0, 0]]], np.uint8)
    assert bin_mask(mask, factor=2).tolist() == [[[1, 0]]]


def test_a_label_is_the_most_frequent_one() -> None:
    labels = np.array([[[5, 7, 9, 9], [7, 7, 2, 1]]], np.uint64)
    assert bin_labels(labels, factor=2).tolist() == [[[7, 9]]]


def test_an_incomplete_rest_is_cut_off() -> None:
    assert bin_grey(np.zeros((3, 5, 7), np.uint8), factor=2).shape == (3, 2, 3)


@given(st.integers(1, 3), st.integers(0, 9))
def test_binning_undoes_repetition(factor: int, seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 255, (2, 3, 4))
    fine = coarse.repeat(factor, axis=1).repeat(factor, axis=2)
    assert (bin_grey(fine.astype(np.uint8), factor=factor) == coarse).all()
    assert (bin_labels(fine.astype(np.uint64), factor=factor) == coarse).all()
