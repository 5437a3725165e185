"""The command that scores: files in, one table out, and a sentence where it cannot."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.evaluate import count_pairs, intervals, voi
from savem3.evaluate.wanted import bodies_of, numbers_of

SHAPE = (6, 12, 20)


@pytest.fixture
def truth() -> np.ndarray:
    """Bodies 1 to 12 in blocks of 3 × 6 × 5 voxels, of which number 12 is unknown."""
    blocks = np.arange(1, 17).reshape(2, 2, 4)
    grown = np.kron(blocks, np.ones((3, 6, 5), int))
    return np.where(grown == 12, 0, grown)


@pytest.fixture
def segmentation(truth: np.ndarray) -> np.ndarray:
    """Bodies 1 and 2 merged, body 5 split, a corner of body 16 not segmented."""
    found = np.where(truth == 2, 1, truth)
    found[:, :, :3][truth[:, :, :3] == 5] = 40
    found[5, 11, 17:] = 0
    return found


def stored(path: Path, voxels: np.ndarray, *, origin: tuple[int, int, int] = (0, 0, 0), kind: str = "uint32") -> str:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("labels", data=voxels.astype(kind))
        data.attrs["resolution_nm"] = (30.0, 6.0, 4.0)
        data.attrs["origin_nm"] = tuple(float(n) for n in origin)
    return f"{path}:labels"


@pytest.fixture
def files(tmp_path: Path, segmentation: np.ndarray, truth: np.ndarray) -> tuple[str, str]:
    return stored(tmp_path / "s.h5", segmentation), stored(tmp_path / "t.h5", truth)


def scored(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert run(["score", *map(str, words), "--json"]) == 0, capsys.readouterr().err
    return dict(json.loads(capsys.readouterr().out))


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """All that is said of a run, warnings too."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(["score", *map(str, words)]) == 0
    return " ".join("".join(capsys.readouterr()).split())


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    assert run(["score", *map(str, words)]) == code
    return " ".join(capsys.readouterr().err.split())


def test_all_scores_of_a_dense_truth(files, segmentation, truth, capsys) -> None:
    found = scored(capsys, *files)
    counted = count_pairs(segmentation.astype(np.uint64), truth.astype(np.uint64))
    assert found["voi"] == pytest.approx(voi(counted))
    assert (found["truth"], "limits" in found, "intervals" in found) == ("dense", False, False)
    assert (found["split_bodies"], found["merged_segments"], found["splits"], found["merges"]) == (1, 1, 1, 1)
    assert found["ap50"] == 13 / (15 + 15 - 13)  # body 5's larger part counts, bodies 1 and 2 together do not
    assert found["average_precision"] < found["ap50"]


def test_workers_change_nothing(files, capsys) -> None:
    assert scored(capsys, *files, "--workers", 3) == scored(capsys, *files)


def test_intervals_are_those_of_the_table_and_the_seed(files, segmentation, truth, capsys) -> None:
    found = scored(capsys, *files, "--intervals", 50, "--seed", 4)["intervals"]
    counted = count_pairs(segmentation.astype(np.uint64), truth.astype(np.uint64))
    assert found["bodies"]["voi"] == pytest.approx(intervals(counted, draws=50, seed=4)["voi"])
    assert found["blocks"]["voi"][0] < voi(counted) < found["blocks"]["voi"][1]
    assert (found["level"], found["draws"], found["seed"]) == (0.95, 50, 4)


def test_only_labelled_sections_and_bodies_are_compared_and_it_is_said(files, segmentation, truth, capsys) -> None:
    found = scored(capsys, *files, "--labelled-sections", "0:6:2", "--bodies", "1,2,5")
    kept = np.isin(truth, [1, 2, 5]) & (np.arange(6) % 2 == 0)[:, None, None]
    counted = count_pairs(segmentation.astype(np.uint64), np.where(kept, truth, 0).astype(np.uint64))
    assert (found["voi"], found["voxels"]) == (pytest.approx(voi(counted)), kept.sum())
    assert found["truth"] == "sections, bodies"
    assert "the least that there may be" in found["limits"]


def test_labelled_sections_are_numbered_as_in_the_file_of_the_truth(files, truth, capsys) -> None:
    found = scored(capsys, *files, "--sections", "2:6", "--labelled-sections", "5")
    assert found["voxels"] == (truth[5] != 0).sum()
    assert "sections must lie in 0 to 3" in refused(capsys, 2, *files, "--sections", "2:6", "--labelled-sections", "1")


def test_a_border_mask_leaves_voxels_out_and_says_how_wide(files, truth, capsys) -> None:
    found = scored(capsys, *files, "--border-mask", 5)
    assert 0 < found["voxels"] < (truth != 0).sum()
    assert (found["border_mask_nm"], found["truth"]) == (5, "border mask")


def test_bodies_that_are_not_there_are_told(files, tmp_path, capsys) -> None:
    listed = tmp_path / "bodies.txt"
    listed.write_text("1, 2\n99\n")
    assert "1 of the bodies are not in what was compared" in told(capsys, *files, "--bodies", listed)


