from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from savem3.grid import Box
from savem3.store import LazyVoxels

VOXELS = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
LAZY = LazyVoxels((3, 4, 5), VOXELS.dtype, (1, 4, 5), lambda box: VOXELS[box.slices])


@given(index=arrays.basic_indices((3, 4, 5), allow_newaxis=False))
def test_lazy_voxels_answer_any_index_as_numpy_does(index: object) -> None:
    np.testing.assert_array_equal(LAZY[index], VOXELS[index])  # type: ignore[index]


@given(start=st.integers(-6, 6), stop=st.integers(-6, 6), step=st.sampled_from([-3, -1, 1, 2]))
def test_slices_beyond_the_volume_are_cut_at_its_faces(start: int, stop: int, step: int) -> None:
    np.testing.assert_array_equal(LAZY[start:stop:step], VOXELS[start:stop:step])


def test_only_the_box_that_was_asked_for_is_read() -> None:
    asked: list[Box] = []

    def read(box: Box) -> np.ndarray:
        asked.append(box)
        return VOXELS[box.slices]

    LazyVoxels((3, 4, 5), VOXELS.dtype, (1, 4, 5), read)[1, 2:4, ::-2]
    assert asked == [Box((1, 2, 0), (2, 4, 5))]


def test_a_lazy_volume_becomes_an_array_where_numpy_asks_for_one() -> None:
    np.testing.assert_array_equal(np.asarray(LAZY), VOXELS)
    assert len(LAZY) == 3


@pytest.mark.parametrize("index", [3, (0, -5), (0, 0, 0, 0), (..., ...)])
def test_an_index_outside_the_volume_is_refused(index: object) -> None:
    with pytest.raises(IndexError, match="index must"):
        LAZY[index]


def test_a_list_is_no_index() -> None:
    with pytest.raises(TypeError, match="integers and slices, got list"):
        LAZY[[0, 2]]
