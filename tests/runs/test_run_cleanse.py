"""savem3 cleanse: files in, a folder out, which can be gone on with and done again."""

from __future__ import annotations

import json
import warnings

import h5py
import numpy as np
import pytest
from scipy import ndimage

from savem3.cli import run
from savem3.store import open_image, open_labels


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    cells = ndimage.gaussian_filter(rng.normal(size=(5, 4, 40, 52)), (0, 0.5, 3.0, 3.0)).argmax(0)
    grey = np.clip(ndimage.gaussian_filter(rng.normal(130, 200, cells.shape), (0, 1, 1)), 1, 254)
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["raw"], file["labels"] = grey.astype(np.uint8), cells.astype(np.uint32)
        file["mask"] = (np.arange(52) > 4)[None, None].repeat(4, 0).repeat(40, 1).astype(np.uint8)
    return tmp_path


def cleanse(folder, out, *options):
    files = [f"{folder}/cells.h5:{name}" for name in ("raw", "labels")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(["cleanse", *files, f"{folder}/{out}", "--voxel-size", "40,4,4", "--threads", "1", *options])


def voxels(folder, out):
    image = open_image(folder / out / "raw.zarr").load()
    labels, mask = (open_labels(folder / out / f"{name}.zarr").load() for name in ("labels", "mask"))
    return image, labels, mask


def test_the_command_leaves_volumes_and_a_record_that_gives_the_same_bytes_again(folder):
    mask = f"{folder}/cells.h5:mask"
    assert (
        cleanse(folder, "a", "--to-nm", "8", "--myelin", "1", "--glia", "2", "--mask", mask, "--erode", "1", "--clean")
        == 0
    )
    image, labels, weight = voxels(folder, "a")
    assert image.grid == labels.grid == weight.grid
    assert image.grid.shape == (4, 20, 26)
    assert image.grid.voxel_size == (40.0, 8.0, 8.0)
    assert set(np.unique(labels.voxels)) == {0, 2, 3, 4}
    assert (weight.voxels[..., :2] == 0).all()
    record = json.loads((folder / "a" / "cleanse.json").read_text())
    assert [r["operation"] for r in record["operations"]] == ["clear", "hide_labels", "resample", "erode", "tidy"]
    assert cleanse(folder, "b", "--record", f"{folder}/a/cleanse.json", "--mask", mask) == 0
    for one, two in zip(voxels(folder, "b"), (image, labels, weight), strict=True):
        assert one.voxels.tobytes() == two.voxels.tobytes()
    assert json.loads((folder / "b" / "cleanse.json").read_text())["operations"] == record["operations"]


def test_what_is_done_stays_and_what_is_missing_is_done_again(folder, capsys):
    assert cleanse(folder, "a", "--erode", "1") == 0
    before = [volume.voxels.tobytes() for volume in voxels(folder, "a")]
    assert cleanse(folder, "a", "--erode", "1") == 4
    assert "--resume" in capsys.readouterr().err
    (folder / "a" / "done" / "cleanse" / "2.json").unlink()
    assert cleanse(folder, "a", "--erode", "1", "--resume") == 0
    assert [volume.voxels.tobytes() for volume in voxels(folder, "a")] == before
    assert cleanse(folder, "a", "--erode", "2", "--resume") == 4
    assert "settings.operations" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "at least one of --to-nm"),
        (("--record", "nothing.json"), "record must be an intact cleanse.json"),
        (("--record", "nothing.json", "--clean"), "--record must go without other operations"),
        (("--to-nm", "-1"), "nm must be above 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder, capsys, options, says):
    assert cleanse(folder, "a", *options) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not (folder / "a").exists()


def test_isotropic_volumes_get_coarser_levels_of_all_three_volumes(folder):
    files = [f"{folder}/cells.h5:{name}" for name in ("raw", "labels")]
    with h5py.File(folder / "cells.h5", "a") as file:
        for name in ("raw", "labels"):
            once = file[name][()]
            del file[name]
            file[name] = np.tile(once, (8, 4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(["cleanse", *files, f"{folder}/a", "--voxel-size", "8", "--threads", "1", "--clean"]) == 0
    assert len(list((folder / "a" / "mask.zarr").glob("[0-9]"))) > 1
