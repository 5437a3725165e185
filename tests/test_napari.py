"""The napari plugin, through its manifest; napari itself is not needed."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from savem3 import napari
from savem3.grid import Grid
from savem3.store import open_labels, write_boundary, write_image, write_labels
from savem3.volume import BoundaryMap, Image, Labels

GRID = Grid((5, 8, 10), (30.0, 6.0, 4.0), (60.0, 0.0, 40.0))
GREY = np.random.default_rng(0).integers(0, 256, GRID.shape, dtype=np.uint8)
PIECES = (1 + np.arange(10) // 3 + np.zeros(GRID.shape)).astype(np.uint64)
MANIFEST = Path(napari.__file__).with_suffix(".yaml")


@pytest.fixture
def npe2() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("npe2", reason='needs npe2: pip install "savem3[napari]"')


def function_of(name: str) -> Any:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def test_the_manifest_is_valid_and_all_that_it_names_is_there(npe2: ModuleType) -> None:
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    assert manifest.name == "savem3"
    commands = {command.id: command.python_name for command in manifest.contributions.commands}
    assert all(callable(function_of(str(name))) for name in commands.values())
    told = [*manifest.contributions.readers, *manifest.contributions.writers, *manifest.contributions.sample_data]
    assert {contribution.command for contribution in told} == set(commands)


def test_napari_can_read_write_and_show_the_crop_by_the_manifest(npe2: ModuleType, tmp_path: Path) -> None:
    manager = npe2.PluginManager()
    manager.register(npe2.PluginManifest.from_file(MANIFEST))
    manager.activate("savem3")
    write_image(Image(GREY, GRID), tmp_path / "raw.h5")
    path = str(tmp_path / "raw.h5")
    (reader,) = manager.iter_compatible_readers([path])
    ((data, facts, kind),) = manager.commands.execute(reader.command, kwargs={"path": path})(path)
    assert kind == "image"
    assert data[2, 3, 4] == GREY[2, 3, 4]
    writer = next(iter(manager.iter_compatible_writers(["labels"])))
    out = str(tmp_path / "labels.zarr")
    written = manager.commands.execute(writer.command, args=(out, PIECES.astype(np.int32), facts))
    assert written == [out]
    assert open_labels(out).grid == GRID
    crop = manager.commands.execute("savem3.open_crop")
    assert [layer[2] for layer in crop] == ["image", "labels"]
    assert crop[0][0].shape == crop[1][0].shape == (64, 192, 192)


def test_a_layer_says_where_it_is_in_um(tmp_path: Path) -> None:
    write_image(Image(GREY, GRID), tmp_path / "raw.zarr")
    ((data, facts, kind),) = napari.read(str(tmp_path / "raw.zarr"))
    assert kind == "image"
    assert facts["scale"] == pytest.approx([0.03, 0.006, 0.004])
    assert facts["translate"] == pytest.approx([0.06 + 0.015, 0.003, 0.04 + 0.002])
    assert facts["units"] == ["um"] * 3
    assert (data.shape, data.dtype, data.ndim, data.size, len(data)) == (GRID.shape, np.uint8, 3, 400, 5)
    np.testing.assert_array_equal(data[1, ::2, -3:], GREY[1, ::2, -3:])
    np.testing.assert_array_equal(np.asarray(data), GREY)


def test_images_are_not_read_when_they_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(Image(GREY, GRID), tmp_path / "raw.zarr")
    monkeypatch.setattr("savem3.store.tensors._read", lambda *_: pytest.fail("read"))
    napari.read(str(tmp_path / "raw.zarr"))


def test_labels_can_be_painted_on_and_come_back_as_they_were(tmp_path: Path) -> None:
    write_labels(Labels(PIECES, GRID), tmp_path / "a.zarr")
    ((data, facts, kind),) = napari.read(str(tmp_path / "a.zarr"))
    assert kind == "labels"
    data[0, 0, 0] = 77
    assert napari.save_labels(str(tmp_path / "b.zarr"), data, facts) == [str(tmp_path / "b.zarr")]
    again = open_labels(tmp_path / "b.zarr")
    assert again.grid.voxel_size == pytest.approx(GRID.voxel_size)
    assert again.grid.origin == pytest.approx(GRID.origin)
    np.testing.assert_array_equal(again.load().voxels, data)


def test_large_labels_stay_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(Labels(PIECES, GRID), tmp_path / "a.zarr")
    monkeypatch.setattr(napari, "IN_MEMORY", PIECES.size - 1)
    ((data, _, _),) = napari.read(str(tmp_path / "a.zarr"))
    assert isinstance(data, napari.LazyArray)
    np.testing.assert_array_equal(np.asarray(data), PIECES)


def test_a_run_directory_is_one_layer_a_volume(tmp_path: Path) -> None:
    place = {"shape": GRID.shape, "voxel_size": GRID.voxel_size, "origin": GRID.origin}
    write_image(Image(GREY, GRID), tmp_path / "raw.zarr")
    write_boundary(BoundaryMap(GREY, GRID), tmp_path / "run" / "boundary.zarr")
    write_labels(Labels(PIECES, GRID), tmp_path / "run" / "labels.zarr")
    record = {"state": "finished", "identity": {"input": place}, "raw": str(tmp_path / "raw.zarr")}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    reader = napari.get_reader([str(tmp_path / "run")])
    assert reader is not None
    layers = reader([str(tmp_path / "run")])
    assert [(facts["name"], kind) for _, facts, kind in layers] == [
        ("image", "image"),
        ("boundary", "image"),
        ("labels", "labels"),
    ]
    assert [facts["visible"] for _, facts, _ in layers] == [True, False, True]
    assert all(facts["scale"] == pytest.approx([0.03, 0.006, 0.004]) for _, facts, _ in layers)


def test_paths_that_are_no_volume_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    assert napari.get_reader(str(tmp_path / "text.txt")) is None
    assert napari.get_reader(str(tmp_path / "empty")) is None
    assert napari.get_reader(str(tmp_path / "missing.zarr")) is None
    write_image(Image(GREY, GRID), tmp_path / "raw.zarr")
    assert napari.get_reader(str(tmp_path / "raw.zarr")) is not None
    assert napari.get_reader([str(tmp_path / "raw.zarr")] * 2) is None


@pytest.mark.parametrize(
    ("data", "attributes", "message"),
    [
        (PIECES, {"scale": (1, 1, 1), "units": ("pixel",) * 3}, "units must be lengths along z, y, x, got"),
        (PIECES, {"scale": (1, 1, 1)}, "units must be lengths along z, y, x, got none"),
        (PIECES[0], {"scale": (1, 1), "units": ("um",) * 2}, "labels must be integers along z, y, x"),
        (
            PIECES - 2.0,
            {"scale": (1, 1, 1), "units": ("um",) * 3},
            "labels must be integers along z, y, x, got float64",
        ),
        (PIECES.astype(np.int8) - 2, {"scale": (1, 1, 1), "units": ("um",) * 3}, "labels must be at least 0, got -1"),
    ],
)
def test_a_layer_that_cannot_be_labels_is_refused(
    tmp_path: Path, data: Any, attributes: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        napari.save_labels(str(tmp_path / "out.zarr"), data, attributes)
    assert not (tmp_path / "out.zarr").exists()


def test_the_plugin_waits_neither_for_qt_nor_for_torch() -> None:
    program = "import json, sys, savem3.napari; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert {"napari", "qtpy", "torch", "npe2", "dask"} & set(json.loads(done.stdout)) == set()
