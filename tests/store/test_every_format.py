"""Laws that hold for every format that is read or written: what is saved is what is loaded."""

from __future__ import annotations

import contextlib
import gzip
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
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
    MissingVoxelSize,
    UnreadableVolume,
    open_boundary,
    open_image,
    open_labels,
    open_stored,
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


def save_mrc(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    """By the MRC library, and then stamped as IMOD stamps bytes from 0 to 255."""
    path = folder / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(voxels.view(np.int8))
        z, y, x = size
        file.voxel_size = (x * 10, y * 10, z * 10)
    content = bytearray(path.read_bytes())
    content[152:160] = struct.pack("<2i", 1146047817, 0)
    path.write_bytes(content)
    return path


def save_n5(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    """By hand: one block, big-endian header, x first."""
    data = folder / "a.n5" / "volumes" / "raw"
    (data / "0" / "0").mkdir(parents=True)
    edges = list(voxels.shape[::-1])
    shape = {"dimensions": edges, "blockSize": edges, "dataType": "uint8", "compression": {"type": "gzip"}}
    lengths = {"pixelResolution": {"unit": "nm", "dimensions": size[::-1]}, "offset": [8, 12, 90]}
    (data / "attributes.json").write_text(json.dumps(shape | lengths))
    block = struct.pack(">HHIII", 0, 3, *edges) + gzip.compress(voxels.tobytes())
    (data / "0" / "0" / "0").write_bytes(block)
    return folder / "a.n5"


def save_precomputed(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    """By hand: one raw chunk, x running fastest."""
    edges = list(voxels.shape[::-1])
    (folder / "a" / "s").mkdir(parents=True)
    scale = {"key": "s", "size": edges, "resolution": size[::-1], "voxel_offset": [2, 2, 3], "encoding": "raw"}
    info = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [scale | {"chunk_sizes": [edges]}]}
    (folder / "a" / "info").write_text(json.dumps(info))
    name = "_".join(f"{o}-{o + n}" for o, n in zip((2, 2, 3), edges, strict=True))
    (folder / "a" / "s" / name).write_bytes(voxels.tobytes())
    return folder / "a"


def save_knossos(folder: Path, voxels: NDArray[np.generic], size: tuple[float, float, float]) -> Path:
    """By hand: one raw cube of 128 voxels."""
    place = folder / "a" / "mag1" / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    cube = np.zeros((128, 128, 128), np.uint8)
    cube[tuple(slice(n) for n in voxels.shape)] = voxels
    (place / "a_mag1_x0000_y0000_z0000.raw").write_bytes(cube.tobytes())
    z, y, x = zip(voxels.shape, size, strict=True)
    told = [f"boundary {n} {v[0]};\nscale {n} {v[1]};" for n, v in (("x", x), ("y", y), ("z", z))]
    (folder / "a" / "mag1" / "knossos.conf").write_text("\n".join(['experiment name "a_mag1";', *told, ""]))
    return folder / "a"


SAVE: dict[str, Callable[[Path, NDArray[np.generic], tuple[float, float, float]], Path]] = {
    "hdf5": save_hdf5,
    "tiff": save_tiff,
    "mrc": save_mrc,
    "zarr": save_zarr,
    "n5": save_n5,
    "precomputed": save_precomputed,
    "knossos": save_knossos,
    "sections": save_sections,
}
PLACED = {"n5", "precomputed"}
"""Formats that are saved with their first voxel at `PLACE`."""

PLACE = (90.0, 12.0, 8.0)
"""Three voxels of `SIZE` down, two to the south, two to the east."""

LARGEST = {"tiff": 2**16 - 1}
"""Largest object number of a format that does not hold all of them."""

UNITLESS = {"sections"}
"""Formats that cannot tell a voxel size."""

shapes = st.tuples(st.integers(1, 12), st.integers(5, 9), st.integers(5, 11))
grids = st.builds(Grid, shapes, st.sampled_from(VOXEL_SIZES), st.sampled_from([(0.0, 0.0, 0.0), (1500.0, 30.5, -8.0)]))


def test_every_reader_is_tested() -> None:
    assert SAVE.keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_an_asymmetric_phantom_keeps_its_voxels_lengths_and_place(name: str, tmp_path: Path) -> None:
    voxels = np.zeros((5, 9, 7), np.uint8)
    voxels[4, 0, 0], voxels[0, 8, 0], voxels[0, 0, 6] = 10, 20, 30
    image = open_image(SAVE[name](tmp_path, voxels, SIZE), voxel_size=SIZE if name in UNITLESS else None)
    assert image.grid.voxel_size == pytest.approx(SIZE, rel=1e-6)
    assert image.grid.origin == (PLACE if name in PLACED else (0, 0, 0))
    assert [int(image.voxels[at]) for at in ((4, 0, 0), (0, 8, 0), (0, 0, 6))] == [10, 20, 30]


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("name", READERS)
def test_no_cut_of_any_file_gives_other_voxels(name: str, keep: float, tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(1, 256, (5, 19, 17), np.uint8)
    path = SAVE[name](tmp_path, voxels, SIZE)
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * keep)])
        try:
            found = open_image(path, voxel_size=SIZE).load().voxels
        except UnreadableVolume:
            found = voxels
        np.testing.assert_array_equal(found, voxels, err_msg=str(file))
        file.write_bytes(whole)


@pytest.mark.parametrize("name", READERS)
def test_no_flipped_byte_of_any_file_brings_anything_but_voxels_or_a_refusal(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = SAVE[name](tmp_path, rng.integers(1, 256, (5, 19, 17), np.uint8), SIZE)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    for _ in range(40):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        content = bytearray(whole)
        content[rng.integers(min(len(content), 1200))] = rng.integers(256)
        file.write_bytes(content)
        with contextlib.suppress(UnreadableVolume, MissingVoxelSize):
            stored = open_stored(path)
            np.asarray(stored.voxels[0, 0, :5] if stored.declared_bytes > 2**20 else stored.voxels[...])
        file.write_bytes(whole)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_what_it_found(name: str, tmp_path: Path) -> None:
    voxels = np.zeros((5, 9, 7), np.uint8)
    stored = open_stored(SAVE[name](tmp_path, voxels, SIZE))
    assert stored.header.format == name
    assert set(stored.header.axes) == {"z", "y", "x"} | ({"c"} if name == "precomputed" else set())
    assert (stored.header.size_from is None) == (name in UNITLESS)
    assert stored.declared_bytes == voxels.size * stored.voxels.dtype.itemsize
    assert stored.file_bytes is not None
    assert stored.file_bytes > 0


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=15)
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
    labels = data.draw(arrays.arrays(np.uint64, grid.shape, elements=st.integers(0, LARGEST.get(name, 2**64 - 1))))
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
