"""A run of the real command is stopped, killed, damaged and gone on with."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.store import open_labels

OPTIONS = {
    **{"--voxel-size": "30,6,6", "--threads": "1", "--block": "3,16,24", "--views": "1", "--precision": "float32"},
    "--skip-report": None,
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Four cells with dark walls, read-only, in a folder with spaces and letters of several scripts."""
    folder = tmp_path_factory.mktemp("données 测试 a b")
    _, y, x = np.indices((12, 40, 48))
    wall = (np.abs(y - 20) < 2) | (np.abs(x - 24) < 2)
    voxels = np.where(wall, 60, 180) + np.random.default_rng(0).integers(-8, 8, wall.shape)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"] = voxels.astype(np.uint8)
    (folder / "cells.h5").chmod(0o444)
    return f"{folder}/cells.h5:raw"


def command(raw, out, options):
    """The words of the command; an option replaces one of `OPTIONS`, or is a flag."""
    words = ["reconstruct", raw, str(out)]
    for name, value in (OPTIONS | options).items():
        words += [name] if value is None else [name, value]
    return words


def reconstruct(raw, out, *flags, **options):
    named = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(command(raw, out, named | dict.fromkeys(flags)))


def digest(out):
    return hashlib.sha256(np.asarray(open_labels(out / "labels.zarr").voxels[...]).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def done(raw, tmp_path_factory):
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "done"
    assert reconstruct(raw, out) == 0
    return out


def begin(raw, out, **options):
    """The command in a process of its own, once it has done a block of the watershed."""
    words = [sys.executable, "-m", "savem3", *command(raw, out, {f"--{name}": text for name, text in options.items()})]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list((out / "done" / "drain").glob("*.json")):
        time.sleep(0.005)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_stopped_run_ends_soon_and_goes_on_later(raw, done, tmp_path, number, code):
    with begin(raw, tmp_path / "run", executor="processes", workers="2") as process:
        process.send_signal(number)
        begun = time.monotonic()
        said = process.communicate()[1]
        assert time.monotonic() - begun < 5
    assert process.returncode == code
    assert "--resume" in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "unfinished"
    assert not (tmp_path / "run" / "labels.zarr" / "zarr.json").exists()
    assert reconstruct(raw, tmp_path / "run", "--resume") == 0
    assert digest(tmp_path / "run") == digest(done)


def test_blocks_and_workers_change_no_byte(raw, done, tmp_path):
    assert reconstruct(raw, tmp_path / "other", block="12,40,7", threads="3") == 0
    assert digest(tmp_path / "other") == digest(done)


def test_a_finished_run_is_intact_and_resuming_it_does_nothing(raw, done, capsys):
    assert run(["verify", str(done), "--json"]) == 0
    counted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert counted["damaged"] == counted["missing"] == 0 < counted["done"]
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if "zarr" in str(path) and path.is_file()}
    assert reconstruct(raw, done, "--resume") == 0
    changed = [path for path, time in before.items() if path.stat().st_mtime_ns != time and path.name != "zarr.json"]
    assert not changed


@pytest.mark.parametrize("name", ["boundary.zarr", "fragments.zarr", "graph.safetensors"])
def test_lost_and_damaged_outputs_are_found_named_and_redone(raw, done, tmp_path, capsys, name):
    out = tmp_path / "run"
    assert reconstruct(raw, out) == 0
    files = sorted(path for path in [out / name, *(out / name).rglob("*")] if path.is_file() and path.suffix != ".json")
    files[0].unlink()
    harmed = 1
    if len(files) > 1:
        content = bytearray(files[-1].read_bytes())
        content[len(content) // 2] ^= 4
        files[-1].write_bytes(content)
        harmed = 2
    capsys.readouterr()
    assert run(["verify", str(out), "--json"]) == 5
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["damaged"] == harmed
    assert reconstruct(raw, out, "--resume") == 0
    assert digest(out) == digest(done)
    assert run(["verify", str(out)]) == 0


def test_lost_metadata_are_found_and_written_again(raw, tmp_path):
    assert reconstruct(raw, tmp_path / "run") == 0
    (tmp_path / "run" / "labels.zarr" / "zarr.json").unlink()
    assert run(["verify", str(tmp_path / "run")]) == 5
    assert reconstruct(raw, tmp_path / "run", "--resume") == 0
    assert run(["verify", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"beta": "0.31"}, "settings.beta"),
        ({"block": "3,16,23"}, "settings.block"),
        ({"cutter": "multicut"}, "settings.cutter"),
        ({"voxel_size": "30,6,7"}, "input.voxel_size"),
        ({"sections": "0:11"}, "input.shape"),
        ({"invert": "yes"}, "input.sha256"),
    ],
)
def test_what_changed_under_a_resume_is_named_and_refused(raw, done, capsys, options, key):
    assert reconstruct(raw, done, "--resume", **options) == 4
    assert f"{key} was " in capsys.readouterr().err


def test_a_changed_input_is_noticed_voxel_by_voxel(raw, tmp_path, capsys):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(Path(raw.removesuffix(":raw")).read_bytes())
    assert reconstruct(f"{copy}:raw", tmp_path / "run") == 0
    with h5py.File(copy, "r+") as file:
        file["raw"][11, 39, 47] ^= 1
    assert reconstruct(f"{copy}:raw", tmp_path / "run", "--resume") == 4
    assert "input.sha256 was" in capsys.readouterr().err


def test_overwriting_starts_anew(raw, done, tmp_path):
    assert reconstruct(raw, tmp_path / "run", beta="0.3") == 0
    assert reconstruct(raw, tmp_path / "run", "--overwrite") == 0
    assert digest(tmp_path / "run") == digest(done)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_input_is_left_as_it_was(raw, done):
    file = Path(raw.removesuffix(":raw"))
    assert os.stat(file).st_mode & 0o222 == 0
    assert [path.name for path in file.parent.iterdir()] == ["cells.h5"]
