"""Drops of water: one path for every voxel, also on plateaus and across blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.oversegment import find_basins
from savem3.tiles import split

SHAPE = (5, 6, 7)
FEW_HEIGHTS = st.integers(1, 4)  # so few that most neighbours are equal


def random_height(seed, heights):
    return np.random.default_rng(seed).integers(0, heights, SHAPE).astype(np.int32)


def by_hand(height, linked):
    """Follow every voxel down to the least of (height, flat index) among itself and its neighbours."""
    flat = np.arange(height.size).reshape(height.shape)

    def below(p):
        around = [p]
        for axis in range(0 if linked else 1, 3):
            for step in (-1, 1):
                q = tuple(c + step * (k == axis) for k, c in enumerate(p))
                if 0 <= q[axis] < height.shape[axis]:
                    around.append(q)
        return min(around, key=lambda q: (height[q], flat[q]))

    roots = np.empty(height.shape, int)
    for p in np.ndindex(height.shape):
        q = p
        while below(q) != q:
            q = below(q)
        roots[p] = flat[q]
    return roots


@settings(max_examples=25)
@given(seed=st.integers(0, 99), heights=FEW_HEIGHTS, linked=st.booleans())
def test_every_drop_ends_where_it_does_by_hand(seed, heights, linked):
    height = random_height(seed, heights)
    basins = find_basins(height, tiles=split(SHAPE, block=SHAPE), linked=linked)
    assert (basins.roots[basins.labels - 1] == by_hand(height, linked)).all()
    assert basins.roots.tolist() == sorted(set(basins.roots.tolist()))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    heights=FEW_HEIGHTS,
    linked=st.booleans(),
    block=st.tuples(*[st.integers(1, n) for n in SHAPE]),
    order=st.randoms(use_true_random=False),
    workers=st.integers(1, 3),
)
def test_blocks_their_order_and_workers_change_nothing(seed, heights, linked, block, order, workers):
    height = random_height(seed, heights)
    tiles = split(SHAPE, block=block)
    order.shuffle(tiles)
    whole = find_basins(height, tiles=split(SHAPE, block=SHAPE), linked=linked)
    cut = find_basins(height, tiles=tiles, linked=linked, workers=workers)
    assert cut.labels.tobytes() == whole.labels.tobytes()
    assert cut.roots.tobytes() == whole.roots.tobytes()


def test_two_valleys_are_parted_at_the_ridge():
    height = np.array([[[1, 2, 9, 3, 0]]], np.int32)
    basins = find_basins(height, tiles=split((1, 1, 5), block=(1, 1, 2)), linked=True)
    assert basins.labels.tolist() == [[[1, 1, 1, 2, 2]]]
    assert basins.roots.tolist() == [0, 4]


def test_a_path_through_many_blocks_is_followed_to_its_end():
    height = np.arange(64, dtype=np.int32).reshape(1, 1, 64)[:, :, ::-1].copy()
    basins = find_basins(height, tiles=split((1, 1, 64), block=(1, 1, 1)), linked=True)
    assert basins.roots.tolist() == [63]
    assert (basins.labels == 1).all()


@pytest.mark.parametrize("block", [(1, 2, 2), (4, 5, 6)])
def test_water_does_not_run_between_sections_that_stand_alone(block):
    height = np.arange(4 * 5 * 6, dtype=np.int32).reshape(4, 5, 6)
    basins = find_basins(height, tiles=split(height.shape, block=block), linked=False)
    assert [np.unique(section).tolist() for section in basins.labels] == [[1], [2], [3], [4]]
