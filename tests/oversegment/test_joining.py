"""Joining basins: the shallow and the small go across their lowest pass, the rest stays."""

import numpy as np
import pytest
from definition import fragments_by_definition
from hypothesis import given, settings
from hypothesis import strategies as st
from made import fragments_of_height

from savem3.oversegment import OversegmentRecipe


def fragments_of(profile, *, block=4, **numbers):
    """Fragments along one row of heights."""
    recipe = OversegmentRecipe(**numbers)
    return fragments_of_height([[profile]], block=(1, 1, block), linked=True, recipe=recipe).ravel().tolist()


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


def test_the_one_that_sinks_keeps_the_number_of_its_smallest_basin():
    assert fragments_of([40, 50, 0, 99, 20], dynamics=20, min_size=0) == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("block", range(1, 13))
def test_at_equal_passes_the_smallest_roots_go_first_wherever_blocks_end(block):
    profile = [9, 50, 9, 9, 50, 9, 9, 9, 50, 9, 50, 9]
    joined = fragments_of(profile, block=12, dynamics=0, min_size=4)
    assert joined == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]
    assert fragments_of(profile, block=block, dynamics=0, min_size=4) == joined


@pytest.mark.parametrize("block", range(1, 13))
def test_what_is_small_in_one_block_is_not_taken_for_small(block):
    profile = [60, 50, 40, 30, 20, 10, 99, 20, 40, 99, 10, 40]
    assert fragments_of(profile, block=block, dynamics=0, min_size=3) == [1] * 9 + [2] * 3


def test_a_path_through_many_blocks_is_followed_to_its_end():
    assert fragments_of(range(64, 0, -1), block=1, dynamics=0, min_size=0) == [1] * 64


def test_a_path_that_leaves_a_block_and_comes_back_is_one_basin():
    height = np.array([[[9, 8, 7], [30, 30, 6], [3, 4, 5]]])
    recipe = OversegmentRecipe(dynamics=0, min_size=0)
    fragments = fragments_of_height(height, block=(1, 3, 2), linked=True, recipe=recipe)
    assert (fragments == fragments_by_definition(height, linked=True, dynamics=0, min_size=0)).all()
    assert fragments[0, 0, 0] == fragments[0, 2, 0]


@pytest.mark.parametrize("block", [(1, 2, 2), (4, 5, 6)])
def test_water_does_not_run_between_sections_that_stand_alone(block):
    height = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    recipe = OversegmentRecipe(dynamics=9999, min_size=999)
    fragments = fragments_of_height(height, block=block, linked=False, recipe=recipe)
    assert [np.unique(section).tolist() for section in fragments] == [[1], [2], [3], [4]]


@settings(max_examples=30)
@given(
    seed=st.integers(0, 999),
    heights=st.sampled_from([2, 4, 60, 60000]),
    linked=st.booleans(),
    dynamics=st.integers(0, 40),
    min_size=st.integers(0, 30),
    block=st.sampled_from([(1, 5, 6), (3, 1, 6), (2, 3, 3), (3, 2, 4), (2, 5, 2)]),
)
def test_every_cut_into_blocks_gives_what_the_definition_says(seed, heights, linked, dynamics, min_size, block):
    height = np.random.default_rng(seed).integers(0, heights, (3, 5, 6))
    dynamics = dynamics * max(1, heights // 100)
    expected = fragments_by_definition(height, linked=linked, dynamics=dynamics, min_size=min_size)
    recipe = OversegmentRecipe(dynamics=dynamics, min_size=min_size)
    cut = fragments_of_height(height, block=block, linked=linked, recipe=recipe, seed=seed)
    assert (cut == expected.astype(np.int64)).all()


@given(seed=st.integers(0, 99), dynamics=st.integers(0, 40), min_size=st.integers(0, 30))
def test_after_joining_no_fragment_is_small(seed, dynamics, min_size):
    height = np.random.default_rng(seed).integers(0, 60, (4, 6, 7))
    recipe = OversegmentRecipe(dynamics=dynamics, min_size=min_size)
    sizes = np.bincount(fragments_of_height(height, block=(4, 6, 7), linked=True, recipe=recipe).ravel())
    assert sizes[0] == 0
    assert sizes[1:].min() >= min(min_size, height.size)
