from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.sam.windows import Layout, Window


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    scale=st.sampled_from([0.5, 0.75, 1.0, 2.0, 3.7]),
    overlap=st.sampled_from([0.0, 0.125, 0.5]),
)
def test_regular_windows_cover_every_pixel_and_fit_into_a_tile(
    shape: tuple[int, int], scale: float, overlap: float
) -> None:
    layout = Layout(shape, 64, scale, overlap)
    windows = layout.regular()
    for axis, size in enumerate(shape):
        spans = sorted({((w.y, w.rows), (w.x, w.columns))[axis] for w in windows})
        assert (spans[0][0], sum(spans[-1])) == (0, size)
        shared = [start + length - after for (start, length), (after, _) in pairwise(spans)]
        assert all(s >= round(layout.span() * overlap) for s in shared)
    assert all(max(w.seen) <= 64 for w in windows)


@given(st.integers(1, 5000))
def test_a_section_that_is_fitted_is_one_window_as_long_as_the_tile(longest: int) -> None:
    (window,) = Layout((longest, longest // 2 + 1), 1024, 1024 / longest, 0.125).regular()
    assert window.seen[0] == 1024
    assert (window.rows, window.columns) == (longest, longest // 2 + 1)


@given(data=st.data(), shape=st.tuples(st.integers(1, 400), st.integers(1, 400)))
def test_the_window_of_a_prompt_holds_all_of_it_and_lies_in_the_section(
    data: st.DataObject, shape: tuple[int, int]
) -> None:
    spans = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)), label="span")) for n in shape]
    (y, y_stop), (x, x_stop) = spans
    extent = (float(y), float(x), max(y_stop, y + 1e-3), max(x_stop, x + 1e-3))
    if extent[2] > shape[0] or extent[3] > shape[1]:
        return
    window = Layout(shape, 64, 1.0, 0.125).window_of(extent)
    assert window.holds(extent)
    assert 0 <= window.y <= shape[0] - window.rows
    assert 0 <= window.x <= shape[1] - window.columns
    assert max(window.seen) <= 64


@pytest.mark.parametrize(
    ("y", "start"), [(10.0, 0), (59.0, 0), (60.0, 0), (60.5, 56), (102.0, 56), (104.0, 86), (150.0, 86)]
)
def test_a_point_is_answered_on_the_window_whose_middle_is_nearest(y: float, start: int) -> None:
    layout = Layout((150, 40), 64, 1.0, 0.125)
    assert [w.y for w in layout.regular()] == [0, 56, 86]
    assert layout.window_of((y - 1e-3, 5.0, y, 6.0)) == Window(start, 0, 64, 40, 1.0)


def test_a_prompt_over_the_seam_of_windows_gets_one_of_its_own_at_full_scale() -> None:
    layout = Layout((300, 300), 64, 1.0, 0.125)
    window = layout.window_of((40.0, 10.0, 80.0, 30.0))
    assert window == Window(32, 0, 64, 64, 1.0)
    assert window == layout.window_of((42.0, 9.0, 81.0, 31.0)), "prompts nearby share a window"


def test_a_prompt_larger_than_a_tile_is_seen_at_half_or_a_quarter_of_the_scale() -> None:
    layout = Layout((300, 300), 64, 1.0, 0.125)
    assert layout.window_of((40.0, 10.0, 120.0, 30.0)).scale == 0.5
    assert layout.window_of((0.0, 10.0, 200.0, 30.0)).scale == 0.25
    assert layout.window_of((0.0, 0.0, 300.0, 300.0)) == Window(0, 0, 300, 300, 0.125)
