"""Joining basins: the shallow and the small go across their lowest pass, the rest stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from savem3.oversegment import OversegmentRecipe, find_basins, merge_basins
from savem3.tiles import split


def fragments_of(profile, **numbers):
    """Fragments along one row of heights."""
    height = np.array(profile, np.int32).reshape(1, 1, -1)
    tiles = split(height.shape, block=(1, 1, 4))
    basins = find_basins(height, tiles=tiles, linked=True)
    table = merge_basins(basins, height, tiles=tiles, linked=True, recipe=OversegmentRecipe(**numbers))
    return table[basins.labels].ravel().tolist()


def test_a_shallow_basin_joins_the_deeper_one_behind_its_lowest_pass():
    profile = [0, 90, 50, 70, 10, 80]
    assert fragments_of(profile, dynamics=0, min_size=0) == [1, 1, 2, 3, 3, 3]
    assert fragments_of(profile, dynamics=21, min_size=0) == [1, 1, 2, 2, 2, 2]


def test_dynamics_is_the_depth_below_the_pass_and_equality_stays_apart():
    assert fragments_of([0, 30, 10], dynamics=20, min_size=0) == [1, 1, 2]
    assert fragments_of([0, 30, 10], dynamics=21, min_size=0) == [1, 1, 1]


def test_a_small_basin_joins_however_deep_it_is():
    profile = [5, 900, 0, 950, 800, 700, 600]
    assert fragments_of(profile, dynamics=0, min_size=2) == [1, 1, 1, 1, 2, 2, 2]


def test_what_touches_nothing_stays_although_it_is_small():
    assert fragments_of([3, 2, 1], dynamics=0, min_size=100) == [1, 1, 1]


@given(seed=st.integers(0, 99), dynamics=st.integers(0, 40), min_size=st.integers(0, 30))
def test_after_joining_no_fragment_is_small_and_none_falls_apart(seed, dynamics, min_size):
    height = np.random.default_rng(seed).integers(0, 60, (4, 6, 7)).astype(np.int32)
    tiles = split(height.shape, block=height.shape)
    basins = find_basins(height, tiles=tiles, linked=True)
    recipe = OversegmentRecipe(dynamics=dynamics, min_size=min_size)
    table = merge_basins(basins, height, tiles=tiles, linked=True, recipe=recipe)
    sizes = np.bincount(table[basins.labels].ravel())[1:]
    assert table[0] == 0
    assert sizes.min() >= min(min_size, height.size)
    first_seen = [np.flatnonzero(table == label)[0] for label in range(1, table.max() + 1)]
    assert first_seen == sorted(first_seen)


def test_the_one_that_sinks_keeps_the_number_of_its_smallest_basin():
    assert fragments_of([40, 50, 0, 99, 20], dynamics=20, min_size=0) == [1, 1, 1, 1, 2]