def test_a_crop_is_placed_by_its_origin(tmp_path, segmentation, truth, files, capsys) -> None:
    crop = stored(tmp_path / "crop.h5", truth[1:5, 2:8, 3:11], origin=(30, 12, 12))
    said = told(capsys, files[0], crop)
    assert f"voxels {(truth[1:5, 2:8, 3:11] != 0).sum()} " in said
    assert "warning: Compared is the overlap of (4, 6, 8) voxels" in said
    assert "notes Compared is the overlap of (4, 6, 8) voxels" in said


def test_sections_of_the_truth_that_are_numbered_otherwise_lie_side_by_side(tmp_path, truth, capsys) -> None:
    early, late = stored(tmp_path / "a.h5", truth[:4]), stored(tmp_path / "b.h5", truth)
    assert (
        scored(capsys, early, late, "--sections", "1:3", "--truth-sections", "4:6")["voxels"] == (truth[4:] != 0).sum()
    )


def test_tables_hold_scores_with_units_and_a_row_a_body(files, tmp_path, truth, capsys) -> None:
    scores, bodies = tmp_path / "scores.csv", tmp_path / "bodies.csv"
    found = scored(capsys, *files, "--csv", scores, "--body-csv", bodies, "--intervals", 20)
    rows = {row["score"]: row for row in table(scores)}
    assert float(rows["voi"]["value"]) == found["voi"]
    assert (rows["voi"]["unit"], rows["ap50"]["unit"]) == ("bits", "")
    assert float(rows["voi"]["blocks_high"]) == found["intervals"]["blocks"]["voi"][1]
    listed = {int(row["body"]): row for row in table(bodies)}
    assert list(listed) == sorted(set(truth.ravel().tolist()) - {0})
    assert (listed[5]["segments"], listed[1]["shared"], listed[16]["unsegmented"]) == ("2", "2", "3")
    assert "must not exist yet" in refused(capsys, 4, *files, "--csv", scores)
    scored(capsys, *files, "--csv", scores, "--overwrite")


def test_fragments_lie_where_the_truth_lies(files, tmp_path, truth, capsys) -> None:
    fragments = stored(tmp_path / "f.h5", np.arange(truth.size).reshape(SHAPE) + 1)
    found = scored(capsys, *files, "--fragments", fragments)
    assert (found["oracle_voi"], found["fragments"]) == (0, (truth != 0).sum())


def write_swc(path: Path, *places: tuple[float, float, float]) -> None:
    """A path of points x, y, z, nm."""
    lines = [f"{n} 0 {x} {y} {z} 1 {n - 1 if n > 1 else -1}" for n, (x, y, z) in enumerate(places, start=1)]
    path.write_text("\n".join(lines) + "\n")


def test_skeletons_need_no_labels(files, tmp_path, capsys) -> None:
    """A path of 12 nm through body 3, and one that leaves body 7 after 8 of its 16 nm."""
    traced = tmp_path / "traced"
    traced.mkdir()
    write_swc(traced / "3.swc", (42, 3, 15), (46, 3, 15), (50, 3, 15), (54, 3, 15))
    write_swc(traced / "7.swc", (46, 39, 15), (50, 39, 15), (54, 39, 15), (62, 39, 15))
    found = scored(capsys, files[0], "--skeletons", traced)
    assert found["erl_um"] == pytest.approx((12**2 + 8**2) / 28 / 1000)
    assert found["nerl"] == pytest.approx((12**2 + 8**2) / (12**2 + 16**2))
    assert "voi" not in found
    both = scored(capsys, *files, "--skeletons", traced)
    assert both["nerl"] == found["nerl"]
    assert "voi" in both


def test_skeletons_elsewhere_are_told_and_refused_if_they_are_all(files, tmp_path, capsys) -> None:
    inside = tmp_path / "a.swc"
    write_swc(inside, (2, 3, 15), (6, 3, 15), (500, 3, 15))
    assert "1 of 3 points of skeletons lie outside" in told(capsys, files[0], "--skeletons", inside)
    assert "all 3 points outside" in refused(capsys, 2, files[0], "--skeletons", inside, "--skeleton-unit", "mm")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "TRUTH must be given"),
        (("--skeletons", "a.swc", "--intervals", "9"), "TRUTH must be given"),
        (("t", "--bodies", "3", "--relabel"), "--bodies must be numbers of the truth as it is"),
        (("t", "--labelled-sections", "1:2:0"), "numbers must be such as 0,50,100"),
        (("t", "--bodies", "0"), "bodies must have numbers from 1"),
        (("t", "--border-mask", "-1"), "within_nm must be a length"),
        (("t", "--intervals", "-5"), "draws must be at least 1"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_a_sentence(files, words, message, capsys) -> None:
    named = [files[1] if word == "t" else word for word in words]
    assert message in refused(capsys, 2, files[0], *named)


def test_negative_numbers_are_no_labels(tmp_path, truth, files, capsys) -> None:
    signed = stored(tmp_path / "n.h5", np.where(truth == 3, -3, truth), kind="int32")
    assert "must hold object numbers of at least 0, got -3" in refused(capsys, 2, signed, files[1])


def test_numbers_are_written_in_three_ways() -> None:
    assert numbers_of("3,7") == [3, 7]
    assert numbers_of("1:4, 10:31:10") == [1, 2, 3, 10, 20, 30]
    assert bodies_of("5") == [5]
