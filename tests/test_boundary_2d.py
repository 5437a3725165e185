"""The script of boundary maps in 2D, on drawn cells."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Four bright cells with dark membrane between them in each of three sections."""
    labels = np.zeros((3, 64, 80), np.uint32)
    for number, (y, x) in enumerate([(0, 0), (0, 40), (32, 0), (32, 40)], start=1):
        labels[:, y + 2 : y + 30, x + 2 : x + 38] = number
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file.attrs["resolution_nm"] = (30.0, 8.0, 8.0)
        file["raw"], file["labels"] = np.where(labels > 0, 200, 40).astype(np.uint8), labels
    return tmp_path / "cells.h5"


def test_average_precision_is_its_formula() -> None:
    from boundary_2d import average_precision

    rng = np.random.default_rng(0)
    values, membrane = rng.integers(0, 6, 200), rng.random(200) < 0.4
    expected, recall = 0.0, 0.0
    for threshold in range(5, -1, -1):
        called = values >= threshold
        now = (called & membrane).sum() / membrane.sum()
        expected += (now - recall) * (called & membrane).sum() / max(1, called.sum())
        recall = now
    on, off = (np.bincount(values[m], minlength=256) for m in (membrane, ~membrane))
    assert average_precision(on, off) == pytest.approx(expected)
    assert average_precision(on, off * 0) == pytest.approx(1)


def test_boundaries_are_cut_where_other_sections_say(
    cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boundary_2d

    own = ("--volume", "AC3", f"{cells}:raw", f"{cells}:labels", "--datasets")
    out = tmp_path / "boundaries.md"
    monkeypatch.setattr("sys.argv", ["boundary_2d.py", "--work", str(tmp_path), "--out", str(out), *own])
    boundary_2d.main()
    dataset, name, precision, error = [c.strip() for c in out.read_text(encoding="utf-8").splitlines()[2].split("|")][
        1:5
    ]
    assert (dataset, name, error) == ("AC3", "raw grey", "0.000 (0.000, 0.000)")
    assert 0 < float(precision) < 1
