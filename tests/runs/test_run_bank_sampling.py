"""The commands that draw and measure masks: what they print and write, and what they refuse."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from savem3.bank import DATASETS, Place, index_instances
from savem3.cli import run
from savem3.runs.bank_sampling import Drawing, Shelf, digest_of, run_sample

NAME = "gala_fib_train"


def put(folder: Path, *, seed: int = 0) -> Path:
    """A file as that of the card: neurites of 10 × 10 pixels."""
    shape = DATASETS[NAME].blocks[0].shape
    coarse = np.random.default_rng(seed).permutation(np.arange(1, 1 + shape[1] // 10 * shape[2] // 10))
    section = coarse.reshape(shape[1] // 10, shape[2] // 10).repeat(10, 0).repeat(10, 1)
    with h5py.File(folder / f"{NAME}.h5", "w") as file:
        file["raw"] = np.zeros(shape, np.uint8)
        file["labels"] = np.broadcast_to(section, shape).astype(np.uint64)
        for dataset in file.values():
            dataset.attrs["resolution_nm"] = DATASETS[NAME].voxel_size
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put(tmp_path)


def test_an_epoch_is_counted_and_written_draw_by_draw(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "draws.csv"
    code = run(["bank", "sample", str(folder), f"{NAME}:all", "--per-imaging", "500", "--seed", "4", "--out", str(out)])
    assert code == 0
    rows = rows_of(out)
    assert [int(row["position"]) for row in rows] == list(range(500))
    assert {(row["dataset"], row["imaging"], int(row["z"]) % 3) for row in rows} == {("GALA", "FIB-SEM", 0)}
    shown = capsys.readouterr().out.split("\n")
    assert shown[0].split() == ["imaging", "dataset", "volumes", "masks", "drawn", "each", "drawn"]
    assert shown[1].split()[:2] == ["FIB-SEM", "GALA"]
    assert "500" in shown[1].split()


def test_what_is_left_of_an_epoch_is_the_end_of_it(folder: Path) -> None:
    for name, position in (("whole", 0), ("rest", 61)):
        drawing = Drawing(Place(1, 2, position), per_imaging=90)
        run_sample(folder, [f"{NAME}:all"], folder / f"{name}.csv", drawing=drawing, overwrite=False)
    assert rows_of(folder / "rest.csv") == rows_of(folder / "whole.csv")[61:]


def test_a_kept_list_gives_the_same_draws_and_is_refused_for_other_labels(folder: Path) -> None:
    kept = folder / "index.safetensors"
    for name, index in (("plain", None), ("made", kept), ("read", kept)):
        drawing = Drawing(Place(0), per_imaging=70, index=index)
        run_sample(folder, [f"{NAME}:all"], folder / f"{name}.csv", drawing=drawing, overwrite=False)
    assert rows_of(folder / "plain.csv") == rows_of(folder / "made.csv") == rows_of(folder / "read.csv")
    put(folder, seed=1)
    with pytest.raises(ValueError, match="must be made from these volumes and rules"):
        run_sample(folder, [f"{NAME}:all"], None, drawing=Drawing(Place(0), index=kept), overwrite=False)


def test_the_digest_is_that_of_names_and_labels(folder: Path) -> None:
    first = digest_of(Shelf(folder, [f"{NAME}:all"], DATASETS))
    assert first == digest_of(Shelf(folder, [f"{NAME}:all"], DATASETS))
    assert first != digest_of(Shelf(folder, [f"{NAME}:all:0-9"], DATASETS))
    put(folder, seed=1)
    assert first != digest_of(Shelf(folder, [f"{NAME}:all"], DATASETS))


def test_myelin_is_not_drawn_and_said_where_it_cannot_be_told(folder: Path) -> None:
    card = DATASETS[NAME]
    blocks = (replace(card.blocks[0], splits={"train": range(20)}),)
    cards = {**DATASETS, NAME: replace(card, myelin=(7, 9), blocks=blocks)}
    whole = index_instances(Shelf(folder, [f"{NAME}:all"], cards).volumes())
    plain = index_instances(Shelf(folder, [f"{NAME}:all"], DATASETS).volumes())
    assert set(plain.instances["label"].tolist()) - set(whole.instances["label"].tolist()) == {7, 9}
    with pytest.warns(UserWarning, match="numbered anew: its myelin cannot be told apart"):
        part = index_instances(Shelf(folder, [f"{NAME}:train"], cards).volumes())
    assert part.instances["z"].max() == 18


def test_statistics_are_a_page_and_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "statistics.html"
    words = ["bank", "statistics", str(folder), f"{NAME}:all", "--out", str(out), "--most", "40", "--json"]
    assert run(words) == 0
    rows = rows_of(folder / "statistics.csv")
    assert len(rows) == 40
    assert {(row["area_px"], float(row["area_nm2"]), float(row["concavity"])) for row in rows} == {("100", 10000, 0)}
    assert "GALA" in out.read_text("utf-8")
    assert "GALA" in capsys.readouterr().out
    assert run(words) == 4


def test_what_cannot_be_drawn_is_said_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bank", "sample", str(folder)]
    refused = {
        (f"{NAME}:all", "--published"): "quotas must name each dataset of the index, got none for GALA",
        ("vnc_stack1:all",): "vnc_stack1 must lie at",
        (f"{NAME}:all", "--position", "99", "--per-imaging", "9"): "position must lie within the 9 draws",
        (): "names must be at least one CARD:SPLIT",
    }
    for more, said in refused.items():
        assert run([*words, *more]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert run(["bank", "statistics", str(folder), f"{NAME}:all", "--out", "page.txt"]) == 2
    assert "out must end in .html" in capsys.readouterr().err
