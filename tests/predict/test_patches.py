"""The patch grid: every voxel has one owner, whatever box asks; outside the volume lies its reflection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.grid import Box, Grid, Shape
from savem3.predict.patches import PatchGrid, lay_patches, read_reflected
from savem3.tiles import split
from savem3.volume import Image

shapes = st.tuples(st.integers(1, 40), st.integers(1, 60), st.integers(1, 90))
blocks = st.tuples(st.integers(3, 40), st.integers(7, 60), st.integers(9, 90))


def image_of(voxels: np.ndarray) -> Image:
    return Image(voxels.astype(np.uint8), Grid(voxels.shape, (30.0, 6.0, 4.0)))


def owners(patches: PatchGrid, box: Box) -> np.ndarray:
    """For each voxel of a box where the patch that owns it starts; −999 without owner."""
    found = np.full((*box.shape, 3), -999)
    for tile in patches.tiles_of(box):
        assert (found[tile.write.relative_to(box).slices] == -999).all()
        found[tile.write.relative_to(box).slices] = tile.read.start
    return found


@given(shapes, blocks)
def test_every_voxel_has_one_owner_and_it_is_the_same_for_any_blocks(shape: Shape, block: Shape) -> None:
    patches = lay_patches(shape, patch=(8, 16, 24), overlap=(2, 8, 8))
    whole = owners(patches, Box((0, 0, 0), shape))
    assert (whole != -999).all()
    for tile in split(shape, block=block):
        assert (owners(patches, tile.write) == whole[tile.write.slices]).all()


@given(shapes)
def test_a_voxel_is_seen_with_half_the_overlap_around_it_save_at_the_faces(shape: Shape) -> None:
    patches = lay_patches(shape, patch=(8, 16, 24), overlap=(2, 8, 8))
    for tile in patches.tiles_of(Box((0, 0, 0), shape)):
        assert tile.read.shape == patches.patch
        for axis, least in enumerate((1, 4, 4)):
            assert tile.write.start[axis] in (0, *range(tile.read.start[axis] + least, shape[axis]))
            assert tile.write.stop[axis] in (shape[axis], *range(tile.read.stop[axis] - least + 1))


def test_ownership_changes_at_multiples_of_the_step() -> None:
    patches = lay_patches((100, 200, 300), patch=(8, 16, 24), overlap=(2, 8, 8))
    assert patches.step == (6, 8, 16)
    tiles = patches.tiles_of(Box((0, 0, 0), (100, 200, 300)))
    assert {tile.write.start[0] for tile in tiles} == set(range(0, 100, 6))
    assert {tile.write.start[2] for tile in tiles} <= set(range(0, 300, 16))


def test_a_block_between_multiples_of_the_step_costs_no_patch_more() -> None:
    patches = lay_patches((100, 200, 300), patch=(8, 16, 24), overlap=(2, 8, 8))
    assert len(patches.tiles_of(Box((12, 16, 32), (24, 48, 64)))) == 2 * 4 * 2


@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((1, 1, 1), (20, 144, 144)),  # never below about half, so that a thin volume is seen in its reflection
        ((30, 250, 250), (30, 256, 256)),  # one patch, just large enough
        ((64, 400, 400), (35, 240, 240)),  # two, evened out: 2 × 240 − 48 − 24 ≥ 400 (y and x)
        ((500, 2000, 2000), (40, 288, 288)),  # many: as asked
    ],
)
def test_patches_of_short_axes_are_evened_out(shape: Shape, patch: Shape) -> None:
    assert lay_patches(shape, patch=(40, 288, 288), overlap=(4, 48, 48)).patch == patch


@pytest.mark.parametrize("patch", [(0, 16, 16), (4, 12, 16), (4, 16, 20)])
def test_a_patch_that_cannot_be_halved_three_times_is_refused(patch: Shape) -> None:
    with pytest.raises(ValueError, match=r"patch must be multiples of \(1, 8, 8\)"):
        lay_patches((9, 9, 9), patch=patch, overlap=(0, 0, 0))


@pytest.mark.parametrize("overlap", [(3, 8, 8), (2, 4, 8), (2, 16, 8), (-2, 8, 8)])
def test_an_overlap_that_does_not_fit_is_refused(overlap: Shape) -> None:
    with pytest.raises(ValueError, match="overlap must be"):
        lay_patches((9, 9, 9), patch=(8, 24, 24), overlap=overlap)


def test_outside_the_image_lies_its_reflection() -> None:
    image = image_of(np.arange(6).reshape(1, 2, 3))
    seen = read_reflected(image, Box((-1, -1, -2), (2, 3, 5)))
    assert seen[0, 1].tolist() == [2, 1, 0, 1, 2, 1, 0]
    assert seen[0, :, 2].tolist() == [3, 0, 3, 0]
    assert (seen == seen[:1]).all()


@given(st.tuples(st.integers(2, 5), st.integers(2, 6), st.integers(2, 7)), st.integers(0, 11))
def test_the_reflection_is_that_of_numpy(shape: Shape, width: int) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, shape)
    box = Box((-width, -width, -width), (shape[0] + width, shape[1] + width, shape[2] + width))
    assert (read_reflected(image_of(voxels), box) == np.pad(voxels, width, mode="reflect")).all()
