"""What is particular to N5, precomputed, MRC, KNOSSOS and TIFF outputs; channels; and windows of huge volumes."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr as zarr_python
from test_every_format import write_group

from savem3.grid import Grid
from savem3.store import (
    MissingVoxelSize,
    UnreadableVolume,
    levels,
    open_image,
    open_labels,
    open_stored,
    write_image,
    write_labels,
)
from savem3.volume import Image, Labels

SIZE = (30.0, 6.0, 4.0)
GRID = Grid((5, 9, 7), SIZE, (300.0, -60.0, 40.0))
VOXELS = np.random.default_rng(0).integers(1, 256, GRID.shape, np.uint8)
HUGE = (2**12, 2**18, 2**17)
"""So many voxels that reading them all would not end."""


# ---------------------------------------------------------------- N5


def n5(path: Path, voxels: np.ndarray = VOXELS, **attributes: object) -> Path:
    """Written by TensorStore, x first, with zstd; attributes added by hand."""
    metadata = {"dimensions": voxels.shape[::-1], "dataType": voxels.dtype.name, "compression": {"type": "zstd"}}
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{path}/"}, "metadata": metadata}
    tensorstore.open(spec, create=True).result()[...].write(voxels.T).result()
    file = path / "attributes.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | attributes))
    return path


@pytest.mark.parametrize(
    ("attributes", "size", "source"),
    [
        ({"pixelResolution": {"unit": "um", "dimensions": [0.004, 0.006, 0.03]}}, SIZE, "attribute pixelResolution"),
        ({"resolution": [4, 6, 30], "units": ["nm"] * 3}, SIZE, "attribute resolution"),
        ({"resolution": [4, 6, 30]}, SIZE, "attribute resolution (no unit: nm)"),
        (
            {"resolution": [4, 6, 30], "units": ["nm"] * 3, "downsamplingFactors": [2, 2, 1]},
            (30.0, 12.0, 8.0),
            "attribute resolution × downsamplingFactors",
        ),
    ],
)
def test_n5_says_its_lengths_x_first(
    attributes: dict[str, object], size: tuple[float, ...], source: str, tmp_path: Path
) -> None:
    stored = open_stored(n5(tmp_path / "a.n5", **attributes))
    assert stored.voxel_size == pytest.approx(size)
    assert stored.header.size_from == source
    assert stored.header.axes == ("x", "y", "z")
    np.testing.assert_array_equal(stored.voxels[...], VOXELS)


def test_n5_axes_that_are_named_otherwise_are_respected(tmp_path: Path) -> None:
    path = n5(tmp_path / "a.n5", VOXELS.T.copy(), axes=["z", "y", "x"], resolution=[30, 6, 4])
    image = open_image(path)
    assert image.grid == Grid(VOXELS.shape, SIZE)
    np.testing.assert_array_equal(image.load().voxels, VOXELS)


def test_a_group_of_n5_levels_opens_the_finest_and_names_the_others(tmp_path: Path) -> None:
    n5(tmp_path / "a.n5" / "em" / "s0")
    n5(tmp_path / "a.n5" / "em" / "s1", VOXELS[:, ::2, ::2], downsamplingFactors=[2, 2, 1])
    (tmp_path / "a.n5" / "em" / "attributes.json").write_text('{"resolution": [4, 6, 30], "units": ["nm", "nm", "nm"]}')
    assert open_image(tmp_path / "a.n5").grid == Grid(VOXELS.shape, SIZE)
    assert open_image(f"{tmp_path}/a.n5:em/s1").grid == Grid((5, 5, 4), (30.0, 12.0, 8.0))
    assert open_stored(f"{tmp_path}/a.n5:em").header.volumes == ("s0", "s1")


def test_a_missing_block_of_n5_holds_zeros(tmp_path: Path) -> None:
    path = n5(tmp_path / "a.n5", resolution=[4, 6, 30])
    (path / "0" / "0" / "0").unlink()
    assert not open_image(path).load().voxels.any()


# ---------------------------------------------------------------- Neuroglancer precomputed


def precomputed(path: Path, voxels: np.ndarray, *, kind: str = "image", **scale: object) -> Path:
    """Written by TensorStore; its second scale has half as many voxels along x and y."""
    for fine, data in enumerate((voxels, voxels[:, ::2, ::2])):
        resolution = [4, 6, 30] if fine == 0 else [8, 12, 30]
        shape = {"size": data.shape[::-1], "voxel_offset": [10, 20, 3], "resolution": resolution}
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{path}/"},
            "multiscale_metadata": {"data_type": data.dtype.name, "num_channels": 1, "type": kind},
            "scale_metadata": {"chunk_size": [4, 4, 4], "encoding": "raw", **shape, **scale},
            "store_data_equal_to_fill_value": True,
        }
        store = tensorstore.open(spec, create=True).result()
        store[tensorstore.d[:].translate_to[0]].write(data.T[..., np.newaxis]).result()
    return path


SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 1,
    "shard_bits": 1,
    "hash": "identity",
    "data_encoding": "gzip",
}


@pytest.mark.parametrize("how", [{}, {"encoding": "png"}, {"sharding": SHARDING}])
def test_precomputed_scales_are_named_by_key_or_number(how: dict[str, object], tmp_path: Path) -> None:
    path = precomputed(tmp_path / "a", VOXELS, **how)
    for name, grid in (("", Grid(GRID.shape, SIZE, (90.0, 120.0, 40.0))), (":4_6_30", None), (":0", None)):
        image = open_image(f"{path}{name}")
        assert grid is None or image.grid == grid
        np.testing.assert_array_equal(image.load().voxels, VOXELS)
    for name in (":8_12_30", ":1"):
        coarse = open_image(f"{path}{name}")
        assert coarse.grid == Grid((5, 5, 4), (30.0, 12.0, 8.0), (90.0, 240.0, 80.0))
        np.testing.assert_array_equal(coarse.load().voxels, VOXELS[:, ::2, ::2])


def test_compressed_segmentation_keeps_large_numbers(tmp_path: Path) -> None:
    labels = VOXELS.astype(np.uint64) + np.uint64(2**63)
    how = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [2, 2, 2]}
    path = precomputed(tmp_path / "a", labels, kind="segmentation", **how)
    np.testing.assert_array_equal(open_labels(path).load().voxels, labels)


def test_jpeg_chunks_are_read(tmp_path: Path) -> None:
    path = precomputed(tmp_path / "a", np.full(GRID.shape, 77, np.uint8), encoding="jpeg")
    assert np.abs(open_image(path).load().voxels.astype(int) - 77).max() <= 2


# ---------------------------------------------------------------- MRC


@pytest.mark.parametrize("mode", ["int8", "int16", "float32", "uint16", "float16"])
def test_every_mode_of_mrc_is_read(mode: str, tmp_path: Path) -> None:
    voxels = (VOXELS.astype(np.float32) - 100).clip(0 if mode == "uint16" else -100, 100).astype(mode)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(voxels)
        file.voxel_size = (40, 60, 300)
        file.header.origin = (80, 120, 900)
    stored = open_stored(tmp_path / "a.mrc")
    assert stored.voxel_size == pytest.approx(SIZE)
    assert stored.origin == pytest.approx((90, 12, 8))
    assert stored.header.unit == "Å"
    np.testing.assert_array_equal(stored.voxels[...], voxels)
    np.testing.assert_array_equal(stored.voxels[1:4, 8, 2:5], voxels[1:4, 8, 2:5])


def test_big_endian_mrc_files_are_read(tmp_path: Path) -> None:
    header = bytearray(1024)
    struct.pack_into(">10i", header, 0, 7, 9, 5, 1, 0, 0, 0, 7, 9, 5)
    struct.pack_into(">3f3f3i", header, 40, 7 * 40, 9 * 60, 5 * 300, 90, 90, 90, 1, 2, 3)
    header[208:216] = b"MAP \x11\x11\x00\x00"
    (tmp_path / "a.mrc").write_bytes(bytes(header) + VOXELS.astype(">i2").tobytes())
    stored = open_stored(tmp_path / "a.mrc")
    assert stored.voxel_size == pytest.approx(SIZE)
    np.testing.assert_array_equal(stored.voxels[...], VOXELS)


def test_the_axes_of_an_mrc_file_are_respected(tmp_path: Path) -> None:
    """Columns along z, rows along x, sections along y; the cell stays x, y, z."""
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(VOXELS.transpose(1, 2, 0).astype(np.int16))
        file.header.mapc, file.header.mapr, file.header.maps = 3, 1, 2
        file.header.mx, file.header.my, file.header.mz = 7, 9, 5
        file.header.cella = (7 * 40, 9 * 60, 5 * 300)
    stored = open_stored(tmp_path / "a.mrc")
    assert stored.header.axes == ("y", "x", "z")
    assert stored.voxel_size == pytest.approx(SIZE)
    np.testing.assert_array_equal(stored.voxels[...], VOXELS)


# ---------------------------------------------------------------- KNOSSOS


def test_knossos_cubes_are_put_together(tmp_path: Path) -> None:
    shape = (130, 20, 260)
    voxels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for z, x in ((z, x) for z in range(2) for x in range(3)):
        place = tmp_path / "a" / "mag1" / f"x{x:04d}" / "y0000" / f"z{z:04d}"
        place.mkdir(parents=True)
        cube = np.zeros((128, 128, 128), np.uint8)
        part = voxels[z * 128 : z * 128 + 128, :, x * 128 : x * 128 + 128]
        cube[tuple(slice(n) for n in part.shape)] = part
        (place / f"cortex_mag1_x{x:04d}_y0000_z{z:04d}.raw").write_bytes(cube.tobytes())
    told = "boundary x 260;\nboundary y 20;\nboundary z 130;\nscale x 4.5;\nscale y 6.0;\nscale z 30;\n"
    (tmp_path / "a" / "knossos.conf").write_text(f'experiment name "cortex";\n{told}')
    for path in (tmp_path / "a", tmp_path / "a" / "mag1", f"{tmp_path}/a:mag1", tmp_path / "a" / "knossos.conf"):
        image = open_image(path)
        assert image.grid == Grid(shape, (30.0, 6.0, 4.5))
        np.testing.assert_array_equal(image.voxels[126:130, 3:5, 120:260], voxels[126:130, 3:5, 120:260])


# ---------------------------------------------------------------- channels


def test_one_channel_of_several_is_chosen(tmp_path: Path) -> None:
    both = np.stack([VOXELS, VOXELS[::-1]])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["first"], file["last"] = both, np.moveaxis(both[:, :1], 0, -1).repeat(6, 0)[:5]
        file["picture"] = np.stack([np.full((40, 30), c, np.uint8) for c in (5, 6, 7)], axis=-1)
    tifffile.imwrite(tmp_path / "plain.tif", both.swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"})
    tifffile.imwrite(tmp_path / "packed.ome.tif", both.swapaxes(0, 1), metadata={"axes": "ZCYX"}, compression="zlib")
    tifffile.imwrite(tmp_path / "czyx.ome.tif", both, metadata={"axes": "CZYX"}, compression="zlib")
    for name in ("a.h5:first", "plain.tif", "packed.ome.tif", "czyx.ome.tif"):
        for channel, voxels in enumerate(both):
            image = open_image(f"{tmp_path}/{name}", voxel_size=SIZE, channel=channel)
            np.testing.assert_array_equal(image.load().voxels, voxels)
            np.testing.assert_array_equal(image.voxels[1:3, 2:8, 4], voxels[1:3, 2:8, 4])
        with pytest.raises(UnreadableVolume, match="--channel 2: choose one entry of it with --channel 0 to 1"):
            open_image(f"{tmp_path}/{name}", voxel_size=SIZE, channel=2)
    picture = open_image(f"{tmp_path}/a.h5:picture", voxel_size=SIZE, channel=1)
    assert picture.grid.shape == (1, 40, 30)
    assert set(np.unique(picture.load().voxels)) == {6}


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_colour_of_a_tiff_is_chosen(compression: str | None, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", compression=compression)
    image = open_image(tmp_path / "a.tif", voxel_size=SIZE, channel=2)
    np.testing.assert_array_equal(image.load().voxels, colours[..., 2])


def test_a_channel_that_a_grey_volume_lacks_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS)
    assert open_image(tmp_path / "a.tif", voxel_size=SIZE, channel=0).grid.shape == GRID.shape
    with pytest.raises(UnreadableVolume, match="and a channel 1, got one channel in"):
        open_image(tmp_path / "a.tif", voxel_size=SIZE, channel=1)


def test_funlib_attributes_say_order_and_unit(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = VOXELS.T[np.newaxis]
        told = {"voxel_size": (0.004, 0.006, 0.03), "offset": (0.04, 0.06, 0.3), "units": ["um"] * 3}
        file["raw"].attrs.update(told | {"axis_names": ["c^", "x", "y", "z"]})
    stored = open_stored(tmp_path / "a.h5")
    assert stored.voxel_size == pytest.approx(SIZE)
    assert stored.origin == pytest.approx((300, 60, 40))
    assert (stored.header.unit, stored.header.size_from) == ("um", "attribute voxel_size")
    np.testing.assert_array_equal(stored.voxels[...], VOXELS)


def test_sections_that_count_in_steps_are_whole_and_others_are_not(tmp_path: Path) -> None:
    for z in range(4):
        tifffile.imwrite(tmp_path / f"s{z * 10:03d}.tif", VOXELS[z])
    assert open_image(tmp_path, voxel_size=SIZE).grid.shape == (4, 9, 7)
    (tmp_path / "s010.tif").rename(tmp_path / "s011.tif")
    with pytest.raises(UnreadableVolume, match=r"got s000\.tif followed by s011\.tif: add what is missing"):
        open_image(tmp_path, voxel_size=SIZE)


# ---------------------------------------------------------------- outputs, read by independent libraries


def test_imagej_reads_the_lengths_and_the_place_of_a_tiff_output(tmp_path: Path) -> None:
    write_image(Image(VOXELS, GRID), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        told = file.imagej_metadata
        assert told is not None
        assert (told["images"], told["slices"], told["spacing"], told["unit"]) == (5, 5, 30.0, "nm")
        assert (told["zorigin"], told["yorigin"], told["xorigin"]) == (-10, 10, -10)
        assert (file.pages.first.tags["XResolution"].value, file.pages.first.tags["YResolution"].value) == (
            (1, 4),
            (1, 6),
        )
        np.testing.assert_array_equal(file.asarray(), VOXELS)
    assert open_image(tmp_path / "a.tif").grid == GRID


def test_a_tiff_output_never_cuts_a_number(tmp_path: Path) -> None:
    labels = VOXELS.astype(np.uint64)
    labels[4, 8, 6] = 65536
    with pytest.raises(
        ValueError, match=r"numbers must be at most 65535 in a TIFF stack, got 65536 for 'a\.tif': write"
    ):
        write_labels(Labels(labels, GRID), tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_output_of_ngff_0_4_is_zarr_2_and_read_by_zarr_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "COARSEST", 60)
    write_labels(Labels(VOXELS.astype(np.uint64), GRID), f"{tmp_path}/a.v2.zarr:labels/neurons")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr_python.open_group(tmp_path / "a.v2.zarr" / "labels" / "neurons", mode="r", zarr_format=2)
        np.testing.assert_array_equal(np.asarray(group["0"]), VOXELS)
    pyramid = group.attrs["multiscales"][0]
    assert (pyramid["version"], group.attrs["image-label"]["version"]) == ("0.4", "0.4")
    assert [axis["unit"] for axis in pyramid["axes"]] == ["nanometer"] * 3
    assert open_labels(f"{tmp_path}/a.v2.zarr:labels/neurons/1").grid == GRID.coarsen((1, 2, 2))


def test_a_flipped_bit_of_an_ngff_0_4_output_is_noticed(tmp_path: Path) -> None:
    write_image(Image(VOXELS, GRID), tmp_path / "a.v2.zarr")
    chunk = tmp_path / "a.v2.zarr" / "0" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    with pytest.raises(UnreadableVolume, match="must have intact chunks"):
        open_image(tmp_path / "a.v2.zarr").load()


# ---------------------------------------------------------------- a window of a huge volume


def huge_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("raw", HUGE, np.uint8, chunks=(5, 9, 7))[:5, :9, :7] = VOXELS
    return folder / "a.h5"


def huge_zarr(folder: Path) -> Path:
    chunk = {"name": "regular", "configuration": {"chunk_shape": VOXELS.shape}}
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder / 'a.zarr'}/"}}
    metadata = {"shape": HUGE, "data_type": "uint8", "chunk_grid": chunk}
    store = tensorstore.open({**spec, "metadata": metadata}, create=True).result()
    store[:5, :9, :7].write(VOXELS).result()
    return folder / "a.zarr"


def huge_n5(folder: Path) -> Path:
    return n5(folder / "a.n5", dimensions=list(HUGE[::-1]))


def huge_precomputed(folder: Path) -> Path:
    path = precomputed(folder / "a", VOXELS)
    info = json.loads((path / "info").read_text())
    info["scales"][0]["size"] = list(HUGE[::-1])
    (path / "info").write_text(json.dumps(info))
    chunk = next((path / "4_6_30").glob("10-14_20-24_3-7"))
    chunk.write_bytes(VOXELS[:4, :4, :4].tobytes())
    return path


def sparse(file: Path, header: bytes, size: int) -> Path:
    """A file that says it is huge and takes no room on the disk but for its beginning."""
    with file.open("wb") as opened:
        opened.write(header)
        opened.truncate(size)
    return file


def huge_mrc(folder: Path) -> Path:
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, 2**17, 2**14, 2**5, 6, 0, 0, 0, 0, 0, 0)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    first = np.zeros((1, 2**17), "<u2")
    first[0, :7] = VOXELS[0, 0]
    return sparse(folder / "a.mrc", bytes(header) + first.tobytes(), 1024 + 2**37)


def huge_tiff(folder: Path) -> Path:
    path = folder / "a.tif"
    tifffile.imwrite(path, shape=(2**5, 2**14, 2**17), dtype=np.uint16, bigtiff=True)
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.dataoffsets[0]
    with path.open("r+b") as opened:
        opened.seek(offset)
        opened.write(VOXELS[0, 0].astype("<u2").tobytes())
    return path


def huge_knossos(folder: Path) -> Path:
    place = folder / "a" / "mag1" / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    cube = np.zeros((128, 128, 128), np.uint8)
    cube[0, 0, :7] = VOXELS[0, 0]
    (place / "a_mag1_x0000_y0000_z0000.raw").write_bytes(cube.tobytes())
    told = "".join(f"boundary {axis} 100000;\n" for axis in "xyz")
    (folder / "a" / "mag1" / "knossos.conf").write_text(f'experiment name "a_mag1";\n{told}')
    return folder / "a"


@pytest.mark.parametrize(
    "build",
    [huge_hdf5, huge_zarr, huge_n5, huge_precomputed, huge_mrc, huge_knossos, huge_tiff],
    ids=lambda b: b.__name__,
)
def test_one_row_of_a_huge_volume_is_read_and_not_the_rest(build: Callable[[Path], Path], tmp_path: Path) -> None:
    stored = open_stored(build(tmp_path))
    assert stored.declared_bytes > 2**36
    voxels = stored.voxels[0, 0, : 4 if "precomputed" in build.__name__ else 7]
    np.testing.assert_array_equal(voxels, VOXELS[0, 0, : len(voxels)])


def test_xarray_names_and_a_lost_unit_leave_the_question_open(tmp_path: Path) -> None:
    path = write_group(tmp_path / "a.zarr", {"multiscales": []})
    with pytest.raises(UnreadableVolume, match="must hold one volume or be named with one of: no volume"):
        open_image(path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs.update({"voxel_size": (30, 6, 4), "units": ["nm", "nm", "furlong"]})
    with pytest.raises(MissingVoxelSize):
        open_image(tmp_path / "a.h5")
