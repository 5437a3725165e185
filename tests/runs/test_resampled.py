"""A run on a volume whose voxels the model does not know: labels on the volume's own grid, whatever the blocks."""

import json
import warnings

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.store import open_boundary, open_labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four cells with dark walls, an odd number of voxels along each axis."""
    folder = tmp_path_factory.mktemp("fine voxels")
    _, y, x = np.indices((5, 75, 97))
    wall = (np.abs(y - 40) < 3) | (np.abs(x - 48) < 3)
    raw = np.where(wall, 60, 180) + np.random.default_rng(0).integers(-8, 8, wall.shape)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"] = raw.astype(np.uint8)
    return folder


def made(folder, name, *options, voxel_size="40,4,4"):
    command = ["reconstruct", f"{folder}/cells.h5:raw", str(folder / name), "--voxel-size", voxel_size, "--skip-report"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run([*command, "--threads", "1", *options]) == 0
    return folder / name


def test_blocks_of_any_size_and_single_steps_give_the_same_bytes_on_the_grid_of_the_volume(folder, capsys):
    whole, parts = made(folder, "whole"), made(folder, "parts", "--block", "2,32,48")
    said = " ".join(capsys.readouterr().out.split())
    assert "raw at 40 × 4 × 4 nm is looked at by the model at 40 × 8 × 8 nm" in said
    assert said.count("--adapt auto") == 2, "of both runs, each time that the student knows little of thick sections"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = ["predict", f"{folder}/cells.h5:raw", f"{folder}/step.zarr", "--voxel-size", "40,4,4", "--threads", "1"]
        assert run(step) == 0
    for name, read in (("boundary", open_boundary), ("fragments", open_labels), ("labels", open_labels)):
        first, second = (read(place / f"{name}.zarr").load() for place in (whole, parts))
        assert first.grid.shape == (5, 75, 97)
        assert first.grid.voxel_size == (40.0, 4.0, 4.0)
        np.testing.assert_array_equal(first.voxels, second.voxels)
    np.testing.assert_array_equal(
        open_boundary(f"{folder}/step.zarr").load().voxels, open_boundary(whole / "boundary.zarr").load().voxels
    )
    labels = open_labels(whole / "labels.zarr").load().voxels
    assert labels.min() > 0
    record = json.loads((whole / "run.json").read_text())
    assert record["plan"]["seen_voxel_size_nm"] == [40, 8, 8]
    assert record["settings"]["scale"]["joins"] == [1, 2, 2]
    assert not (whole / "scratch").exists()


def test_thin_sections_and_those_that_will_be_learned_bring_no_advice(folder, capsys):
    made(folder, "thin", voxel_size="10,10,10")
    made(folder, "taught", "--adapt", "1")
    assert "--adapt auto" not in " ".join(capsys.readouterr().out.split())


def test_off_looks_at_the_volume_as_it_is_and_is_another_run(folder, capsys):
    off = made(folder, "off", "--resample", "off")
    assert "is looked at by the model" not in capsys.readouterr().out
    assert json.loads((off / "run.json").read_text())["settings"]["scale"]["joins"] == [1, 1, 1]
    command = ["reconstruct", f"{folder}/cells.h5:raw", str(off), "--voxel-size", "40,4,4", "--resume"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run([*command, "--threads", "1"]) == 4
    assert "settings.scale.joins was [1, 1, 1] and is [1, 2, 2]" in capsys.readouterr().err
