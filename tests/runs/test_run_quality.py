"""A quality report as a command: of a run, of any tool's labels, with truth, with and without a calibration."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from savem3.cli import run
from savem3.grid import Grid
from savem3.quality import KINDS
from savem3.request import Machine, Source
from savem3.runs import calibrated
from savem3.runs.judged import open_judged, planes_of, settings_in
from savem3.store import open_labels, write_image, write_labels
from savem3.volume import Image, Labels

SHAPE = (12, 64, 72)
SIZE = ("--voxel-size", "10", "--threads", "1")


def command(*arguments: object) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on cells of unequal size with dark walls, and their true labels."""
    folder = tmp_path_factory.mktemp("quality")
    rng = np.random.default_rng(1)
    seeds = rng.uniform(0, 1, (14, 3)) * np.array(SHAPE) * (3, 1, 1)
    places = np.stack(np.indices(SHAPE), -1)[..., None, :]
    distance = np.sqrt(((places - seeds) ** 2 * (0.2, 1, 1)).sum(-1))
    nearest = np.sort(distance, axis=-1)
    truth = (distance.argmin(-1) + 1).astype(np.uint64)
    wall = ndimage.gaussian_filter((nearest[..., 1] - nearest[..., 0] < 2.5).astype(float), 0.7)
    grey = np.clip(185 - 130 * wall + rng.normal(0, 6, SHAPE), 0, 255).astype(np.uint8)
    grid = Grid(SHAPE, (10.0, 10.0, 10.0))
    write_image(Image(grey, grid), folder / "raw.h5")
    write_labels(Labels(truth, grid), folder / "truth.zarr")
    command("reconstruct", f"{folder}/raw.h5:raw", folder / "run", *SIZE, "--adapt", "off", "--skip-report")
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    arguments = ("--truth", folder / "truth.zarr", "--no-stability", "--threads", "1", "--block", "6,32,32")
    assert command("quality", folder / "run", *arguments) == 0
    return folder / "run" / "quality"


def record_of(report: Path) -> dict:
    return json.loads((report / "quality.json").read_text())


