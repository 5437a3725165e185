"""savem3 unify: a cleansed folder in, a review folder out; twice is once."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from savem3.cli import run
from savem3.engine import TAUGHT_GAIN, UnifySections
from savem3.review import open_folder
from savem3.runs import rounds
from savem3.shipped import read_example
from savem3.store import open_labels, write_image, write_labels
from savem3.volume import Labels


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    """Two sections of the example, its labels moved by two pixels."""
    folder = tmp_path_factory.mktemp("my volumes")
    image, truth = read_example()
    _, height, width = image.grid.shape
    box = type(image.grid.box)((0, 0, 0), (2, min(72, height), min(88, width)))
    image, truth = image.crop(box), truth.crop(box)
    write_image(image, folder / "cells" / "raw.zarr")
    write_labels(Labels(np.roll(truth.voxels, (2, 1), (1, 2)), truth.grid), folder / "cells" / "labels.zarr")
    write_labels(truth, folder / "truth.zarr")
    return folder


def unify(folder: Path, out: str, *options: str, of: str = "cells") -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(["unify", str(folder / of), "--out", str(folder / out), "--threads", "1", *options])


def labels_in(path):
    return np.asarray(open_labels(path / "labels.zarr").load().voxels)


@pytest.fixture(scope="module")
def done(crop):
    assert unify(crop, "once", "--steps", "0", "--no-guard", "--truth", str(crop / "truth.zarr")) == 0
    return crop


def test_labels_are_drawn_anew_and_the_record_says_what_that_was_worth(done):
    record = json.loads((done / "once" / "run.json").read_text())
    before, after = record["rounds"]
    assert (before["round"], after["round"]) == (0, 1)
    assert after["replaced"] > 0
    assert after["iou"] > before["iou"]
    old, new = labels_in(done / "cells"), labels_in(done / "once" / "cells")
    assert set(np.unique(new)) - {0} == set(np.unique(old)) - {0}
    assert (old != new).any()


def test_the_result_is_a_review_folder(done):
    folder = open_folder(done / "once")
    assert list(folder.datasets) == ["cells"]
    assert len(folder.items) == json.loads((done / "once" / "run.json").read_text())["rounds"][1]["queued"]


def test_unifying_what_was_unified_changes_nothing(done):
    assert unify(done, "twice", "--steps", "0", "--no-guard", of="once/cells") == 0
    np.testing.assert_array_equal(labels_in(done / "twice" / "cells"), labels_in(done / "once" / "cells"))
    fates = json.loads((done / "twice" / "run.json").read_text())["rounds"][1]
    assert {name: fates[name] for name in ("replaced", "unlike", "repeated", "fainter")} == dict.fromkeys(
        ("replaced", "unlike", "repeated", "fainter"), 0
    )


def test_a_run_that_is_done_is_checked_and_not_done_again(done, capsys):
    assert unify(done, "once", "--steps", "0", "--no-guard") == 4
    assert "--resume" in capsys.readouterr().err
    before = labels_in(done / "once" / "cells")
    (done / "once" / "done" / "round 1 cells" / "0.json").unlink()
    assert unify(done, "once", "--steps", "0", "--no-guard", "--resume") == 0
    np.testing.assert_array_equal(labels_in(done / "once" / "cells"), before)


def test_what_cannot_be_unified_is_said_in_a_sentence(done, capsys):
    assert unify(done, "x", "--steps", "0", of="nothing") == 2
    assert "folder must hold raw.zarr" in capsys.readouterr().err
    assert unify(done, "x", "--steps", "0", "--truth", "a", "b") == 2
    assert "--truth must name one volume for each folder, got 2 for 1" in " ".join(capsys.readouterr().err.split())
    assert unify(done, "x", "--rounds", "0") == 2
    assert "rounds must be at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_two_rounds_train_twice_and_can_be_gone_on_with(done, monkeypatch):
    made = []
    monkeypatch.setattr(rounds, "UnifySections", lambda *given: made.append(UnifySections(*given)) or made[-1])
    assert unify(done, "rounds", "--steps", "1", "--rounds", "2") == 0
    first, second = made
    assert first.prompter != second.prompter
    assert first.recipe.section_gain == TAUGHT_GAIN
    assert first.teacher == second.teacher, "who guards has learned from none of these labels"
    assert first.teacher not in (first.prompter.teacher, second.prompter.teacher)
    record = json.loads((done / "rounds" / "run.json").read_text())
    assert [line["round"] for line in record["rounds"]] == [0, 1, 2]
    teachers = [(done / "rounds" / "rounds" / n / "teacher.safetensors").read_bytes() for n in ("1", "2")]
    assert teachers[0] != teachers[1]
    assert (done / "rounds" / "rounds" / "1" / "cells" / "labels.zarr").is_dir()
    before = labels_in(done / "rounds" / "cells")
    assert unify(done, "rounds", "--steps", "1", "--rounds", "2", "--resume") == 0
    np.testing.assert_array_equal(labels_in(done / "rounds" / "cells"), before)
