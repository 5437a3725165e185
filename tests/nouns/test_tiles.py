"""Tiles write each voxel exactly once, whatever the volume, block, patch and overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.tiles import patch_tiles, split

lengths = st.integers(1, 13)
shapes = st.tuples(lengths, lengths, lengths)


@given(shape=shapes, block=shapes, halo=st.tuples(*[st.integers(0, 3)] * 3))
def test_blocks_write_each_voxel_once_and_read_it_too(shape, block, halo):
    written = np.zeros(shape, int)
    for tile in split(shape, block=block, halo=halo):
        written[tile.write.slices] += 1
        assert tile.read.intersect(tile.write) == tile.write
        assert tile.read.grow((0, 0, 0), within=shape) == tile.read
    assert (written == 1).all()


@given(data=st.data(), patch=shapes)
def test_patches_own_each_voxel_once_and_never_leave_the_volume(data, patch):
    shape = tuple(data.draw(st.integers(p, p + 17)) for p in patch)
    overlap = tuple(data.draw(st.integers(0, p - 1)) for p in patch)
    written = np.zeros(shape, int)
    for tile in patch_tiles(shape, patch=patch, overlap=overlap):
        written[tile.write.slices] += 1
        assert tile.read.shape == patch
        assert tile.read.grow((0, 0, 0), within=shape) == tile.read
        assert tile.read.intersect(tile.write) == tile.write
    assert (written == 1).all()


def test_a_voxel_between_two_patches_is_owned_by_the_one_whose_middle_is_nearer():
    tiles = patch_tiles((1, 1, 14), patch=(1, 1, 8), overlap=(0, 0, 2))
    assert [(t.write.start[2], t.write.stop[2]) for t in tiles] == [(0, 7), (7, 14)]


def test_a_patch_larger_than_the_volume_is_refused():
    with pytest.raises(ValueError, match="patch must fit into the volume"):
        patch_tiles((4, 4, 4), patch=(4, 5, 4), overlap=(0, 0, 0))
    with pytest.raises(ValueError, match="overlap must be"):
        patch_tiles((4, 4, 4), patch=(4, 4, 4), overlap=(4, 0, 0))
    with pytest.raises(ValueError, match="block must be"):
        split((4, 4, 4), block=(0, 1, 1))
