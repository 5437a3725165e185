"""Smoothing in fixed point: the sum of seven voxels as it stands in the definition, along every axis."""

import numpy as np
import pytest
from definition import smooth_by_definition
from hypothesis import given
from hypothesis import strategies as st

from savem3.oversegment.smoothing import WEIGHTS, smooth


@given(
    seed=st.integers(0, 99),
    linked=st.booleans(),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
)
def test_every_sum_is_that_of_the_definition(seed, linked, shape):
    height = np.random.default_rng(seed).integers(0, 65536, shape)
    expected = height
    for axis in (2, 1, 0) if linked else (2, 1):
        expected = smooth_by_definition(expected, axis)
    assert (smooth(height.astype(np.uint16), linked=linked) == expected).all()


@pytest.mark.parametrize("value", [0, 1, 32768, 65535])
def test_smoothing_keeps_a_constant(value):
    assert WEIGHTS.sum() == 4096
    assert (smooth(np.full((2, 3, 9), value, np.uint16), linked=True) == value).all()
