"""Distances to the membrane: exact in integers up to the cap, in every part of a volume that sees as far."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import whole
from scipy import ndimage

from savem3.grid import Box
from savem3.oversegment.distance import Ruler, ruler_for, squared_distance

SHAPE = (6, 9, 11)


def in_nm(squared, ruler):
    """Squared distances in (nm/16)², cut at the cap."""
    return np.minimum(squared.astype(np.int64) * ruler.unit**2, ruler.cap**2)


def test_a_ruler_counts_in_the_largest_unit_that_all_edges_share():
    assert ruler_for((10.0, 10.0, 10.0), cap_nm=240.0, linked=True) == Ruler((1, 1, 1), 160, 3840)
    assert ruler_for((12.0, 10.0, 11.0), cap_nm=240.0, linked=True) == Ruler((12, 10, 11), 16, 3840)
    assert ruler_for((29.0, 6.0, 4.0), cap_nm=240.0, linked=False).steps[1:] == (3, 2)


def test_the_limit_is_the_first_number_that_is_not_below_the_cap():
    ruler = ruler_for((9.0, 9.0, 9.0), cap_nm=20.0, linked=True)
    assert (ruler.limit - 1) * 9**2 < 20**2 <= ruler.limit * 9**2


@given(seed=st.integers(0, 9), voxel_size=st.sampled_from([(3.0, 5.0, 4.0), (5.0, 5.0, 5.0), (4.6, 4.6, 4.0)]))
def test_capped_distances_are_exact(seed, voxel_size):
    membrane = np.random.default_rng(seed).random(SHAPE) < 0.03
    ruler = ruler_for(voxel_size, cap_nm=14.0, linked=True)
    squared = squared_distance(membrane, ruler, inside=whole(SHAPE), linked=True)
    edges = np.rint(np.array(voxel_size) * 16)
    truth = ndimage.distance_transform_edt(~membrane, edges) if membrane.any() else np.full(SHAPE, 9999.0)
    assert (in_nm(squared, ruler) == np.minimum(np.rint(truth**2), (14 * 16) ** 2)).all()


@pytest.mark.parametrize("cap_nm", [180.0, 182.0, 1900.0])
def test_small_and_large_numbers_give_the_same_distances(cap_nm):
    membrane = np.zeros((3, 5, 300), bool)
    membrane[1, 2, 7] = True
    ruler = ruler_for((7.0, 6.0, 5.0), cap_nm=cap_nm, linked=True)
    assert ruler.dtype == (np.uint16 if cap_nm < 182 else np.int32)
    squared = squared_distance(membrane, ruler, inside=whole(membrane.shape), linked=True)
    z, y, x = np.indices(membrane.shape) - np.array([1, 2, 7])[:, None, None, None]
    assert (in_nm(squared, ruler) == np.minimum((z * 112) ** 2 + (y * 96) ** 2 + (x * 80) ** 2, ruler.cap**2)).all()


@given(
    seed=st.integers(0, 9),
    linked=st.booleans(),
    start=st.tuples(*[st.integers(0, n - 1) for n in SHAPE]),
    size=st.tuples(*[st.integers(1, n) for n in SHAPE]),
)
def test_a_part_of_the_voxels_gets_the_same_distances(seed, linked, start, size):
    membrane = np.random.default_rng(seed).random(SHAPE) < 0.05
    ruler = ruler_for((3.0, 5.0, 4.0), cap_nm=17.0, linked=linked)
    stop = tuple(min(a + n, m) for a, n, m in zip(start, size, SHAPE, strict=True))
    inside = Box(start, stop)
    expected = squared_distance(membrane, ruler, inside=whole(SHAPE), linked=linked)[inside.slices]
    assert (squared_distance(membrane, ruler, inside=inside, linked=linked) == expected).all()


def test_distances_do_not_cross_sections_that_stand_alone():
    membrane = np.zeros((3, 2, 2), bool)
    membrane[1] = True
    ruler = ruler_for((30.0, 6.0, 4.0), cap_nm=50.0, linked=False)
    squared = squared_distance(membrane, ruler, inside=whole((3, 2, 2)), linked=False)
    assert in_nm(squared, ruler)[:, 0, 0].tolist() == [800**2, 0, 800**2]


def test_rows_wider_than_a_strip_are_walked_to_their_end():
    membrane = np.zeros((1, 4, 300), bool)
    membrane[0, 0, [0, 150, 299]] = True
    ruler = ruler_for((5.0, 5.0, 5.0), cap_nm=100.0, linked=True)
    squared = squared_distance(membrane, ruler, inside=whole(membrane.shape), linked=True)
    assert squared[0, 3, [0, 1, 150, 298, 299]].tolist() == [9, 10, 9, 10, 9]
