"""HDF5 and Zarr: attributes, axes, pyramids, damage."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_every_format import write_array, write_group

from savem3.grid import Grid
from savem3.store import MissingVoxelSize, UnreadableVolume, open_image, open_labels, stored, write_labels
from savem3.volume import Labels

SIZE = (30.0, 6.0, 4.0)
VOXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 6), np.uint8)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resolution_nm", (30, 6, 4)),
        ("resolution", (30.0, 6.0, 4.0)),
        ("voxel_size", (30, 6, 4)),
        ("element_size_um", (0.03, 0.006, 0.004)),
    ],
)
@pytest.mark.parametrize("place", ["/", "volumes", "volumes/raw"])
def test_hdf5_attributes_say_the_voxel_size(key: str, value: tuple[float, ...], place: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["volumes/raw"] = VOXELS
        file[place].attrs[key] = value
        file.attrs["unrelated"] = "x"
    assert open_image(tmp_path / "a.h5").grid.voxel_size == pytest.approx((30, 6, 4))


@pytest.mark.parametrize("value", [(0, 0, 0), (30, np.nan, 4), (6, 4), "30x6x4"])
def test_an_attribute_that_is_no_voxel_size_is_no_answer(value: object, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs["resolution"] = value
    with pytest.raises(MissingVoxelSize):
        open_image(tmp_path / "a.h5")


def test_the_offset_of_cremi_is_the_origin(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs.update({"resolution": (40, 4, 4), "offset": (1520.0, 3644.0, 3644.0)})
    assert open_image(tmp_path / "a.h5").grid.origin == (1520.0, 3644.0, 3644.0)


def test_named_axes_of_hdf5_are_respected(tmp_path: Path) -> None:
    tags = {"axes": [{"key": axis} for axis in "xyzc"]}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ilastik"] = VOXELS.transpose(2, 1, 0)[..., np.newaxis]
        file["ilastik"].attrs["axistags"] = json.dumps(tags)
        file["labelled"] = VOXELS.transpose(1, 0, 2)
        for dimension, label in zip(file["labelled"].dims, "yzx", strict=True):
            dimension.label = label
    for name in ("ilastik", "labelled"):
        image = open_image(f"{tmp_path}/a.h5:{name}", voxel_size=SIZE)
        np.testing.assert_array_equal(image.load().voxels, VOXELS)
        np.testing.assert_array_equal(image.voxels[1:3, 4, 2:], VOXELS[1:3, 4, 2:])


@pytest.mark.parametrize(("shape", "axis"), [((3, 9, 8, 7), "channel"), ((9, 8, 7, 4), "channel")])
def test_channels_of_hdf5_are_refused_by_name(shape: tuple[int, ...], axis: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros(shape, np.uint8)
    with pytest.raises(UnreadableVolume, match=rf"a\.h5:raw .*got a {axis} axis of [34] entries"):
        open_image(tmp_path / "a.h5", voxel_size=SIZE)


def test_a_truncated_hdf5_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = VOXELS
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableVolume, match=r"a\.h5:raw must be an intact HDF5 file, got"):
        open_image(f"{tmp_path}/a.h5:raw", voxel_size=SIZE)


def test_a_flipped_bit_in_an_hdf5_output_is_noticed(tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), (30.0, 6.0, 4.0))
    write_labels(Labels(VOXELS.astype(np.uint64), grid), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        chunk = file["labels"].id.get_chunk_info(0)
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 4
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(UnreadableVolume, match=r"a\.h5:.*labels must be an intact HDF5 file"):
        open_labels(tmp_path / "a.h5").load()


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_both_zarr_versions_are_read(version: int, tmp_path: Path) -> None:
    group = write_group(write_group(tmp_path / "a.zarr", {}, version=version) / "volumes", {}, version=version)
    write_array(group / "raw", VOXELS, {"resolution": [30, 6, 4], "offset": [300, 0, 8]}, version=version)
    for path in (f"{tmp_path}/a.zarr", f"{tmp_path}/a.zarr:volumes/raw", f"{tmp_path}/a.zarr/volumes/raw"):
        image = open_image(path)
        assert image.grid == Grid((4, 5, 6), (30.0, 6.0, 4.0), (300.0, 0.0, 8.0))
        np.testing.assert_array_equal(image.load().voxels, VOXELS)


def test_several_arrays_of_a_group_are_listed_when_none_is_named(tmp_path: Path) -> None:
    for name in ("raw", "truth"):
        write_array(write_group(tmp_path / "a.zarr", {}) / name, VOXELS, {})
    with pytest.raises(UnreadableVolume, match=r"a\.zarr/raw, .*a\.zarr/truth"):
        open_image(tmp_path / "a.zarr", voxel_size=SIZE)
    with pytest.raises(UnreadableVolume, match=r"a\.zarr:rwa must be a Zarr array or group, got none of: .*/raw"):
        open_image(f"{tmp_path}/a.zarr:rwa", voxel_size=SIZE)


def pyramid(path: Path, *, version: str, axes: str, unit: str | None) -> Path:
    """A pyramid as another program would write it, one level, x first if ``axes`` says so."""
    order = [("z", "y", "x").index(axis) for axis in axes if axis in "zyx"]
    voxels = VOXELS.transpose(order).reshape([VOXELS.shape["zyx".index(a)] if a in "zyx" else 1 for a in axes])
    scale = [dict(zip("zyx", (0.03, 0.006, 0.004), strict=True)).get(axis, 1) for axis in axes]
    named = [{"name": a, "type": "space", **({"unit": unit} if unit and a in "zyx" else {})} for a in axes]
    steps = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": [10 * s for s in scale]}]
    multiscales = [
        {"version": version, "axes": named, "datasets": [{"path": "s0", "coordinateTransformations": steps}]}
    ]
    attributes = {"multiscales": multiscales} if version == "0.4" else {"ome": {"multiscales": multiscales}}
    zarr_version = 2 if version == "0.4" else 3
    write_array(write_group(path, attributes, version=zarr_version) / "s0", voxels, {}, version=zarr_version)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "tczyx", "xyz"])
def test_a_pyramid_says_its_axes_voxel_size_and_origin(version: str, axes: str, tmp_path: Path) -> None:
    path = pyramid(tmp_path / "a.zarr", version=version, axes=axes, unit="micrometer")
    for name in (path, f"{path}:s0"):
        image = open_image(name)
        assert image.grid.voxel_size == pytest.approx((30, 6, 4))
        np.testing.assert_array_equal(image.load().voxels, VOXELS)
    if axes == "zyx":
        assert image.grid.origin == pytest.approx((300, 60, 40))


def test_a_pyramid_without_units_leaves_the_question_open(tmp_path: Path) -> None:
    with pytest.raises(MissingVoxelSize):
        open_image(pyramid(tmp_path / "a.zarr", version="0.5", axes="zyx", unit=None))


def test_axis_names_of_zarr_are_respected(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", VOXELS.transpose(2, 0, 1).copy(), {}, dimensions=["x", "z", "y"])
    image = open_image(tmp_path / "a.zarr", voxel_size=SIZE)
    np.testing.assert_array_equal(image.load().voxels, VOXELS)


@pytest.mark.parametrize("damage", ["flip", "lose"])
def test_a_damaged_chunk_of_an_output_is_noticed_and_named(damage: str, tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), (30.0, 6.0, 4.0))
    write_labels(Labels(VOXELS.astype(np.uint64), grid), tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / "0" / "c" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    if damage == "flip":
        chunk.write_bytes(content)
    else:
        chunk.unlink()
    with pytest.raises(UnreadableVolume, match=r"a\.zarr must have intact chunks, got: .*0/c/0/0/0"):
        open_labels(tmp_path / "a.zarr").load()


def test_a_missing_chunk_of_a_sparse_foreign_array_is_empty(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", VOXELS, {})
    for chunk in (tmp_path / "a.zarr").rglob("c/*/*/*"):
        chunk.unlink()
    assert not open_image(tmp_path / "a.zarr", voxel_size=SIZE).load().voxels.any()


def test_broken_metadata_are_refused_with_their_path(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text('{"zarr_format": 3, ')
    with pytest.raises(UnreadableVolume, match=r"zarr\.json must be intact JSON"):
        open_image(tmp_path / "a.zarr")


def test_an_array_of_absurd_size_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    write_array(tmp_path / "a.zarr", VOXELS, {})
    file = tmp_path / "a.zarr" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"shape": [2**50, 5, 6]}))
    with pytest.raises(UnreadableVolume, match=r"must have 1 to \d+ voxels along z, y, x, got \(1125899906842624"):
        open_image(tmp_path / "a.zarr", voxel_size=SIZE)


def test_a_chunk_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LARGEST_CHUNK", 100)
    with pytest.raises(UnreadableVolume, match="chunks of at most 100 bytes, got 120"):
        open_image(write_array(tmp_path / "a.zarr", VOXELS, {}), voxel_size=SIZE)
