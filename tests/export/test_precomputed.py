import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore

from savem3.export import link, write_precomputed, write_properties
from savem3.grid import Grid
from savem3.volume import Image, Labels

GRID = Grid((70, 66, 130), (30.0, 6.0, 4.0), (90.0, 18.0, 20.0))


def opened(folder: Path, scale: int = 0) -> tensorstore.TensorStore:
    kvstore = {"driver": "file", "path": f"{folder}/"}
    return tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore, "scale_index": scale}).result()


def labels() -> Labels:
    voxels = np.random.default_rng(0).integers(0, 4, (14, 11, 13)).repeat(5, 0).repeat(6, 1).repeat(10, 2)
    return Labels(np.where(voxels == 3, 2**50, voxels).astype(np.uint64), GRID)


def test_labels_come_back_in_x_y_z_with_size_and_offset(tmp_path: Path) -> None:
    write_precomputed(labels(), tmp_path / "labels")
    store = opened(tmp_path / "labels")
    np.testing.assert_array_equal(store.read().result()[..., 0].T, labels().voxels)
    assert store.domain.origin[:3] == (5, 3, 3)
    scale = json.loads((tmp_path / "labels" / "info").read_text())["scales"][0]
    assert scale["resolution"] == [4, 6, 30]
    assert scale["encoding"] == "compressed_segmentation"


def unpacked(content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """A chunk of one channel of compressed segmentation in blocks of 8³, as the format is described, along x, y, z."""
    words = np.frombuffer(content, "<u4")[1:]
    voxels = np.zeros(shape, np.uint64)
    blocks = [-(-n // 8) for n in shape]
    for place in np.ndindex(*blocks):
        head = 2 * (place[0] + blocks[0] * (place[1] + blocks[1] * place[2]))
        table, bits, values = int(words[head]) & 0xFFFFFF, int(words[head]) >> 24, int(words[head + 1])
        for x, y, z in np.ndindex(*(min(8, n - 8 * p) for n, p in zip(shape, place, strict=True))):
            bit = bits * (x + 8 * (y + 8 * z))
            index = int(words[values + bit // 32]) >> bit % 32 & (1 << bits) - 1 if bits else 0
            low, high = words[table + 2 * index], words[table + 2 * index + 1]
            voxels[8 * place[0] + x, 8 * place[1] + y, 8 * place[2] + z] = int(low) | int(high) << 32
    return voxels


def test_a_chunk_is_what_the_description_of_the_format_says(tmp_path: Path) -> None:
    write_precomputed(labels(), tmp_path / "labels")
    chunk = tmp_path / "labels" / "4_6_30" / "5-69_67-69_67-73"
    np.testing.assert_array_equal(unpacked(chunk.read_bytes(), (64, 2, 6)).T, labels().voxels[64:, 64:, :64])


def test_coarser_labels_are_labels_and_cover_the_volume(tmp_path: Path) -> None:
    write_precomputed(labels(), tmp_path / "labels")
    for scale in json.loads((tmp_path / "labels" / "info").read_text())["scales"][1:]:
        size, first = np.array(scale["resolution"]), np.array(scale["voxel_offset"])
        assert (first * size <= np.array(GRID.origin[::-1])).all()
        end = np.array(GRID.origin[::-1]) + np.array(GRID.shape[::-1]) * GRID.voxel_size[::-1]
        assert ((first + scale["size"]) * size >= end).all()
    coarse = opened(tmp_path / "labels", 1).read().result()
    assert set(np.unique(coarse)) <= {0, 1, 2, 2**50}


def test_a_coarse_voxel_lies_where_its_finer_ones_lie(tmp_path: Path) -> None:
    # x and y are halved; the offset of 5 voxels along x is odd, so voxel 0 is the second half of a coarse one.
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[:, :, 1:3] = 7
    write_precomputed(Labels(voxels, GRID), tmp_path / "labels")
    coarse = opened(tmp_path / "labels", 1).read().result()[..., 0]
    assert coarse[0].max() == 0
    assert (coarse[1] == 7).all()
    assert coarse[2:].max() == 0


@pytest.mark.parametrize("kind", [Labels, Image])
def test_no_block_size_changes_a_byte(tmp_path: Path, kind: type) -> None:
    volume = labels() if kind is Labels else Image((np.asarray(labels().voxels) * 80 % 251).astype(np.uint8), GRID)
    for name, block in (("one", (64, 64, 64)), ("other", (128, 65, 200))):
        write_precomputed(volume, tmp_path / name, block=block)
    one, other = (sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("one", "other"))
    assert [p.relative_to(tmp_path / "one") for p in one] == [p.relative_to(tmp_path / "other") for p in other]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, other, strict=True))


def test_black_chunks_of_an_image_are_stored(tmp_path: Path) -> None:
    write_precomputed(Image(np.zeros(GRID.shape, np.uint8), GRID), tmp_path / "image")
    assert len(list((tmp_path / "image" / "4_6_30").iterdir())) == 2 * 2 * 3


def test_an_origin_between_voxels_is_refused(tmp_path: Path) -> None:
    grid = Grid((2, 3, 4), (30.0, 6.0, 4.0), (15.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="origin must be whole voxels"):
        write_precomputed(Image(np.zeros(grid.shape, np.uint8), grid), tmp_path / "image")


def test_properties_and_links_are_told(tmp_path: Path) -> None:
    write_precomputed(labels(), tmp_path / "labels")
    write_properties([1, 2], {"size": np.array([0.5, 2.0])}, tmp_path / "labels" / "p", described={"size": "µm³"})
    link(tmp_path / "labels", segment_properties="p")
    assert json.loads((tmp_path / "labels" / "info").read_text())["segment_properties"] == "p"
    inline = json.loads((tmp_path / "labels" / "p" / "info").read_text())["inline"]
    assert inline["ids"] == ["1", "2"]
    assert inline["properties"][0]["values"] == [0.5, 2.0]
