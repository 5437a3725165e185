"""A volume on disk that is written block by block: one block, one file, checksummed, whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Shape
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels

if TYPE_CHECKING:
    import tensorstore

COMPLETE = "every_chunk_is_stored"
"""Attribute of an array that this package wrote: a chunk without a file is then lost, not empty."""

CHUNK_EDGE = 64
"""Voxels that a chunk within a block has along an axis, about."""


@dataclass(frozen=True, slots=True)
class VoxelFile:
    """One Zarr 3 array whose shards are the blocks of a run; holds nothing open, so it may travel to other processes.

    Parameters
    ----------
    folder
        Of the array.
    shape
        Voxels along z, y, x.
    dtype
        Name of the numpy type of a voxel.
    block
        What is written at once, along z, y, x.
    """

    folder: Path
    shape: Shape
    dtype: str
    block: Shape

    def create(self) -> None:
        """Make the empty array; one that is there already stays."""
        metadata = array_metadata(self.shape, self.dtype, chunk=self.chunk, shard=self.block)
        spec = {"driver": "zarr3", "kvstore": _kvstore(self.folder), "metadata": metadata}
        _tensorstore().open({**spec, "store_data_equal_to_fill_value": True}, create=True, open=True).result()

    @property
    def chunk(self) -> Shape:
        """What is decoded at once: divides the block, edges near 64."""
        z, y, x = (divisor_near(edge, CHUNK_EDGE) for edge in self.block)
        return z, y, x

    @property
    def voxels(self) -> LazyVoxels:
        """The voxels, read when they are indexed; a block that was never written is an error."""
        return LazyVoxels(self.shape, np.dtype(self.dtype), self.chunk, partial(_read, self.folder))

    def write(self, box: Box, voxels: NDArray[Any]) -> str:
        """Write whole blocks; when this returns, the disk holds them. The SHA-256 of the voxels, little-endian.

        Raises
        ------
        ValueError
            If the box is no union of blocks, or the voxels are of another shape or type.
        """
        axes = zip(box.start, box.stop, self.block, self.shape, strict=True)
        if any(a % b or (z % b and z != n) for a, z, b, n in axes):
            raise ValueError(f"box must be made of whole blocks of {self.block}, got {box}")
        if voxels.shape != box.shape or voxels.dtype != np.dtype(self.dtype):
            raise ValueError(f"voxels must be {self.dtype} of {box.shape}, got {voxels.dtype} of {voxels.shape}")
        for file in self._files_in(box):
            file.unlink(missing_ok=True)  # a damaged one would be read, and refused, before it is replaced
        try:
            _opened(self.folder)[box.slices].write(voxels).result()
        except ValueError as error:
            raise _disk_full(error, self.folder) or error from error
        return digest_of(voxels)

    def _files_in(self, box: Box) -> Iterator[Path]:
        """The files of the blocks that a box is made of."""
        along = (range(a // b, -(-z // b)) for a, z, b in zip(box.start, box.stop, self.block, strict=True))
        for z, y, x in product(*along):
            yield self.folder / "c" / str(z) / str(y) / str(x)

    def digest(self, box: Box) -> str:
        """The SHA-256 of the voxels of a box as they are on the disk.

        Raises
        ------
        UnreadableVolume
            If a block is missing or damaged.
        """
        return digest_of(_read(self.folder, box))


def _disk_full(error: ValueError, folder: Path) -> OSError | None:
    """TensorStore's error of a full disk as Python has it, so that a run stops instead of trying again."""
    full = next((number for number in (errno.ENOSPC, errno.EDQUOT) if f"os_error_code='{number}'" in str(error)), None)
    return None if full is None else OSError(full, os.strerror(full), str(folder))


def digest_of(voxels: NDArray[Any]) -> str:
    """SHA-256 of voxels in z, y, x order, little-endian."""
    little = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
    return hashlib.sha256(little.data.cast("B") if little.size else b"").hexdigest()


def array_metadata(shape: Shape, dtype: str, *, chunk: Shape, shard: Shape | None = None) -> dict[str, Any]:
    """Zarr 3 metadata of an array whose chunks carry a checksum; with ``shard``, many chunks share a file."""
    blosc = {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle"}
    checksum = {"name": "crc32c"}
    codecs: list[dict[str, Any]] = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "blosc", "configuration": blosc},
        checksum,
    ]
    if shard is not None:
        sharded = {"chunk_shape": chunk, "codecs": codecs, "index_codecs": [codecs[0], checksum]}
        codecs = [{"name": "sharding_indexed", "configuration": sharded}]
    return {
        "shape": shape,
        "data_type": np.dtype(dtype).name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard or chunk}},
        "dimension_names": ["z", "y", "x"],
        "attributes": {COMPLETE: True},
        "codecs": codecs,
    }


def divisor_near(number: int, wanted: int) -> int:
    """The divisor of a number that is nearest to a wanted one, in ratio; the larger of two equally near."""
    divisors = (d for d in range(1, number + 1) if number % d == 0)
    return min(divisors, key=lambda d: (max(d / wanted, wanted / d), -d))


def _read(folder: Path, box: Box) -> NDArray[Any]:
    try:
        return np.asarray(_opened(folder)[box.slices].read().result())
    except ValueError as error:
        raise UnreadableVolume(f"{folder} must have intact blocks, got: {error}") from error


def _opened(folder: Path) -> tensorstore.TensorStore:
    """The array, opened once a process for as long as its metadata stay the same."""
    metadata = folder / "zarr.json"
    if not metadata.is_file():
        raise UnreadableVolume(f"{folder} must be a Zarr array, got no zarr.json in it")
    changed = metadata.stat()
    return _opened_once(folder.absolute(), (changed.st_ino, changed.st_mtime_ns))


@lru_cache(maxsize=64)
def _opened_once(folder: Path, state: tuple[int, int]) -> tensorstore.TensorStore:
    spec = {
        "driver": "zarr3",
        "kvstore": _kvstore(folder),
        "fill_missing_data_reads": False,
        "store_data_equal_to_fill_value": True,
    }
    return _tensorstore().open(spec, open=True).result()


def _kvstore(folder: Path) -> dict[str, str]:
    return {"driver": "file", "path": f"{folder.absolute()}/"}


def _tensorstore() -> Any:
    import tensorstore

    return tensorstore
