"""Truth of which a part is known: sections, bodies, nothing near a border; and volumes that lie apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savem3.evaluate import clear_borders, compare, count_pairs, keep_bodies, keep_sections, place
from savem3.grid import Grid
from savem3.tiles import split
from savem3.volume import Labels

SHAPE = (4, 6, 9)
VOXEL_SIZE = (30.0, 6.0, 4.0)
Origin = tuple[float, float, float]
few_labels = arrays(np.uint64, SHAPE, elements=st.integers(0, 2))
blocks = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 9))


def labels(voxels: np.ndarray, *, origin: Origin = (0.0, 0.0, 0.0), voxel_size: Origin = VOXEL_SIZE) -> Labels:
    return Labels(voxels.astype(np.uint64), Grid(voxels.shape, voxel_size, origin))


def in_blocks(truth: Labels, block: tuple[int, int, int]) -> np.ndarray:
    """All voxels, read block by block."""
    found = np.zeros(truth.grid.shape, np.uint64)
    for tile in split(truth.grid.shape, block=block):
        found[tile.write.slices] = truth.read(tile.write)
    return found


def directly_cleared(voxels: np.ndarray, within_nm: float) -> np.ndarray:
    """Pixel by pixel: is there a pixel at a border within reach, in the same section?"""
    _, rows, columns = voxels.shape
    left = voxels.copy()
    for z, section in enumerate(voxels):
        border = [
            (y, x)
            for y in range(rows)
            for x in range(columns)
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            if 0 <= v < rows and 0 <= u < columns and section[v, u] != section[y, x]
        ]
        for y in range(rows):
            for x in range(columns):
                if any(math.hypot(6 * (y - v), 4 * (x - u)) <= within_nm for v, u in border):
                    left[z, y, x] = 0
    return left


@given(few_labels, st.sampled_from([0.0, 4.0, 6.5, 8.0, 13.0]), blocks)
def test_voxels_near_a_border_of_their_section_are_cleared_in_any_blocks(
    voxels: np.ndarray, within_nm: float, block: tuple[int, int, int]
) -> None:
    cleared = in_blocks(clear_borders(labels(voxels), within_nm=within_nm), block)
    np.testing.assert_array_equal(cleared, directly_cleared(voxels, within_nm))


def test_a_border_mask_looks_neither_at_other_sections_nor_at_the_edge_of_the_volume() -> None:
    voxels = np.ones(SHAPE)
    voxels[2] = 5
    np.testing.assert_array_equal(in_blocks(clear_borders(labels(voxels)), SHAPE), voxels)


@pytest.mark.parametrize("within", [-1.0, math.nan, math.inf])
def test_a_border_mask_of_no_width_is_refused(within: float) -> None:
    with pytest.raises(ValueError, match="within_nm must be a length"):
        clear_borders(labels(np.ones(SHAPE)), within_nm=within)


@given(few_labels, st.sets(st.integers(0, 3), min_size=1), blocks)
def test_only_labelled_sections_are_compared(voxels: np.ndarray, kept: set[int], block: tuple[int, int, int]) -> None:
    truth = keep_sections(labels(voxels), kept)
    expected = np.where(np.isin(np.arange(4), list(kept))[:, None, None], voxels, 0)
    np.testing.assert_array_equal(in_blocks(truth, block), expected)


class Watched:
    """Voxels that remember which sections were read."""

    def __init__(self, voxels: np.ndarray) -> None:
        self.voxels, self.read = voxels, set[int]()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.voxels.shape

    @property
    def dtype(self) -> np.dtype:
        return self.voxels.dtype

    def __getitem__(self, index: tuple[slice, slice, slice]) -> np.ndarray:
        self.read |= set(range(4)[index[0]])
        return self.voxels[index]


def test_sections_without_labels_are_not_read_of_either_volume() -> None:
    voxels = [Watched(np.ones(SHAPE, np.uint64)) for _ in range(2)]
    segmentation, truth = (Labels(v, Grid(SHAPE, VOXEL_SIZE)) for v in voxels)
    assert compare(segmentation, keep_sections(truth, [1, 3]), block=(1, 6, 9)).voxels == 2 * 6 * 9
    assert [v.read for v in voxels] == [{1, 3}, {1, 3}]


@pytest.mark.parametrize("sections", [[], [4], [-1, 2]])
def test_sections_that_are_not_there_are_refused(sections: list[int]) -> None:
    with pytest.raises(ValueError, match="sections must lie in 0 to 3"):
        keep_sections(labels(np.ones(SHAPE)), sections)


@given(few_labels, few_labels, blocks)
def test_only_labelled_bodies_are_compared(
    segmentation: np.ndarray, voxels: np.ndarray, block: tuple[int, int, int]
) -> None:
    found = compare(labels(segmentation), keep_bodies(labels(voxels), [2, 9]), block=block)
    expected = count_pairs(segmentation, np.where(voxels == 2, voxels, 0).astype(np.uint64))
    assert found.segments.tolist() == expected.segments.tolist()
    assert found.counts.tolist() == expected.counts.tolist()
    assert set(found.bodies.tolist()) <= {2}


def test_volumes_of_one_shape_are_compared_as_they_are() -> None:
    ours, theirs = labels(np.ones(SHAPE)), labels(np.ones(SHAPE), origin=(0.0, 60.0, 0.0))
    placed = place(ours, theirs)
    assert (placed.segmentation, placed.truth, placed.told) == (ours, theirs, None)


def test_half_a_voxel_is_the_same_place() -> None:
    placed = place(labels(np.ones(SHAPE), origin=(15.0, 3.0, 2.0)), labels(np.ones(SHAPE), origin=(30.0, 6.0, 4.0)))
    assert placed.segmentation.grid.shape == SHAPE


def test_a_crop_is_placed_by_its_origin_and_it_is_told() -> None:
    whole = np.arange(4 * 6 * 9).reshape(SHAPE)
    crop = labels(whole[1:3, 2:6, 5:7], origin=(30.0, 12.0, 20.0))
    for placed in (place(labels(whole), crop), place(crop, labels(whole))):
        np.testing.assert_array_equal(placed.segmentation.voxels[...], whole[1:3, 2:6, 5:7])
        np.testing.assert_array_equal(placed.truth.voxels[...], whole[1:3, 2:6, 5:7])
        assert placed.told is not None
        assert "the overlap of (2, 4, 2) voxels" in placed.told


def test_two_crops_meet_in_what_both_hold() -> None:
    whole = np.arange(4 * 6 * 9).reshape(SHAPE)
    ours = labels(whole[:3, 1:5, :8], origin=(300.0, 6.0, 40.0))
    theirs = labels(whole[1:, 2:6, 1:9], origin=(330.0, 12.0, 44.0))
    placed = place(ours, theirs)
    np.testing.assert_array_equal(placed.segmentation.voxels[...], whole[1:3, 2:5, 1:8])
    np.testing.assert_array_equal(placed.truth.voxels[...], whole[1:3, 2:5, 1:8])


def test_other_voxel_sizes_are_told_or_refused() -> None:
    half = (30.0, 3.0, 2.0)
    placed = place(labels(np.ones(SHAPE), voxel_size=half), labels(np.ones(SHAPE)))
    assert placed.told is not None
    assert placed.told.startswith("Compared voxel by voxel, although")
    with pytest.raises(ValueError, match="segmentation must have the voxel size of truth"):
        place(labels(np.ones((4, 12, 18)), voxel_size=half, origin=(0.0, 0.0, 2.0)), labels(np.ones(SHAPE)))


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ((0.0, 0.0, 0.0), "neither file carries one"),
        ((0.0, 0.0, 400.0), "segmentation must overlap with truth"),
        ((45.0, 0.0, 0.0), "origins must lie whole voxels"),
    ],
)
def test_volumes_that_cannot_be_placed_are_refused(origin: Origin, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place(labels(np.ones((2, 3, 4)), origin=origin), labels(np.ones(SHAPE)))
