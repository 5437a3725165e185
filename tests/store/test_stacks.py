"""TIFF stacks and folders of sections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from savem3.store import UnreadableVolume, open_image, open_labels

SIZE = (30.0, 6.0, 4.0)
VOXELS = np.random.default_rng(0).integers(0, 256, (9, 24, 16), np.uint8)
IMAGEJ = {"imagej": True, "resolution": (250.0, 200.0), "metadata": {"spacing": 0.04, "unit": "um", "axes": "ZYX"}}


def cut(path: Path, *, keep: float) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    return path


def write_pages(path: Path, **how: object) -> None:
    with tifffile.TiffWriter(path) as writer:
        for section in VOXELS:
            writer.write(section, metadata=None, contiguous=False, **how)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_imagej_says_the_voxel_size(compression: str | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, compression=compression, **IMAGEJ)
    image = open_image(tmp_path / "a.tif")
    assert image.grid.voxel_size == pytest.approx((40, 5, 4))
    np.testing.assert_array_equal(image.voxels[2:5, 3:7], VOXELS[2:5, 3:7])


def test_ome_says_the_voxel_size_in_its_units(tmp_path: Path) -> None:
    sizes = {"PhysicalSizeZ": 0.03, "PhysicalSizeY": 60, "PhysicalSizeYUnit": "Å", "PhysicalSizeX": 4}
    tifffile.imwrite(tmp_path / "a.ome.tif", VOXELS, metadata={"axes": "ZYX", **sizes, "PhysicalSizeXUnit": "nm"})
    assert open_image(tmp_path / "a.ome.tif").grid.voxel_size == pytest.approx((30, 6, 4))


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_both_byte_orders_are_read(byte_order: str, compression: str | None, tmp_path: Path) -> None:
    labels = VOXELS.astype(np.uint32) * 1000
    tifffile.imwrite(tmp_path / "a.tif", labels, byteorder=byte_order, compression=compression)
    np.testing.assert_array_equal(open_labels(tmp_path / "a.tif", voxel_size=SIZE).load().voxels, labels)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_section_is_a_volume(compression: str | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS[0], compression=compression)
    image = open_image(tmp_path / "a.tif", voxel_size=SIZE).load()
    np.testing.assert_array_equal(image.voxels, VOXELS[:1])


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("kind", ["imagej", "imagej zlib", "own", "own zlib", "ome", "pages", "pages zlib"])
def test_a_truncated_stack_is_refused_in_one_sentence(
    kind: str, keep: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    how = {"compression": "zlib"} if "zlib" in kind else {}
    match kind.split()[0]:
        case "imagej":
            tifffile.imwrite(path, VOXELS, **IMAGEJ, **how)
        case "ome":
            tifffile.imwrite(path, VOXELS, metadata={"axes": "ZYX"})
        case "pages":
            write_pages(path, **how)
        case _:
            tifffile.imwrite(path, VOXELS, **how)
    open_image(path, voxel_size=SIZE).load()
    size = cut(path, keep=keep).stat().st_size
    with pytest.raises(UnreadableVolume, match=rf"a.*\.tif must hold .*got \d readable \(file ends at byte {size}\)"):
        open_image(path, voxel_size=SIZE)
    assert caplog.records == []


@pytest.mark.parametrize("keep", np.linspace(0.05, 0.99, 30))
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_no_cut_of_a_stack_gives_other_voxels(keep: float, compression: str | None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", VOXELS, metadata={"axes": "ZYX"}, compression=compression)
    try:
        voxels = open_image(cut(tmp_path / "a.ome.tif", keep=keep), voxel_size=SIZE).load().voxels
    except UnreadableVolume:
        return
    np.testing.assert_array_equal(voxels, VOXELS)


def test_a_truncated_stack_tells_how_many_sections_it_promised(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, **IMAGEJ)
    with pytest.raises(UnreadableVolume, match="must hold 9 sections, got 5 readable"):
        open_image(cut(tmp_path / "a.tif", keep=0.5))


def test_a_file_that_is_no_tiff_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"not a picture")
    with pytest.raises(UnreadableVolume, match=r"a\.tif must be an intact TIFF file, got"):
        open_image(tmp_path / "a.tif", voxel_size=SIZE)


def test_colours_are_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 20, 30, 3), np.uint8), photometric="rgb")
    with pytest.raises(UnreadableVolume, match="got a colour axis of 3 entries"):
        open_image(tmp_path / "a.tif", voxel_size=SIZE)


def test_channels_are_refused_by_name_and_a_single_one_is_not(tmp_path: Path) -> None:
    for channels in (1, 2):
        voxels = np.repeat(VOXELS[:, np.newaxis], channels, axis=1)
        tifffile.imwrite(tmp_path / f"{channels}.tif", voxels, imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(open_image(tmp_path / "1.tif", voxel_size=SIZE).load().voxels, VOXELS)
    with pytest.raises(UnreadableVolume, match="got a channel axis of 2 entries"):
        open_image(tmp_path / "2.tif", voxel_size=SIZE)


def test_sections_of_different_shape_in_one_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(VOXELS)
        writer.write(VOXELS[:, :10])
    with pytest.raises(UnreadableVolume, match=r"named with one of: .*:0 \(9, 24, 16\), .*:1 \(9, 10, 16\)"):
        open_image(tmp_path / "a.tif", voxel_size=SIZE)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_sections_stand_in_natural_order(suffix: str, tmp_path: Path) -> None:
    for z in range(12):
        Pillow.fromarray(np.full((8, 16), z * 20, np.uint8)).save(tmp_path / f"s{z}.{suffix}")
    (tmp_path / "notes.txt").write_text("cut on Tuesday")
    Pillow.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / f".hidden.{suffix}")
    image = open_image(tmp_path, voxel_size=SIZE)
    assert image.grid.shape == (12, 8, 16)
    np.testing.assert_allclose(image.load().voxels.mean(axis=(1, 2)), np.arange(12) * 20, atol=1)


def test_16_bit_pictures_keep_their_numbers(tmp_path: Path) -> None:
    labels = VOXELS.astype(np.uint16) * 200
    for z, section in enumerate(labels):
        Pillow.fromarray(section).save(tmp_path / f"{z}.png")
    np.testing.assert_array_equal(open_labels(tmp_path, voxel_size=SIZE).load().voxels, labels)


def test_a_section_of_another_shape_is_named(tmp_path: Path) -> None:
    for z in range(4):
        Pillow.fromarray(VOXELS[z, : 20 if z == 2 else 24]).save(tmp_path / f"s{z}.png")
    with pytest.raises(UnreadableVolume, match=r"s2\.png must be a section of \(24, 16\) uint8 .* got \(20, 16\)"):
        open_image(tmp_path, voxel_size=SIZE)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_coloured_section_is_named(mode: str, tmp_path: Path) -> None:
    Pillow.new(mode, (16, 24)).save(tmp_path / "s0.png")
    with pytest.raises(UnreadableVolume, match=rf"s0\.png must be a grey picture, got a channel axis \({mode}\)"):
        open_image(tmp_path, voxel_size=SIZE)


def test_a_truncated_section_is_named_when_it_is_read(tmp_path: Path) -> None:
    for z in range(3):
        Pillow.fromarray(VOXELS[z]).save(tmp_path / f"s{z}.png")
    cut(tmp_path / "s1.png", keep=0.7)
    image = open_image(tmp_path, voxel_size=SIZE)
    np.testing.assert_array_equal(image.voxels[2], VOXELS[2])
    with pytest.raises(UnreadableVolume, match=r"s1\.png must be an intact picture"):
        image.load()


def test_a_section_beyond_pillows_own_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pillow.fromarray(VOXELS[0]).save(tmp_path / "s0.png")
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(open_image(tmp_path, voxel_size=SIZE).load().voxels, VOXELS[:1])
    assert Pillow.MAX_IMAGE_PIXELS == 100
