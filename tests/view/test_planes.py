"""Which planes are shown, and that nothing else is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.grid import Box, Grid
from savem3.view.planes import check_shapes, read_plane, shown_box, spread
from savem3.volume import Image, Labels

VOXEL_SIZE = (30.0, 6.0, 4.0)


class Lazy:
    """Voxels that remember how many were read."""

    def __init__(self, voxels: np.ndarray) -> None:
        self.voxels, self.shape, self.dtype, self.read = voxels, voxels.shape, voxels.dtype, 0

    def __getitem__(self, index: Any, /) -> Any:
        part = self.voxels[index]
        self.read += part.size
        return part


def numbered(shape: tuple[int, int, int]) -> Labels:
    return Labels(np.arange(np.prod(shape), dtype=np.uint64).reshape(shape), Grid(shape, VOXEL_SIZE))


def test_a_small_volume_is_shown_whole_and_a_large_one_in_the_middle() -> None:
    assert shown_box(Grid((2, 30, 40), VOXEL_SIZE)) == Box((0, 0, 0), (2, 30, 40))
    assert shown_box(Grid((3, 31, 40), VOXEL_SIZE), at_most=(5, 11, 20)) == Box((0, 10, 10), (3, 21, 30))


def test_planes_lie_in_the_middles_of_equal_shares() -> None:
    box = Box((10, 0, 0), (22, 5, 4))
    assert [plane.index for plane in spread(box, axis="z", count=3)] == [12, 16, 20]
    assert [plane.name for plane in spread(box, axis="y", count=1)] == ["xz, y = 2"]
    assert spread(box, axis="x", count=1)[0].box == Box((10, 0, 2), (22, 5, 3))


@given(st.integers(1, 9), st.integers(1, 30))
def test_planes_are_inside_and_no_plane_comes_twice(size: int, count: int) -> None:
    indices = [plane.index for plane in spread(Box((5, 0, 0), (5 + size, 1, 1)), axis="z", count=count)]
    assert len(set(indices)) == len(indices) == min(size, count)
    assert all(5 <= index < 5 + size for index in indices)


@pytest.mark.parametrize(("axis", "expected"), [("z", (4, 5)), ("y", (3, 5)), ("x", (3, 4))])
def test_only_the_plane_is_read(axis: str, expected: tuple[int, int]) -> None:
    lazy = Lazy(np.zeros((3, 4, 5), np.uint64))
    plane = spread(Box((0, 0, 0), (3, 4, 5)), axis=axis, count=1)[0]
    assert read_plane(Labels(lazy, Grid((3, 4, 5), VOXEL_SIZE)), plane).shape == expected
    assert lazy.read == np.prod(expected)


@given(st.integers(1, 12))
def test_coarser_labels_are_labels_that_were_there(longest: int) -> None:
    labels = numbered((1, 7, 11))
    plane = spread(labels.grid.box, axis="z", count=1)[0]
    coarse = read_plane(labels, plane, longest=longest)
    assert max(coarse.shape) == min(longest, 11)
    assert np.isin(coarse, labels.voxels[:]).all()
    assert len(np.unique(coarse)) == coarse.size


def test_coarser_grey_values_are_means() -> None:
    grey = np.array([[[0, 100, 7, 9], [20, 40, 1, 3]]], np.uint8)
    image = Image(grey, Grid((1, 2, 4), VOXEL_SIZE))
    plane = spread(image.grid.box, axis="z", count=1)[0]
    assert read_plane(image, plane, longest=2).tolist() == [[40, 5]]


def test_volumes_of_other_shapes_are_refused_by_name() -> None:
    image = Image(np.zeros((1, 2, 4), np.uint8), Grid((1, 2, 4), VOXEL_SIZE))
    with pytest.raises(ValueError, match=r"Labels must have the shape of the image \(1, 2, 4\), got \(1, 4, 2\)"):
        check_shapes(image, None, numbered((1, 4, 2)))
