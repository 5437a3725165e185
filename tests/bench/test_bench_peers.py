"""What other tools leave on the disk, in miniature, each in its own layout."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore
import tifffile

from savem3.bench.peers import open_peer, read_peers
from savem3.bench.volumes import Truth
from savem3.grid import Box, Grid
from savem3.volume import Image, Labels

SIZE = (30.0, 6.0, 4.0)
MASKS = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5) % 7


@pytest.fixture
def truth() -> Truth:
    """Sections 2 to 4 of a volume of six."""
    grid = Grid((3, 4, 5), SIZE)
    image, labels = Image(np.zeros(grid.shape, np.uint8), grid), Labels(np.ones(grid.shape, np.uint64), grid)
    return Truth("V", image, labels, False, {}, ((6, 4, 5), Box((2, 0, 0), (5, 4, 5))), "")


def micro_sam_tiff(folder: Path) -> str:
    tifffile.imwrite(folder / "seg.tif", MASKS.astype(np.uint32), photometric="minisblack")
    return str(folder / "seg.tif")


def micro_sam_zarr(folder: Path) -> str:
    store = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(folder / "seg.zarr")}}
    array = tensorstore.open({**store, "create": True}, shape=MASKS.shape, dtype=tensorstore.uint32).result()
    array.write(MASKS.astype(np.uint32)).result()
    return str(folder / "seg.zarr")


def segneuron_tiff(folder: Path) -> str:
    tifffile.imwrite(folder / "segmentation.tif", MASKS, compression="zlib", photometric="minisblack")
    return str(folder / "segmentation.tif")


def segneuron_h5(folder: Path) -> str:
    with h5py.File(folder / "segmentation.h5", "w") as file:
        file["main"] = MASKS.astype(np.uint64)
    return str(folder / "segmentation.h5")


def cellpose_masks(folder: Path) -> str:
    tifffile.imwrite(folder / "raw_cp_masks.tif", MASKS, photometric="minisblack")
    return str(folder / "raw_cp_masks.tif")


def plain_npy(folder: Path) -> str:
    np.save(folder / "masks.npy", MASKS)
    return str(folder / "masks.npy")


def pytc(folder: Path) -> str:
    with h5py.File(folder / "result.h5", "w") as file:
        file["main"], file["affinity"] = MASKS.astype(np.uint32), np.zeros((3, 3, 4, 5), np.uint8)
    return str(folder / "result.h5")


LAYOUTS = (micro_sam_tiff, micro_sam_zarr, segneuron_tiff, segneuron_h5, cellpose_masks, plain_npy, pytc)


@pytest.mark.parametrize("write", LAYOUTS, ids=lambda write: write.__name__)
def test_the_output_of_a_peer_is_read_in_its_layout(write, tmp_path, truth):
    labels = open_peer(write(tmp_path), truth)
    np.testing.assert_array_equal(labels.voxels, MASKS)
    assert labels.grid == truth.labels.grid


def test_of_a_whole_volume_the_scored_part_is_taken(tmp_path, truth):
    whole = np.arange(6 * 4 * 5, dtype=np.uint16).reshape(6, 4, 5)
    np.save(tmp_path / "whole.npy", whole)
    np.testing.assert_array_equal(open_peer(str(tmp_path / "whole.npy"), truth).voxels, whole[2:5])


def test_a_file_of_another_shape_is_refused(tmp_path, truth):
    np.save(tmp_path / "other.npy", MASKS[:2])
    with pytest.raises(ValueError, match=r"other.npy must have the shape \(3, 4, 5\) or \(6, 4, 5\) of V, got \(2, 4"):
        open_peer(str(tmp_path / "other.npy"), truth)


def test_a_pickle_is_refused_with_its_cure(tmp_path, truth):
    np.save(tmp_path / "raw_seg.npy", np.array({"masks": MASKS}, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"raw_seg.npy must hold plain numbers, got a pickle.*_masks.tif"):
        open_peer(str(tmp_path / "raw_seg.npy"), truth)


def test_probabilities_are_no_labels(tmp_path, truth):
    np.save(tmp_path / "p.npy", MASKS.astype(np.float32))
    with pytest.raises(ValueError, match="must hold whole numbers in z, y, x, got float32"):
        open_peer(str(tmp_path / "p.npy"), truth)


def test_peers_are_taken_by_the_volume_that_they_name():
    given = ("micro-sam=a.tif@FIB-25", "PyTC=b.h5@AC3", "c.zarr@FIB-25")
    assert read_peers(given, volume="FIB-25") == {"micro-sam": "a.tif", "c": "c.zarr"}
    with pytest.raises(ValueError, match="PATH@VOLUME"):
        read_peers(("micro-sam=a.tif",), volume="FIB-25")
