import pickle  # noqa: TID251 - as a worker process would receive it
from pathlib import Path

import numpy as np
import pytest
import zarr

from savem3.grid import Box
from savem3.store import UnreadableVolume, VoxelFile
from savem3.store.voxel_file import digest_of, divisor_near
from savem3.tiles import Blocks

SHAPE, BLOCK = (5, 13, 9), (4, 6, 9)


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(0, 2**40, SHAPE).astype(np.uint64)


@pytest.fixture
def file(tmp_path, voxels):
    file = VoxelFile(tmp_path / "données 测试" / "0", SHAPE, "uint64", BLOCK)
    file.create()
    for tile in Blocks(SHAPE, BLOCK):
        file.write(tile.write, voxels[tile.write.slices])
    return file


def files_of(file):
    return sorted(path for path in (file.folder / "c").rglob("*") if path.is_file())


def test_blocks_written_one_by_one_are_the_volume_also_for_other_programs(file, voxels):
    np.testing.assert_array_equal(file.voxels[...], voxels)
    np.testing.assert_array_equal(zarr.open_array(file.folder, mode="r")[...], voxels)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(file)).voxels[1:4, 12, ::2], voxels[1:4, 12, ::2])  # noqa: S301


def test_one_block_is_one_file(file):
    assert len(files_of(file)) == len(Blocks(SHAPE, BLOCK)) == 6


def test_the_digest_of_a_block_is_that_of_what_was_written(file, voxels):
    box = Box((4, 6, 0), (5, 12, 9))
    assert file.digest(box) == digest_of(voxels[box.slices]) == file.write(box, voxels[box.slices])


def test_creating_again_keeps_what_is_there(file, voxels):
    file.create()
    np.testing.assert_array_equal(file.voxels[...], voxels)


@pytest.mark.parametrize(("start", "stop"), [((0, 0, 0), (4, 5, 9)), ((1, 0, 0), (4, 6, 9)), ((0, 0, 0), (4, 6, 8))])
def test_parts_of_blocks_are_refused(file, start, stop):
    box = Box(start, stop)
    with pytest.raises(ValueError, match="whole blocks"):
        file.write(box, np.zeros(box.shape, np.uint64))


def test_voxels_of_another_type_are_refused(file):
    with pytest.raises(ValueError, match="must be uint64"):
        file.write(Box((0, 0, 0), (4, 6, 9)), np.zeros((4, 6, 9), np.int64))


def test_a_lost_block_is_an_error_and_not_zeros(file):
    files_of(file)[2].unlink()
    with pytest.raises(UnreadableVolume, match="intact blocks"):
        file.voxels[...]


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_flipped_bit_is_an_error(file, share):
    block = files_of(file)[0]
    content = bytearray(block.read_bytes())
    content[int(share * len(content))] ^= 1
    block.write_bytes(content)
    with pytest.raises(UnreadableVolume, match="intact blocks"):
        file.voxels[...]


def test_an_array_made_anew_under_the_same_name_is_read_anew(file):
    import shutil

    shutil.rmtree(file.folder)
    with pytest.raises(UnreadableVolume, match=r"zarr\.json"):
        file.voxels[...]
    file.create()
    file.write(Box((0, 0, 0), (4, 6, 9)), np.full((4, 6, 9), 7, np.uint64))
    assert (np.asarray(file.voxels[:4, :6]) == 7).all()


@pytest.mark.parametrize(("number", "divisor"), [(256, 64), (128, 64), (250, 50), (96, 48), (7, 7), (257, 257), (1, 1)])
def test_chunks_divide_their_block(number, divisor):
    assert divisor_near(number, 64) == divisor


def test_a_full_disk_is_told_as_such_and_other_errors_are_not():
    from savem3.store.voxel_file import _disk_full

    full = _disk_full(ValueError("RESOURCE_EXHAUSTED: … No space left on device [os_error_code='28']"), Path("a"))
    assert (full.errno, full.filename) == (28, "a")
    assert _disk_full(ValueError("NOT_FOUND [os_error_code='2']"), Path("a")) is None
