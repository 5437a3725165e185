"""The page about masks holds all it shows, says what it was given, and runs nothing."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import numpy as np
import pytest

from savem3.view.statistics import CELLS, LEFT, LOW, RIGHT, TOP, MaskTable, heat_map, kind_of, plots_of, statistics_page

HOSTILE = "</style><script>alert(1)</script>\"'{{ 7 * 7 }}"
NAMES = ("area_px", "area_nm2", "relative_size", "concavity", "thinness", "centre_y", "centre_x", "off_centre")


def table(dataset: str = "cord", masks: int = 1234, **columns: list[float]) -> MaskTable:
    count = len(next(iter(columns.values()), [0.0] * 3))
    plain = {name: np.full(count, 0.25) for name in NAMES} | {"area_nm2": np.full(count, 4e4)}
    given = {name: np.array(values, float) for name, values in columns.items()}
    return MaskTable(dataset, "ssTEM", masks, 8, plain | given)


def test_the_page_says_what_it_was_given() -> None:
    page = statistics_page("Masks of two", [table(thinness=[0.1, 0.3, 0.8]), table("brain")], facts={"seed": "17"})
    for said in ("Masks of two", "1,234", "2,468", "154.2", '0.400 <span class="soft">(0.300)</span>', ">17<"):
        assert said in page


def test_names_that_hold_markup_are_shown_as_text() -> None:
    page = statistics_page(HOSTILE, [table(HOSTILE)], facts={HOSTILE: HOSTILE})
    assert "<script" not in page
    assert "49" not in re.findall(r"<h1>.*</h1>", page)[0]
    assert page.count("</style>") == 1


def test_nothing_is_loaded_and_no_style_stands_outside_the_one_that_is_allowed() -> None:
    page = statistics_page("Masks", [table()], facts={})
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" in page or f"sha256-{digest}".replace("+", "&#43;") in page
    assert not re.findall(r"\b(?:src|href|style|onload)=", page)


def test_each_curve_adds_up_to_all_masks() -> None:
    plots = plots_of([table(concavity=[0.0, 0.2, 0.21, 1.0], thinness=[0.1] * 4, relative_size=[0.01, 0.1, 0.5, 0.9])])
    for plot in plots:
        (curve,) = plot.curves
        points = [tuple(map(float, pair.split(","))) for pair in curve.points.split()]
        heights = [(LOW - y) / (LOW - TOP) * plot.highest for _, y in points]
        assert sum(heights) == pytest.approx(100, abs=1)
        assert all(LEFT < x < RIGHT and TOP - 0.1 <= y <= LOW for x, y in points)


def test_areas_are_said_in_square_micrometres_on_whole_decades() -> None:
    size = plots_of([table(area_nm2=[2e4, 3e5])])[0]
    assert [said for _, said in size.ticks] == ["0.01", "0.1", "1"]


def test_masks_of_one_size_still_have_an_axis() -> None:
    assert len(plots_of([table(area_nm2=[1e4, 1e4])])[0].ticks) == 2


def test_a_heat_map_begins_at_the_top_left() -> None:
    shares = np.array(heat_map(table(centre_y=[0.01, 0.02, 0.99], centre_x=[0.01, 0.02, 0.6])))
    assert shares.shape == (CELLS, CELLS)
    assert (shares[0, 0], shares[-1, int(0.6 * CELLS)], np.count_nonzero(shares)) == (1.0, 0.5, 2)


def test_many_datasets_differ_by_colour_or_by_dashes() -> None:
    assert len({kind_of(number) for number in range(16)}) == 16


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match="tables must each have a mask"):
        statistics_page("Masks", [], facts={})
    with pytest.raises(ValueError, match="columns of cord must be of one length"):
        table(area_px=[1.0, 2.0], thinness=[0.5])
