"""The file that probabilities are read from, and fitting it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from savem3.quality.bodies import BORDER_COLUMNS, SEAM_COLUMNS
from savem3.quality.calibration import SHIPPED, read_calibration, write_calibration
from savem3.quality.edges import COLUMNS
from savem3.quality.odds import Line, Odds, chance, fit_odds, fit_stretch


def test_the_shipped_calibration_reads_columns_that_exist_and_comes_back_from_a_file_as_it_was(tmp_path: Path) -> None:
    shipped = read_calibration()
    for odds, columns in (
        (shipped.joined, COLUMNS),
        (shipped.parted, COLUMNS),
        (shipped.merge, SEAM_COLUMNS),
        (shipped.missing, BORDER_COLUMNS),
    ):
        assert {line.column for line in odds.lines} <= set(columns)
    assert not [name for name in shipped.fitted_on if "VNC" in name or "ISBI" in name], "not to be shipped"
    write_calibration(shipped, tmp_path / "again.json")
    assert read_calibration(tmp_path / "again.json") == shipped
    assert (tmp_path / "again.json").read_bytes() == SHIPPED.read_bytes()


def spoilt(change: str, value: object) -> dict[str, object]:
    found = json.loads(SHIPPED.read_text(encoding="utf-8"))
    *path, last = change.split(".")
    inside = found
    for name in path:
        inside = inside[int(name)] if name.isdigit() else inside[name]
    inside[last] = value
    return dict(found)


@pytest.mark.parametrize(
    ("change", "value", "said"),
    [
        ("format", "savem3-calibration-9", "format of the calibration must be savem3-calibration-1"),
        ("more", 1, "calibration must hold format, joined"),
        ("voi.width", "wide", "width must be a finite number, got 'wide'"),
        ("voi.width", float("nan"), "width must be a finite number"),
        ("voi.width", True, "width must be a finite number"),
        ("joined.lines", {}, "lines of joined must be a list"),
        ("joined.lines.0.column", 3, "column of a line of joined must be a name"),
        ("joined.lines.0.slope", None, "slope must be a finite number"),
        ("joined.lines.0.low", 1e9, "low of 'mean' must not be above high"),
        ("parted.intercept", [], "intercept of parted must be a finite number"),
    ],
)
def test_a_calibration_that_is_none_is_refused(tmp_path: Path, change: str, value: object, said: str) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(spoilt(change, value)), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_calibration(tmp_path / "bad.json")


def test_a_column_that_is_read_twice_is_refused(tmp_path: Path) -> None:
    found = json.loads(SHIPPED.read_text(encoding="utf-8"))
    found["merge"]["lines"].append(found["merge"]["lines"][0])
    (tmp_path / "bad.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(ValueError, match="lines of merge must be of different columns"):
        read_calibration(tmp_path / "bad.json")


def test_what_is_no_json_and_what_is_not_there_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="calibration must be a JSON file"):
        read_calibration(tmp_path / "bad.json")
    with pytest.raises(FileNotFoundError):
        read_calibration(tmp_path / "none.json")


def test_values_beyond_the_ends_of_a_line_say_no_more_than_the_ends() -> None:
    odds = Odds(1.0, (Line("a", -1.0, 2.0, 3.0),))
    assert odds.of(np.array([[-9.0], [-1.0], [0.5], [2.0], [99.0]]), ["a"]).tolist() == [-2.0, -2.0, 2.5, 7.0, 7.0]
    with pytest.raises(ValueError, match="columns must hold 'a', got b"):
        odds.of(np.zeros((1, 1)), ["b"])


def test_a_fit_finds_the_odds_that_made_the_events() -> None:
    rng = np.random.default_rng(0)
    table = np.stack([rng.normal(0, 1, 20_000), rng.normal(5, 20, 20_000), np.ones(20_000)], axis=1)
    true = -1 + 2 * table[:, 0] - 0.05 * table[:, 1]
    happened = rng.random(len(true)) < chance(true)
    odds = fit_odds(table, ["a", "b", "same"], happened, np.ones(len(true)), ridge=1.0)
    assert [line.slope for line in odds.lines] == pytest.approx([2.0, -0.05, 0.0], abs=0.06)
    assert odds.intercept == pytest.approx(-1.0, abs=0.06)
    slope, offset = fit_stretch(2 * true + 1, happened, np.ones(len(true)))
    assert (slope, offset) == pytest.approx((0.5, -0.5), abs=0.05)


def test_rows_without_weight_change_nothing_and_one_outcome_alone_is_refused() -> None:
    rng = np.random.default_rng(1)
    table, happened = rng.normal(0, 1, (300, 2)), rng.random(300) < 0.4
    weight = np.r_[np.ones(200), np.zeros(100)]
    few = fit_odds(table[:200], ["a", "b"], happened[:200], weight[:200])
    assert fit_odds(table, ["a", "b"], happened, weight) == few
    with pytest.raises(ValueError, match="happened must be true for some rows"):
        fit_odds(table, ["a", "b"], np.ones(300, bool), weight)
