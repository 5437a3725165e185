"""Counting objects by volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.grid import Grid
from savem3.view.sizes import count_by_volume, volumes_um3
from savem3.volume import Labels


def test_volumes_are_in_cubic_micrometres_and_join_sections() -> None:
    labels = Labels(np.array([[[3, 3, 0]], [[3, 9, 0]]], np.uint64), Grid((2, 1, 3), (500.0, 200.0, 100.0)))
    assert volumes_um3(labels) == pytest.approx([0.03, 0.01])


@given(st.lists(st.floats(1e-6, 1e4), min_size=1), st.lists(st.floats(1e-6, 1e4)))
def test_every_object_is_in_one_bin(fragments: list[float], neurons: list[float]) -> None:
    histogram = count_by_volume({"fragments": np.array(fragments, float), "neurons": np.array(neurons, float)})
    assert histogram is not None
    assert [sum(counts) for counts in histogram.counts.values()] == [len(fragments), len(neurons)]
    assert all(len(counts) == histogram.bins for counts in histogram.counts.values())


def test_axes_start_and_stop_at_powers_of_ten() -> None:
    histogram = count_by_volume({"neurons": np.array([0.02, 3.0])})
    assert histogram is not None
    assert (histogram.first_decade, histogram.last_decade, histogram.bins) == (-2, 1, 12)


def test_without_objects_there_is_no_plot() -> None:
    assert count_by_volume({"neurons": np.zeros(0)}) is None
