"""Laws that hold for every format that is read or written: what is saved is what is loaded."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image as Pillow

from savem3.grid import Grid
from savem3.store import (
    READERS,
    WRITERS,
    open_boundary,
    open_image,
    open_labels,
    write_boundary,
    write_image,
    write_labels,
)
from savem3.volume import BoundaryMap, Image, Labels

VOXEL_SIZES = [(30.0, 6.0, 4.0), (8.0, 8.0, 8.0), (45.0, 4.6, 11.24)]
SIZE = (30.0, 6.0, 4.0)
FOLDER = "données 测试 a b"


def write_array(
    path: Path,
    voxels: NDArray[np.generic],
    attributes: dict[str, object],
    *,
    version: int = 3,
    dimensions: list[str] | None = None,
) -> Path:
    """A Zarr array as another program would write it."""
    names = {"dimension_names": dimensions} if dimensions else {}
    metadata = (
        {"shape": voxels.shape, "data_type": voxels.dtype.name, "attributes": attributes, **names}
        if version == 3
        else {"shape": voxels.shape, "dtype": voxels.dtype.str, "compressor": None}
    )
    driver = {2: "zarr", 3: "zarr3"}[version]
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}, "metadata": metadata}
    tensorstore.open(spec, create=True).result()[...].write(voxels).result()
    if version == 2:
        (path / ".zattrs").write_text(json.dumps(attributes))
    return path


def write_group(path: Path, attributes: dict[str, object], *, version: int = 3) -> Path:
    """A Zarr group as another program would write it."""
    path.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps(attributes))
    else:
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (path / "zarr.json").write_text(json.dumps(group))
    return path


def save_hdf5(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("volumes/raw", data=voxels).attrs["resolution"] = size
    return folder / "a.h5"


def save_tiff(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    physical = {f"PhysicalSize{axis}": nm / 1000 for axis, nm in zip("ZYX", size, strict=True)}
    tifffile.imwrite(folder / "a.ome.tif", voxels, metadata={"axes": "ZYX", **physical}, compression="zlib")
    return folder / "a.ome.tif"


def save_zarr(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    return write_array(folder / "a.zarr", voxels, {"voxel_size": size})


def save_sections(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    (folder / "a").mkdir()
    for z, section in enumerate(voxels):
        Pillow.fromarray(section).save(folder / "a" / f"section {z}.png")
    return folder / "a"


SAVE: dict[str, Callable[[Path, NDArray[np.generic], tuple[float, float, float]], Path]] = {
    "hdf5": save_hdf5,
    "tiff": save_tiff,
    "zarr": save_zarr,
    "sections": save_sections,
}
UNITLESS = {"sections"}
"""Formats that cannot tell a voxel size."""

shapes = st.tuples(st.integers(1, 12), st.integers(5, 9), st.integers(5, 11))
grids = st.builds(Grid, shapes, st.sampled_from(VOXEL_SIZES), st.sampled_from([(0.0, 0.0, 0.0), (1500.0, 30.5, -8.0)]))


def test_every_reader_is_tested() -> None:
    assert SAVE.keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
@given(data=st.data(), shape=shapes, size=st.sampled_from(VOXEL_SIZES))
def test_every_reader_gives_what_was_saved(
    name: str, data: st.DataObject, shape: tuple[int, int, int], size: tuple[float, float, float]
) -> None:
    voxels = data.draw(arrays.arrays(np.uint8, shape))
    with tempfile.TemporaryDirectory(suffix=FOLDER) as folder:
        path = SAVE[name](Path(folder), voxels, size)
        image = open_image(path, voxel_size=size if name in UNITLESS else None)
        assert image.grid.shape == shape
        assert image.grid.voxel_size == pytest.approx(size, rel=1e-6)
        np.testing.assert_array_equal(image.load().voxels, voxels)
        np.testing.assert_array_equal(image.voxels[shape[0] // 2, 1:4, 2::2], voxels[shape[0] // 2, 1:4, 2::2])


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=12)
@given(data=st.data(), grid=grids)
def test_every_writer_and_reader_together_change_nothing(name: str, data: st.DataObject, grid: Grid) -> None:
    grey = data.draw(arrays.arrays(np.uint8, grid.shape))
    labels = data.draw(arrays.arrays(np.uint64, grid.shape))
    with tempfile.TemporaryDirectory(suffix=FOLDER) as folder:
        image, boundary, objects = (f"{folder}/{noun}{WRITERS[name].suffixes[0]}" for noun in ("raw", "bdy", "labels"))
        write_image(Image(grey, grid), image)
        write_boundary(BoundaryMap(grey, grid), boundary)
        write_labels(Labels(labels, grid), objects)
        for volume, voxels in (
            (open_image(image), grey),
            (open_boundary(boundary), grey),
            (open_labels(objects), labels),
        ):
            assert volume.grid == grid
            np.testing.assert_array_equal(volume.load().voxels, voxels)


@pytest.mark.parametrize("name", READERS)
def test_a_volume_is_read_from_a_place_where_nothing_may_be_written(name: str, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    voxels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    path = SAVE[name](folder, voxels, (30.0, 6.0, 4.0))
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for file in before:
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        open_image(path, voxel_size=SIZE).load()
    finally:
        folder.chmod(0o755)
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", READERS)
def test_lazy_voxels_survive_the_trip_to_another_process(name: str, tmp_path: Path) -> None:
    from multiprocessing.reduction import ForkingPickler

    voxels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    image = open_image(SAVE[name](tmp_path, voxels, (30.0, 6.0, 4.0)), voxel_size=SIZE)
    there = ForkingPickler.loads(ForkingPickler.dumps(image))
    np.testing.assert_array_equal(there.load().voxels, voxels)


@pytest.mark.parametrize("name", WRITERS)
def test_what_zeros_were_written_is_stored_and_not_only_absent(name: str, tmp_path: Path) -> None:
    grid = Grid((3, 5, 7), (30.0, 6.0, 4.0))
    path = tmp_path / f"empty{WRITERS[name].suffixes[0]}"
    write_labels(Labels(np.zeros(grid.shape, np.uint64), grid), path)
    assert not open_labels(path).load().voxels.any()


def test_ome_metadata_follow_version_0_5(tmp_path: Path) -> None:
    grid = Grid((3, 5, 7), (30.0, 6.0, 4.0), (300.0, 0.0, 8.0))
    write_labels(Labels(np.ones(grid.shape, np.uint64), grid), tmp_path / "a.zarr")
    ome = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    assert "image-label" in ome
    assert [(axis["name"], axis["unit"]) for axis in ome["multiscales"][0]["axes"]] == [
        (axis, "nanometer") for axis in "zyx"
    ]
    array = json.loads((tmp_path / "a.zarr" / "0" / "zarr.json").read_text())
    assert array["dimension_names"] == ["z", "y", "x"]
    assert array["codecs"][-1]["name"] == "crc32c"