def rows_of(report: Path) -> list[dict[str, str]]:
    with (report / "places.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_report_has_all_its_files_and_they_agree(report: Path) -> None:
    names = {"quality.html", "quality.json", "places.csv", "places.json", "annotations"}
    assert {path.name for path in report.iterdir()} == names
    record, rows = record_of(report), rows_of(report)
    assert sum(record["places"].values()) == len(rows)
    assert set(record["places"]) == set(KINDS)
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    state = json.loads((report / "places.json").read_text())
    listed = state["layers"][0]["annotations"]
    assert len(listed) == min(100, len(rows))
    assert len(list((report / "annotations" / "by_id").iterdir())) == min(500, len(rows))


def test_places_are_in_voxels_and_nanometres(report: Path) -> None:
    for row in rows_of(report):
        for axis in "zyx":
            assert float(row[f"{axis}_nm"]) == pytest.approx(10 * float(row[axis]), abs=1)
            assert 0 <= float(row[axis]) < SHAPE["zyx".index(axis)]


@pytest.mark.slow
def test_stability_is_measured_for_three_other_looks_and_is_the_same_again(folder: Path) -> None:
    for name in ("looks", "again"):
        assert command("quality", folder / "run", "--out", folder / name, "--threads", "1") == 0
    report = folder / "looks"
    assert (report / "quality.json").read_bytes() == (folder / "again" / "quality.json").read_bytes()
    looks = record_of(report)["numbers"]["stability"]
    assert set(looks) == {"patches elsewhere", "grey noise", "mirrored"}
    assert all(0 <= look[part] < 5 for look in looks.values() for part in ("split", "merge"))
    assert record_of(report)["numbers"]["teacher"]["sections"] == [1, 3, 5, 7, 9, 11]


def test_the_truth_changes_nothing_but_its_own_chapter(report: Path, folder: Path) -> None:
    without, arguments = folder / "without", ("--no-stability", "--threads", "1", "--block", "6,32,32")
    assert command("quality", folder / "run", "--out", without, *arguments) == 0
    with_truth, alone = record_of(report), record_of(without)
    assert with_truth.pop("held")["scores"]["voi"] >= 0
    assert alone.pop("held") is None
    assert with_truth == alone
    for name in ("places.csv", "places.json"):
        assert (report / name).read_bytes() == (without / name).read_bytes()
    assert "How well did this page hold?" in (report / "quality.html").read_text()
    assert "How well did this page hold?" not in (without / "quality.html").read_text()


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_report_is_the_same_every_time_and_with_any_number_of_threads(folder: Path) -> None:
    for name, threads in (("one", 1), ("two", 2)):
        arguments = ("--out", folder / name, "--threads", threads, "--no-stability")
        assert command("quality", folder / "run", *arguments) == 0
    assert digest(folder / "one") == digest(folder / "two")


def test_without_a_second_look_the_page_says_so(folder: Path) -> None:
    assert command("quality", folder / "run", "--out", folder / "no", "--no-stability", "--threads", "1") == 0
    assert record_of(folder / "no")["numbers"]["stability"] is None
    assert "since --no-stability was given" in (folder / "no" / "quality.html").read_text()


def test_a_report_is_not_written_over_unless_asked_to(report: Path, folder: Path, capsys) -> None:
    assert command("quality", folder / "run", "--no-stability") == 4
    assert "--overwrite" in capsys.readouterr().err


def test_labels_of_any_tool_are_judged_by_their_shapes(folder: Path) -> None:
    arguments = ("--raw", f"{folder}/raw.h5:raw", "--out", folder / "other", "--voxel-size", "10", "--threads", "1")
    assert command("quality", folder / "truth.zarr", *arguments) == 0
    record, page = record_of(folder / "other"), (folder / "other" / "quality.html").read_text()
    assert record["places"]["merge"] == record["places"]["split"] == 0
    assert record["numbers"]["bodies"] == len(np.unique(open_labels(f"{folder}/truth.zarr").load().voxels))
    assert "There is no region graph" in page
    assert "Needs a run directory" in page
    assert record["numbers"]["sections"] is not None


def test_labels_of_any_tool_need_a_folder_to_write_to(folder: Path, capsys) -> None:
    assert command("quality", folder / "truth.zarr") == 2
    assert "--out must be given" in capsys.readouterr().err


def test_an_unfinished_run_is_refused(folder: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(folder / "run", tmp_path / "run", ignore=shutil.ignore_patterns("quality"))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "state": "unfinished"}))
    assert command("quality", tmp_path / "run") == 2
    assert "run must be finished" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", ["--raw", "--truth"])
def test_volumes_of_another_shape_are_refused(folder: Path, tmp_path: Path, option: str, capsys) -> None:
    grid = Grid((5, 6, 7), (10.0, 10.0, 10.0))
    if option == "--raw":
        write_image(Image(np.zeros(grid.shape, np.uint8), grid), tmp_path / "small.h5")
        path = f"{tmp_path}/small.h5:raw"
    else:
        write_labels(Labels(np.ones(grid.shape, np.uint64), grid), tmp_path / "small.zarr")
        path = f"{tmp_path}/small.zarr"
    assert command("quality", folder / "run", "--out", tmp_path / "out", "--no-stability", option, path) == 2
    assert "must have the shape of the labels (12, 64, 72), got (5, 6, 7)" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_without_a_calibration_nothing_is_said_of_chances(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise FileNotFoundError("calibration.json")

    monkeypatch.setattr(calibrated, "read_calibration", missing)
    assert command("quality", folder / "run", "--out", tmp_path / "out", "--no-stability", "--threads", "1") == 0
    assert record_of(tmp_path / "out")["calibrated"] is False
    assert {row["probability"] for row in rows_of(tmp_path / "out")} <= {""}
    page = (tmp_path / "out" / "quality.html").read_text()
    assert "Chances are not calibrated here" in page
    assert "How many errors are to be expected?" not in page


def test_a_record_gives_back_the_settings_of_its_run(folder: Path) -> None:
    record = json.loads((folder / "run" / "run.json").read_text())
    settings = settings_in(record["settings"], machine=Machine(threads=1))
    assert settings.beta == record["settings"]["beta"]
    assert list(settings.predict.patch) == list(record["settings"]["predict"]["patch"])
    judged = open_judged(str(folder / "run"), raw=None, source=Source())
    planes = planes_of(judged, settings)
    assert {"blocks", "patches"} == set(planes)
    assert all(0 < plane < n for grid in planes.values() for own, n in zip(grid, SHAPE, strict=True) for plane in own)
