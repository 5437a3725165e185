"""How a student learned a volume, on the page that reports a run."""

import numpy as np
import pytest
from test_report import GRID, HOSTILE, VOLUMES, Tags

from savem3.view import Learning, ReportFacts, colour_features, write_report
from savem3.view.learning import HEIGHT, WIDTH, describe_learning

CURVES = {"loss": [(50, 0.4), (100, 0.2), (200, 0.3)], HOSTILE: [(0, 1.0)]}


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr("savem3.view.report.SOLID_PIXELS", 24)


def page_of(folder, learning):
    write_report(folder / "report.html", facts=ReportFacts("A run", {"path": "a.tif"}, learning=learning), **VOLUMES)
    return (folder / "report.html").read_text("utf-8")


def test_a_run_that_taught_nothing_says_nothing_of_learning(tmp_path):
    assert "learned this volume" not in page_of(tmp_path, None)


def test_curves_the_decision_and_pictures_are_shown_and_escaped(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    learning = Learning(HOSTILE, CURVES, 100, {HOSTILE: {"teacher": picture, "student after": picture}})
    page = page_of(tmp_path, learning)
    tags = Tags(page)
    assert len(tags.named("script")) == 1
    assert len(tags.named("polyline")) == 2
    features = [image for image in tags.named("img") if HOSTILE in str(image["alt"])]
    assert len(features) == 2
    assert all(str(image["src"]).startswith("data:image/webp;base64,") for image in features)
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]


def test_a_curve_goes_from_left_to_right_with_its_least_value_lowest():
    plot = describe_learning(Learning("", CURVES, 100))["learning"]["plots"][0]
    x, y = zip(*(map(float, point.split(",")) for point in plot["points"].split()), strict=True)
    assert list(x) == sorted(x)
    assert np.argmax(y) == 1
    assert np.argmin(y) == 0
    assert x[1] == pytest.approx(plot["kept"], abs=0.1)
    assert max(x) <= WIDTH
    assert max(y) <= HEIGHT
    assert (plot["low"], plot["high"], plot["last"]) == ("0.2", "0.4", 200)


def test_a_curve_that_never_changes_is_a_level_line():
    plot = describe_learning(Learning("", {"flat": [(0, 2.0), (50, 2.0)]}))["learning"]["plots"][0]
    assert len({point.split(",")[1] for point in plot["points"].split()}) == 1


def test_a_colour_means_the_same_before_and_after():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(8, 5, 7)).astype(np.float32)
    after = before.copy()
    after[:, 0] += 3
    one, other = colour_features(before, after)
    assert one.shape == (5, 7, 3)
    np.testing.assert_array_equal(one[1:], other[1:])
    assert (one[0] != other[0]).any()


def test_the_strongest_direction_is_red_and_few_channels_leave_the_rest_dark():
    ramp = np.linspace(-1, 1, 30, dtype=np.float32).reshape(1, 5, 6)
    (colours,) = colour_features(np.concatenate([ramp * 9, ramp[:, ::-1] * 0.5]))
    assert colours[..., 2].max() == 0
    red = colours[..., 0].astype(int).reshape(-1)
    assert abs(np.corrcoef(red, ramp.reshape(-1))[0, 1]) > 0.95


def test_maps_that_are_the_same_everywhere_have_one_colour():
    (colours,) = colour_features(np.ones((4, *GRID.shape[1:]), np.float32))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 1
