"""Every command on a volume that may not be written, in a folder whose name has spaces and letters of two scripts."""

import hashlib
import json
import warnings

import h5py
import numpy as np
import pytest

from savem3.cli import run
from savem3.shipped import read_example
from zoo import FOLDER

pytestmark = pytest.mark.slow
SHAPE = (40, 96, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A part of the bundled crop without its 20th section, in a file and a folder that are read-only."""
    folder = tmp_path_factory.mktemp("any") / FOLDER
    (folder / "in").mkdir(parents=True)
    image, truth = (v.read(v.grid.box)[tuple(map(slice, SHAPE))].copy() for v in read_example())
    image[20] = 0
    with h5py.File(folder / "in" / "une pile.h5", "w") as file:
        for name, voxels in (("raw", image), ("truth", truth), ("bright", 255 - image)):
            file[name] = voxels
            file[name].attrs["resolution"] = (10.0, 10.0, 10.0)
    (folder / "in" / "une pile.h5").chmod(0o444)
    (folder / "in").chmod(0o555)
    yield folder
    (folder / "in").chmod(0o755)


@pytest.fixture(scope="module")
def before(folder):
    return digests(folder / "in")


@pytest.fixture(scope="module")
def done(folder, before):
    assert call("reconstruct", f"{folder}/in/une pile.h5:raw", folder / "un run", "--threads", "1") == 0
    return folder / "un run"


def digests(folder):
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


def call(*words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run([str(word) for word in words])


COMMANDS = {
    "check": lambda stack, done, out: ("check", f"{stack}:raw", "--out", out),
    "plan": lambda stack, done, out: ("plan", f"{stack}:raw", out),
    "verify": lambda stack, done, out: ("verify", done),
    "predict": lambda stack, done, out: ("predict", f"{stack}:raw", f"{out}.zarr"),
    "oversegment": lambda stack, done, out: ("oversegment", f"{done}/boundary.zarr", f"{out}.h5"),
    "cut": lambda stack, done, out: ("cut", f"{done}/fragments.zarr", f"{done}/boundary.zarr", f"{out}.zarr"),
    "score": lambda stack, done, out: ("score", f"{done}/labels.zarr", f"{stack}:truth"),
    "distill": lambda stack, done, out: (
        "distill",
        f"{stack}:raw",
        f"{out}.safetensors",
        "--steps",
        "1",
        "--drawn",
        "0",
    ),
    "pictures": lambda stack, done, out: ("pictures", f"{done}/labels.zarr", f"{stack}:raw", out),
    "precomputed": lambda stack, done, out: ("export", "precomputed", done, out),
    "webknossos": lambda stack, done, out: ("export", "webknossos", done, out),
    "tiff": lambda stack, done, out: ("export", "volume", f"{done}/labels.zarr", f"{out}.tif"),
    "meshes": lambda stack, done, out: ("export", "meshes", done, out, "--ids", "1", "2"),
    "skeletons": lambda stack, done, out: ("export", "skeletons", done, out),
    "tables": lambda stack, done, out: ("export", "tables", done, out),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_works_there_and_leaves_its_input_alone(name, folder, before, done):
    made = digests(done)
    assert call(*COMMANDS[name](folder / "in" / "une pile.h5", done, folder / name)) == 0
    assert digests(folder / "in") == before
    assert {path: made[path] for path in made} == {path: digests(done).get(path) for path in made}


def test_the_lost_section_is_bridged_recorded_and_crossed(done):
    from savem3.store import open_labels

    record = json.loads((done / "run.json").read_text(encoding="utf-8"))
    assert record["check"]["lost"] == [20]
    labels = np.asarray(open_labels(done / "labels.zarr").voxels)
    held = (labels[19] == labels[21]) & (labels[19] > 0)
    assert held.mean() > 0.8
    assert (labels[20][held] == labels[19][held]).mean() > 0.9


def test_bright_membranes_are_found_and_give_the_same_labels(folder, done):
    from savem3.store import open_labels

    assert call("reconstruct", f"{folder}/in/une pile.h5:bright", folder / "bright", "--skip-report") == 0
    assert call("reconstruct", f"{folder}/in/une pile.h5:raw", folder / "dark", "--skip-report", "--invert", "no") == 0
    bright, dark = (np.asarray(open_labels(folder / name / "labels.zarr").voxels) for name in ("bright", "dark"))
    assert (bright > 0).all()
    assert np.mean((bright[:18, :, 1:] == bright[:18, :, :-1]) == (dark[:18, :, 1:] == dark[:18, :, :-1])) > 0.95
