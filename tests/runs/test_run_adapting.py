"""Where to cut and whether to adapt, decided on the volume: what a run leaves, says, and gives again."""

import json
import warnings

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.runs import Choices
from savem3.shipped import read_student
from savem3.store import open_labels

SIZE = ("--voxel-size", "10", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cells of unequal size with dark walls."""
    folder = tmp_path_factory.mktemp("cells")
    _, y, x = np.indices((10, 40, 48))
    wall = (np.abs(y - 20) < 2) | (np.abs(x - 18) < 2)
    raw = np.where(wall, 60, 180) + np.random.default_rng(0).integers(-8, 8, wall.shape)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"] = raw.astype(np.uint8)
    return folder


def command(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run([str(argument) for argument in arguments])


def reconstruct(folder, name, *arguments):
    out = folder / name
    code = command("reconstruct", f"{folder}/cells.h5:raw", out, *SIZE, "--skip-report", *arguments)
    return out, code


def record_of(out):
    return json.loads((out / "run.json").read_text())


@pytest.fixture(scope="module")
def auto(folder):
    """A run that had hardly any time to adapt in, and chose where to cut."""
    out, code = reconstruct(folder, "auto", "--adapt", "auto", "--adapt-seconds", "0.001")
    assert code == 0
    return out


def test_a_run_says_where_it_cut_and_why(auto):
    record = record_of(auto)
    chosen = record["calibration"]["beta"]
    curve = dict(record["calibration"]["instability"])
    assert record["settings"]["beta"] == chosen
    assert curve[chosen] == min(curve.values())
    assert record["identity"]["settings"]["calibrates"] is True
    assert "calibrate" in record["seconds"]


def test_no_time_to_adapt_leaves_the_model_as_it_ships_and_says_so(auto):
    record = record_of(auto)
    assert record["student"] == read_student()[1].sha256
    assert (record["adaptation"]["steps"], record["adaptation"]["kept_step"]) == (0, 0)
    assert "0.001 s for it were over" in record["adaptation"]["reason"]
    assert record["identity"]["settings"]["adapt_steps"] == "auto, 0.001 s"


def test_the_run_verifies_and_a_lost_student_is_made_again(auto, folder):
    assert command("verify", auto) == 0
    before = record_of(auto)
    (auto / "student.safetensors").unlink()
    _, code = reconstruct(folder, "auto", "--adapt", "auto", "--adapt-seconds", "0.001", "--resume")
    assert code == 0
    assert record_of(auto)["student"] == before["student"]
    assert record_of(auto)["adaptation"] == before["adaptation"]


def test_another_mode_is_another_run(auto, folder, capsys):
    _, code = reconstruct(folder, "auto", "--adapt", "off", "--beta", "auto", "--resume")
    assert code == 4
    assert "settings.adapt_steps was auto, 0.001 s and is 0" in " ".join(capsys.readouterr().err.split())


def test_cutting_alone_chooses_the_same_beta_and_gives_the_same_neurons(auto, folder):
    pieces, cutter = (auto / "fragments.zarr", auto / "boundary.zarr"), ("--cutter", "quantile")
    beta = record_of(auto)["calibration"]["beta"]
    assert command("cut", *pieces, folder / "chosen.zarr", "--beta", "auto", *cutter) == 0
    assert command("cut", *pieces, folder / "given.zarr", "--beta", beta, *cutter) == 0
    chosen, given, whole = (
        open_labels(p).load().voxels for p in (folder / "chosen.zarr", folder / "given.zarr", auto / "labels.zarr")
    )
    np.testing.assert_array_equal(chosen, given)
    np.testing.assert_array_equal(chosen, whole)


@pytest.mark.parametrize("wrong", ["some", "-3", "1.5", "٣", "Auto"])
def test_what_is_no_mode_is_refused_in_one_sentence(folder, capsys, wrong):
    _, code = reconstruct(folder, "none", f"--adapt={wrong}")
    assert code == 2
    assert "--adapt must be off or a number of training steps, or auto, got" in capsys.readouterr().err


def test_time_must_be_some(folder, capsys):
    _, code = reconstruct(folder, "none", "--adapt", "auto", "--adapt-seconds", "0")
    assert code == 2
    assert "seconds must be above 0, got 0" in capsys.readouterr().err
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        ({}, False),
        ({"beta": 0.4}, False),
        ({"beta": "auto"}, True),
        ({"adapt": 5}, True),
        ({"adapt": "auto", "beta": 0.4}, False),
        ({"cutter": "quantile"}, False),
        ({"cutter": "multicut"}, True),
    ],
)
def test_beta_is_chosen_on_the_volume_where_the_card_cannot_know_it(choices, chosen):
    assert Choices(**choices).calibrates(read_student()[1]) is chosen


@pytest.mark.slow
def test_a_student_that_was_adapted_is_lost_and_learned_again_to_the_same_bytes(folder):
    out, code = reconstruct(folder, "taught", "--adapt", "2")
    assert code == 0
    before = record_of(out)
    assert before["student"] != read_student()[1].sha256
    assert before["adaptation"]["kept_step"] == 2
    (out / "student.safetensors").unlink()
    _, code = reconstruct(folder, "taught", "--adapt", "2", "--resume")
    assert code == 0
    assert record_of(out)["student"] == before["student"]
