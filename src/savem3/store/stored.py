"""What every reader gives: the voxels of a file as they are, and what the file says about them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from savem3.grid import Nanometres
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels

LARGEST_CHUNK = 2**32
"""Bytes of the largest chunk or section that is decoded; a larger one is a compression bomb or a broken header."""

LARGEST_AXIS = 2**40
"""Voxels of the longest axis that is believed."""

LARGEST_VOLUME = 2**53
"""Voxels of the largest volume that is believed: several times the largest that was ever imaged."""

MOST_FILES = 10_000
"""Files of a folder whose sizes are added up; a folder of more is not walked through."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its volume, and how that was understood.

    Parameters
    ----------
    format
        The key of its reader in `READERS`.
    axes
        The axes in the file's order, as they were understood.
    unit
        The unit that the file's voxel size is written in; ``None`` where it names none.
    size_from
        Where the voxel size was found, such as ``attribute resolution``; ``None`` where the file does not say.
    volumes
        What could be named behind the colon: datasets, levels or series.
    file
        The file or folder; ``None`` behind a URL.
    """

    format: str = ""
    axes: tuple[str, ...] = ("z", "y", "x")
    unit: str | None = None
    size_from: str | None = None
    volumes: tuple[str, ...] = ()
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A volume in a file, of whatever number type.

    Parameters
    ----------
    name
        The volume as the user wrote it, for messages.
    voxels
        Lazy voxels in z, y, x, with their number type and chunk.
    voxel_size
        Along z, y, x, in nm; ``None`` where the file does not say.
    origin
        Along z, y, x, in nm.
    header
        What the file says.

    Raises
    ------
    UnreadableVolume
        If the volume is empty, holds no real numbers, its header declares more than any file holds, or one chunk would
        fill the memory.
    """

    name: str
    voxels: LazyVoxels
    voxel_size: Nanometres | None
    origin: Nanometres = (0.0, 0.0, 0.0)
    header: Header = Header()

    def __post_init__(self) -> None:
        shape, chunk, dtype = self.voxels.shape, self.voxels.chunk, self.voxels.dtype
        if dtype.kind not in "biuf":
            raise UnreadableVolume(f"{self.name} must hold integers or real numbers, got {dtype}")
        if not all(1 <= n <= LARGEST_AXIS for n in shape):
            raise UnreadableVolume(f"{self.name} must have 1 to {LARGEST_AXIS} voxels along z, y, x, got {shape}")
        if shape[0] * shape[1] * shape[2] > LARGEST_VOLUME:
            raise UnreadableVolume(f"{self.name} must have at most {LARGEST_VOLUME} voxels, got a header of {shape}")
        chunk_bytes = chunk[0] * chunk[1] * chunk[2] * dtype.itemsize
        if chunk_bytes > LARGEST_CHUNK:
            raise UnreadableVolume(
                f"{self.name} must have chunks of at most {LARGEST_CHUNK} bytes, got {chunk_bytes} for {chunk} voxels"
            )

    @property
    def declared_bytes(self) -> int:
        """Bytes of all voxels, not compressed."""
        z, y, x = self.voxels.shape
        return z * y * x * self.voxels.dtype.itemsize

    @property
    def file_bytes(self) -> int | None:
        """Bytes on the disk; ``None`` behind a URL and for a folder of more than `MOST_FILES` files."""
        file = self.header.file
        if file is None or file.is_file():
            return None if file is None else file.stat().st_size
        walk = (Path(folder, name) for folder, _, names in os.walk(file) for name in names)
        files = list(islice(walk, MOST_FILES + 1))
        return None if len(files) > MOST_FILES else sum(f.stat().st_size for f in files if f.is_file())
