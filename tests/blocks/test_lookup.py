"""Tables for labels: 0 stays 0, and a part of a table is enough."""

import numpy as np
import pytest

from savem3.blocks.lookup import ends_of, look_up


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_each_label_becomes_what_the_table_says_and_0_stays(dtype):
    labels = np.array([[[7, 0], [9, 7]]], dtype)
    found = look_up(labels, np.array([70, 80, 2**40], np.uint64), first=7)
    assert found.dtype == np.uint64
    assert found.tolist() == [[[70, 0], [2**40, 70]]]


def test_labels_that_lie_scattered_in_memory_are_read_in_their_order():
    labels = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)[:, ::2, 1::2]
    assert (look_up(labels, np.arange(1, 24, dtype=np.uint32)) == labels).all()


def test_the_ends_leave_out_0():
    assert ends_of(np.array([[[0, 9, 4]]], np.uint64)) == (4, 9)
    assert ends_of(np.array([[[5]]], np.uint32)) == (5, 5)
    assert ends_of(np.zeros((1, 1, 2), np.uint64)) == (1, 0)
