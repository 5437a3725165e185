"""Drops of water: one path for every voxel, also on plateaus and out of a block."""

import numpy as np
from definition import neighbours, roots_by_definition
from hypothesis import given, settings
from hypothesis import strategies as st
from made import whole

from savem3.grid import Box
from savem3.oversegment.descent import descend

SHAPE = (5, 6, 7)
FEW_HEIGHTS = st.integers(1, 4)  # so few that most neighbours are equal


def random_height(seed, heights, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, heights, shape).astype(np.uint16)


def descend_all(height, linked=True):
    box = whole(height.shape)
    return descend(height, box, box, volume=height.shape, linked=linked)


@settings(max_examples=25)
@given(seed=st.integers(0, 99), heights=FEW_HEIGHTS, linked=st.booleans())
def test_every_drop_ends_where_the_definition_says(seed, heights, linked):
    height = random_height(seed, heights)
    descent = descend_all(height, linked)
    assert (descent.ends[descent.basins.astype(int) - 1] == roots_by_definition(height, linked)).all()
    assert descent.ends.tolist() == sorted(set(descent.ends.tolist()))
    assert descent.sizes.tolist() == np.bincount(descent.basins.ravel())[1:].tolist()
    assert descent.height.tolist() == height.reshape(-1)[descent.ends].tolist()
    assert descent.roots == len(descent.ends)


def is_in(box, p):
    return all(a <= c < b for a, b, c in zip(box.start, box.stop, p, strict=True))


def lowest_around(height, p, linked):
    return min([p, *neighbours(p, height.shape, linked)], key=lambda q: (height[q], q))


@settings(max_examples=25)
@given(seed=st.integers(0, 99), heights=FEW_HEIGHTS, linked=st.booleans())
def test_a_drop_that_leaves_its_box_ends_in_the_first_voxel_outside(seed, heights, linked):
    height = random_height(seed, heights)
    box = Box((1, 2, 0), (4, 5, 4))
    around = box.grow((int(linked), 1, 1), within=SHAPE)
    descent = descend(height[around.slices], around, box, volume=SHAPE, linked=linked)
    for p in np.ndindex(box.shape):
        q = tuple(a + b for a, b in zip(p, box.start, strict=True))
        while is_in(box, q) and (below := lowest_around(height, q, linked)) != q:
            q = below
        number = int(descent.basins[p])
        assert descent.ends[number - 1] == np.ravel_multi_index(q, SHAPE)
        assert (number <= descent.roots) == is_in(box, q)
        assert descent.height[number - 1] == height[q]


def test_two_valleys_are_parted_at_the_ridge():
    descent = descend_all(np.array([[[1, 2, 9, 3, 0]]], np.uint16))
    assert descent.basins.tolist() == [[[1, 1, 1, 2, 2]]]
    assert descent.ends.tolist() == [0, 4]


def test_the_largest_and_the_smallest_height_are_heights_like_others():
    assert descend_all(np.full((2, 3, 4), 65535, np.uint16)).ends.tolist() == [0]
    assert descend_all(np.array([[[65535, 0, 65535]]], np.uint16)).ends.tolist() == [1]


def test_more_roots_and_exits_than_there_is_room_for_at_first_are_all_kept():
    checks = np.indices((6, 12, 14)).sum(0) % 2
    assert len(descend_all(checks.astype(np.uint16)).ends) == 6 * 12 * 14 // 2
    slope = np.arange(14 * 15 * 6)[::-1].reshape(6, 15, 14).astype(np.uint16)
    box = Box((0, 0, 0), (5, 15, 14))
    descent = descend(slope, whole(slope.shape), box, volume=slope.shape, linked=True)
    assert len(descent.ends) - descent.roots == 15 * 14
