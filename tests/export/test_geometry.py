import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr

from savem3.cli import run
from savem3.grid import Grid
from savem3.store import write_labels
from savem3.volume import Labels

pytest.importorskip("zmesh")

GRID = Grid((20, 24, 40), (30.0, 6.0, 4.0), (60.0, 18.0, 8.0))
START, STOP = [120.0, 30.0, 20.0], [240.0, 90.0, 160.0]
"""Of the object, along z, y, x, in nm."""


@pytest.fixture
def stored(tmp_path: Path) -> str:
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[2:6, 2:12, 3:38] = 9
    write_labels(Labels(voxels, GRID), tmp_path / "labels.zarr")
    return str(tmp_path / "labels.zarr")


def export(*arguments: str) -> None:
    assert run(["export", *arguments, "--json"]) == 0


def box_of(voxels: np.ndarray, size: tuple[float, ...], origin: tuple[float, ...]) -> tuple[list[float], list[float]]:
    index = np.argwhere(voxels == 9)
    start, stop = index.min(0) * size + origin, (index.max(0) + 1) * size + origin
    return start.tolist(), stop.tolist()


def test_precomputed_volume_mesh_and_skeleton_lie_at_the_same_place(stored: str, tmp_path: Path) -> None:
    export("precomputed", stored, str(tmp_path / "out"), "--meshes", "--skeletons", "--error-nm", "0")
    labels = tmp_path / "out" / "labels"
    info = json.loads((labels / "info").read_text())
    scale = info["scales"][0]
    kvstore = {"driver": "file", "path": f"{labels}/"}
    store = tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore}).result()
    size = tuple(reversed(scale["resolution"]))
    origin = tuple(s * o for s, o in zip(size, reversed(scale["voxel_offset"]), strict=True))
    assert box_of(store.read().result()[..., 0].T, size, origin) == (START, STOP)
    (name,) = json.loads((labels / info["mesh"] / "9:0").read_text())["fragments"]
    content = (labels / info["mesh"] / name).read_bytes()
    corners = np.frombuffer(content, "<f4", 3 * int(np.frombuffer(content, "<u4", 1)[0]), 4).reshape(-1, 3)
    assert (corners.min(0)[::-1].tolist(), corners.max(0)[::-1].tolist()) == (START, STOP)
    content = (labels / info["skeletons"] / "9").read_bytes()
    points = np.frombuffer(content, "<f4", 3 * int(np.frombuffer(content, "<u4", 1)[0]), 8).reshape(-1, 3)[:, ::-1]
    assert (points > START).all()
    assert (points < STOP).all()
    assert np.ptp(points[:, 2]) > 0.6 * (STOP[2] - START[2])
    assert (labels / info["segment_properties"] / "info").is_file()
    assert json.loads((tmp_path / "out" / "export.json").read_text())["export"] == "precomputed"


def test_tables_and_surfaces_lie_at_the_same_place(stored: str, tmp_path: Path) -> None:
    export("tables", stored, str(tmp_path / "tables"))
    names, row = (line.split(",") for line in (tmp_path / "tables" / "bodies.csv").read_text().splitlines())
    table = dict(zip(names, map(float, row), strict=True))
    assert [table[f"{axis}_start_nm"] for axis in "zyx"] == START
    assert [table[f"{axis}_stop_nm"] for axis in "zyx"] == STOP
    export("meshes", stored, str(tmp_path / "obj"), "--ids", "9", "--format", "obj", "--error-nm", "0")
    lines = (tmp_path / "obj" / "9.obj").read_text().splitlines()
    corners = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)[:, ::-1]
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == (START, STOP)


def test_other_programs_read_the_same_voxels_and_sizes(stored: str, tmp_path: Path) -> None:
    for name in ("a.zarr", "b.v2.zarr", "c.h5", "d.tif"):
        export("volume", stored, str(tmp_path / name))
    for name in ("a.zarr", "b.v2.zarr"):
        group = zarr.open_group(tmp_path / name, mode="r")
        pyramid = dict(group.attrs.get("ome", group.attrs))["multiscales"][0]
        scale, shift = pyramid["datasets"][0]["coordinateTransformations"]
        assert box_of(group["0"][...], scale["scale"], shift["translation"]) == (START, STOP)
    expected = zarr.open_group(stored, mode="r")["0"][...]
    with h5py.File(tmp_path / "c.h5") as file:
        dataset = next(d for d in file.values() if isinstance(d, h5py.Dataset))
        np.testing.assert_array_equal(dataset[...], expected)
        assert box_of(dataset[...], dataset.attrs["resolution_nm"], dataset.attrs["origin_nm"]) == (START, STOP)
    with tifffile.TiffFile(tmp_path / "d.tif") as file:
        told, page = file.imagej_metadata, file.pages[0]
        np.testing.assert_array_equal(file.asarray(), expected)
        assert told["unit"] == "nm"
        per_unit = [tag.value[0] / tag.value[1] for tag in (page.tags["YResolution"], page.tags["XResolution"])]
        size = (told["spacing"], 1 / per_unit[0], 1 / per_unit[1])
        zero = tuple(told[f"{axis}origin"] for axis in "zyx")  # the voxel that lies at 0 nm, as ImageJ has it
        assert box_of(file.asarray(), size, tuple(-s * o for s, o in zip(size, zero, strict=True))) == (START, STOP)


def test_what_is_there_stays_and_what_fails_leaves_nothing(stored: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert run(["export", "tables", stored, str(tmp_path / "there"), "--json"]) == 4
    assert run(["export", "meshes", stored, str(tmp_path / "absent"), "--ids", "8", "--json"]) == 2
    assert run(["export", "webknossos", stored, str(tmp_path / "absent"), "--json"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.zarr", "there"]
