"""The commands, as a user types them, on a volume of a few thousand voxels."""

import json
import warnings

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.shipped import read_student
from savem3.store import open_boundary, open_image, open_labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four cells with dark walls, without a voxel size, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("my volumes")
    _, y, x = np.indices((12, 40, 48))
    wall = (np.abs(y - 20) < 2) | (np.abs(x - 24) < 2)
    raw = np.where(wall, 60, 180) + np.random.default_rng(0).integers(-8, 8, wall.shape)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"] = raw.astype(np.uint8)
        file["truth"] = (1 + (y >= 20) + 2 * (x >= 24)).astype(np.uint16)
    return folder


@pytest.fixture(scope="module")
def done(folder):
    """A finished reconstruction of it."""
    command = [
        *("reconstruct", f"{folder}/cells.h5:raw", str(folder / "run"), "--voxel-size", "10,10,10"),
        *("--truth", f"{folder}/cells.h5:truth", "--threads", "1"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(command) == 0
    return folder / "run"


def test_a_run_leaves_volumes_the_student_a_record_and_a_report(done):
    left = {path.name for path in done.iterdir()}
    assert left - {".lock"} == {
        *("boundary.zarr", "fragments.zarr", "labels.zarr", "graph.safetensors", "done"),
        *("student.safetensors", "run.json", "report.html", "picture.png"),
    }
    record = json.loads((done / "run.json").read_text())
    assert record["plan"]["voxel_size_nm"] == [10, 10, 10]
    assert set(record["seconds"]) >= {"survey", "predict", "drain", "cut", "labels", "report"}
    assert record["models"][0]["sha256"] == read_student()[1].sha256
    assert record["scores"]["voi"] >= 0


def test_every_voxel_has_a_label_on_the_grid_of_the_image(done):
    labels = open_labels(done / "labels.zarr").load()
    assert labels.grid.shape == (12, 40, 48)
    assert labels.grid.voxel_size == (10, 10, 10)
    assert labels.voxels.min() > 0


def test_the_verbs_one_by_one_give_the_same_labels(done, folder):
    step = folder / "steps"
    step.mkdir()
    raw = f"{folder}/cells.h5:raw"
    size = ("--voxel-size", "10", "--threads", "1")
    beta = str(json.loads((done / "run.json").read_text())["settings"]["beta"])
    commands = (
        ("predict", raw, f"{step}/boundary.zarr", *size),
        ("oversegment", f"{step}/boundary.zarr", f"{step}/fragments.zarr"),
        ("cut", f"{step}/fragments.zarr", f"{step}/boundary.zarr", f"{step}/labels.zarr", "--beta", beta),
    )
    for command in commands:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert run(list(command)) == 0
    for name, read in (("boundary", open_boundary), ("fragments", open_labels), ("labels", open_labels)):
        made, again = read(done / f"{name}.zarr").load(), read(step / f"{name}.zarr").load()
        np.testing.assert_array_equal(made.voxels, again.voxels)


def test_an_existing_result_is_refused_with_exit_code_4_and_kept(done, folder, capsys):
    before = (done / "run.json").read_bytes()
    assert run(["reconstruct", f"{folder}/cells.h5:raw", str(done), "--voxel-size", "10"]) == 4
    assert "output must not exist yet" in capsys.readouterr().err
    assert (done / "run.json").read_bytes() == before


def test_a_missing_voxel_size_is_one_question_and_no_traceback(folder, capsys):
    assert run(["reconstruct", f"{folder}/cells.h5:raw", str(folder / "none")]) == 2
    said = capsys.readouterr().err
    assert "--voxel-size" in said
    assert "Traceback" not in said
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--voxel-size", "10,10"), "--voxel-size must be Z,Y,X"),
        (("--voxel-size", "10", "--sections", "5:3"), "--sections must be FIRST:STOP"),
        (("--voxel-size", "10", "--sections", "5:99"), "--sections must lie within 0:12"),
        (("--voxel-size", "10", "--model", "best"), "model must be a shipped one"),
        (("--voxel-size", "10", "--beta", "1"), "beta must lie between 0 and 1"),
        (("--voxel-size", "10", "--adapt", "some"), "--adapt must be off or a number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(folder, capsys, arguments, message):
    assert run(["reconstruct", f"{folder}/cells.h5:raw", str(folder / "none"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_truth_scores_zero_against_itself_and_sections_can_be_chosen(folder, capsys):
    truth = f"{folder}/cells.h5:truth"
    assert run(["score", truth, truth, "--voxel-size", "10", "--sections", "2:7", "--relabel", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["voi"] == 0
    assert scores["arand_skimage"] == 0
    assert scores["voxels"] == 5 * 40 * 48


def test_progress_for_machines_is_lines_of_json(folder, capsys):
    out = folder / "lines.zarr"
    assert run(["oversegment", f"{folder}/run/boundary.zarr", str(out), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"stage": "fragments", "state": "done"}.items() <= lines[-1].items()


def test_distillation_leaves_another_student_with_its_history(folder):
    out = folder / "student.safetensors"
    how = ("--voxel-size", "10", "--threads", "1", "--start", "savem3-fast", "--steps", "2", "--drawn", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(["distill", f"{folder}/cells.h5:raw", str(out), *how]) == 0
    _, weights = read_student(str(out))
    assert weights.sha256 != read_student()[1].sha256
    assert weights.card["raw"][-1] == "cells.h5:raw"
    assert "scores" not in weights.card


def test_view_paints_sections(done, folder):
    out = folder / "pictures"
    raw = f"{folder}/cells.h5:raw"
    assert run(["pictures", f"{done}/labels.zarr", raw, str(out), "--voxel-size", "10"]) == 0
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) >= 3
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    assert open_image(raw, voxel_size=(10, 10, 10)).grid.shape == (12, 40, 48)
