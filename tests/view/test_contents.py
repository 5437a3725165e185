"""What of a run directory can be shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_runs import GREY, GRID, NEURONS, PIECES, make_run

from savem3.grid import Grid
from savem3.store import write_image
from savem3.view.contents import contents_of, ids_in
from savem3.volume import Image


def test_a_finished_run_shows_its_volumes_where_they_are(tmp_path: Path) -> None:
    contents = contents_of(make_run(tmp_path), raw=f"{tmp_path}/raw.h5:raw")
    found = {pyramid.name: pyramid.levels[0] for pyramid in contents.pyramids}
    assert list(found) == ["image", "boundary", "fragments", "labels"]
    assert {level.grid for level in found.values()} == {GRID}
    for name, expected in {"image": GREY, "boundary": GREY, "fragments": PIECES, "labels": NEURONS}.items():
        np.testing.assert_array_equal(found[name].load().voxels, expected)
    assert contents.remarks == ()


def test_the_raw_volume_that_the_record_names_is_opened(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "raw": f"{tmp_path}/raw.h5:raw"}))
    assert contents_of(run).image is not None


def test_without_a_raw_volume_the_rest_is_shown_and_the_cure_is_said(tmp_path: Path) -> None:
    contents = contents_of(make_run(tmp_path))
    assert contents.image is None
    assert len(contents.pyramids) == 3
    assert "pass --raw" in contents.remarks[0]


def test_sections_and_brightness_of_the_raw_volume_are_those_of_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    longer = np.concatenate([np.zeros((3, 20, 28), np.uint8), 255 - GREY, np.zeros((1, 20, 28), np.uint8)])
    write_image(Image(longer, Grid(longer.shape, GRID.voxel_size)), tmp_path / "whole.h5")
    record = json.loads((run / "run.json").read_text())
    record["check"] = {"inverted": True}
    record["source"] = {"sections": "3:9", "invert": "auto", "voxel_size": None}
    (run / "run.json").write_text(json.dumps(record))
    image = contents_of(run, raw=f"{tmp_path}/whole.h5").image
    assert image is not None
    assert image.levels[0].grid == GRID
    np.testing.assert_array_equal(image.levels[0].load().voxels, GREY)


def test_another_raw_volume_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    write_image(Image(GREY[:5], Grid((5, 20, 28), GRID.voxel_size)), tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"raw must have the shape of the run \(6, 20, 28\), got \(5, 20, 28\)"):
        contents_of(run, raw=f"{tmp_path}/other.h5")


def test_an_unfinished_run_shows_what_is_there(tmp_path: Path) -> None:
    run = make_run(tmp_path, state="unfinished")
    shutil.rmtree(run / "labels.zarr")
    (run / "fragments.zarr" / "zarr.json").unlink()
    shutil.rmtree(run / "fragments.zarr" / "0" / "c")
    contents = contents_of(run)
    assert contents.labels is None
    assert contents.fragments is not None
    assert not contents.fragments.levels[0].load().voxels.any()
    assert "unfinished" in contents.remarks[0]
    assert "labels.zarr is not there yet" in contents.remarks


def test_a_run_without_a_volume_and_a_folder_without_a_run_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for name in ("boundary", "fragments", "labels"):
        shutil.rmtree(run / f"{name}.zarr")
    with pytest.raises(ValueError, match="none is begun yet"):
        contents_of(run)
    with pytest.raises(ValueError, match="run must be a folder that 'savem3 reconstruct' made"):
        contents_of(tmp_path)


def test_exported_surfaces_and_skeletons_are_found(tmp_path: Path) -> None:
    volume = {"@type": "neuroglancer_multiscale_volume", "mesh": "mesh", "skeletons": "../../elsewhere"}
    run = make_run(tmp_path)
    for name, info in {
        "out": volume,
        "out/mesh": {"@type": "neuroglancer_legacy_mesh"},
        "other/skeletons": {"@type": "neuroglancer_skeletons"},
        "elsewhere": {"@type": "neuroglancer_skeletons"},
        "labels.zarr": volume,
        "plain": {"what": "ever"},
    }.items():
        (run / name).mkdir(parents=True, exist_ok=True)
        (run / name / "info").write_text(json.dumps(info))
    contents = contents_of(run)
    assert contents.surfaces == (run / "out/mesh",)
    assert contents.skeletons == (run / "elsewhere", run / "other/skeletons")


def test_objects_are_shown_that_all_exported_folders_know(tmp_path: Path) -> None:
    for folder, names in {"mesh": ("info", "7:0", "7.0", "8:0", "9:0"), "skeletons": ("info", "8", "9", "10")}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    (tmp_path / "sharded").mkdir()
    (tmp_path / "sharded" / "0.shard").touch()
    assert ids_in([tmp_path / "mesh", tmp_path / "skeletons", tmp_path / "sharded"]) == {8, 9}
    assert ids_in([tmp_path / "sharded"]) is None
