"""The page that says how far to trust labels."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.view.close_up import BEYOND, GAP, PANEL, close_up, sections_shown
from savem3.view.quality_page import (
    LEFT,
    LOW,
    MOST_POINTS,
    RIGHT,
    TOP,
    Bars,
    Chapter,
    Curve,
    Listed,
    QualityFacts,
    Row,
    bar_places,
    draw,
    quality_page,
)
from savem3.volume import Image, Labels

HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
GRID = Grid((5, 40, 60), (30.0, 6.0, 4.0))


class Tags(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def facts_of(said: str = "something", places: tuple[Listed, ...] = (), **others: object) -> QualityFacts:
    chapter = Chapter(
        said,
        said,
        "look",
        [Row(said, said, said)],
        [Curve(said, said, [0.5, 0.2, 0.9], [1])],
        [Bars(said, said, ["0.1", "1"], [3, 0])],
    )
    facts = {"title": said, "says": said, "tiles": {said: said}, "unlisted": 0, "facts": {said: said}, **others}
    return QualityFacts(places=places, chapters=[chapter], warnings=[said], **facts)


def listed(said: str = "why", picture: str = "") -> Listed:
    return Listed("merge", said, "1, 2, 3", "7", "", "1,000", picture)


def test_the_page_holds_all_that_it_shows() -> None:
    page = quality_page(facts_of(places=(listed(picture="data:image/webp;base64,AAAA"),)))
    tags = Tags(page)
    assert tags.named("script") == tags.named("link") == tags.named("iframe") == []
    assert all(str(image["src"]).startswith("data:image/") for image in tags.named("img"))
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (policy,) = (meta["content"] for meta in tags.named("meta") if "http-equiv" in meta)
    known = b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert policy
    assert policy.startswith("default-src 'none'")
    assert f"'sha256-{known}'" in policy
    assert "script" not in policy


def test_nothing_that_is_said_becomes_a_part_of_the_page() -> None:
    plain, hostile = (Tags(quality_page(facts_of(said, (listed(said),)))) for said in ("a", HOSTILE))
    assert [name for name, _ in hostile.found] == [name for name, _ in plain.found]
    assert "{{ 7 * 7 }}" in hostile.text
    assert [sorted(attributes) for _, attributes in hostile.found] == [sorted(a) for _, a in plain.found]


def test_the_list_the_chapters_and_their_verdicts_are_there() -> None:
    page = quality_page(facts_of(places=(listed("first"), listed("second")), unlisted=1234))
    table = page.partition('class="list"')[2].partition("</table>")[0]
    cells = [Tags(cell).text for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    assert cells[:8] == ["1", "merge", "1, 2, 3", "7", "–", "1,000", "first", "2"]
    text = " ".join(Tags(page).text.split())
    assert "1,234 more are in places.csv" in text
    assert "look here something" in text


def test_a_list_without_places_says_so() -> None:
    text = Tags(quality_page(facts_of())).text
    assert "No place stands out." in text
    assert "more are in places.csv" not in text


def test_a_curve_lies_between_its_axes_and_marks_what_stands_out() -> None:
    drawn = draw(Curve("", "", [0.25, 1.0, 0.5, 0.75], [1, 2]))
    x, y = np.array([point.split(",") for point in drawn.points.split()], float).T
    assert (x.min(), x.max(), y.min(), y.max()) == (LEFT, RIGHT, TOP, LOW)
    assert [y for _, y in drawn.dots] == [TOP, round(LOW - (LOW - TOP) / 3, 1)]
    assert (drawn.low, drawn.high, drawn.last) == ("0.25", "1", "3")


@pytest.mark.parametrize("values", [[], [0.4], [1.0, 1.0, 1.0]])
def test_short_and_level_curves_are_drawn(values: list[float]) -> None:
    assert len(draw(Curve("", "", values)).points.split()) == len(values)


@pytest.mark.parametrize(("high", "at"), [(False, 1234), (True, 777)])
def test_a_long_curve_keeps_its_worst_value(high: bool, at: int) -> None:
    values = np.full(5000, 0.5)
    values[1234], values[777] = 0.0, 1.0
    drawn = draw(Curve("", "", values.tolist(), high_is_bad=high))
    points = [tuple(map(float, point.split(","))) for point in drawn.points.split()]
    assert len(points) == MOST_POINTS
    expected = (round(LEFT + at / 4999 * (RIGHT - LEFT), 1), float(TOP if high else LOW))
    assert expected in points


def test_bars_grow_with_their_counts_and_leave_room_for_numbers() -> None:
    places = bar_places(Bars("", "", ["1", "2", "3"], [4, 0, 2]))
    assert [count for *_, count in places] == [4, 0, 2]
    heights = [height for *_, height, _ in places]
    assert heights == [pytest.approx(2 * heights[2]), 0, heights[2]]
    assert min(top for _, top, *_ in places) > TOP + 8
    assert bar_places(Bars("", "", [], [])) == []


def labels_and_image() -> tuple[Labels, Image]:
    voxels = np.ones(GRID.shape, np.uint64)
    voxels[:, :, 30:] = 2
    grey = np.random.default_rng(0).integers(100, 140, GRID.shape, dtype=np.uint8)
    return Labels(voxels, GRID), Image(grey, GRID)


def test_a_close_up_shows_three_sections_and_colours_whom_it_is_about() -> None:
    labels, image = labels_and_image()
    drawn = close_up((2.0, 20.0, 29.5), [2], labels=labels, image=image)
    assert drawn.shape == (PANEL, 3 * PANEL + 2 * GAP, 3)
    panel = drawn[:, PANEL + GAP : 2 * PANEL + GAP].astype(int)
    colourful = np.ptp(panel, axis=2) > 20
    assert colourful[:, PANEL * 3 // 4 :].mean() > 0.9
    assert colourful[:, : PANEL // 4].mean() < 0.1
    both = close_up((2.0, 20.0, 29.5), [], labels=labels, image=image).astype(int)
    assert (np.ptp(both[:, : PANEL // 4], axis=2) > 20).mean() > 0.9


def test_beyond_the_first_section_a_close_up_is_dark() -> None:
    labels, _ = labels_and_image()
    assert sections_shown((0.0, 3.0, 3.0), GRID) == [None, 0, 1]
    assert sections_shown((4.4, 3.0, 3.0), GRID) == [3, 4, None]
    drawn = close_up((0.0, 1.0, 58.0), [1], labels=labels, image=None)
    assert (drawn[:, :PANEL] == BEYOND).all()
    assert not (drawn[:, PANEL + GAP : 2 * PANEL + GAP] == BEYOND).all()


def test_thin_sections_are_shown_some_way_apart() -> None:
    assert sections_shown((20.0, 3.0, 3.0), Grid((50, 8, 9), (8.0, 8.0, 8.0))) == [15, 20, 25]
