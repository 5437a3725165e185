"""What every reader gives: the voxels of a file as they are, and what the file says about their geometry."""

from __future__ import annotations

from dataclasses import dataclass

from savem3.grid import Nanometres
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels

LARGEST_CHUNK = 2**32
"""Bytes of the largest chunk or section that is decoded; a larger one is a compression bomb or a broken header."""

LARGEST_AXIS = 2**40
"""Voxels of the longest axis that is believed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A volume in a file, of whatever number type.

    Parameters
    ----------
    name
        The volume as the user wrote it, for messages.
    voxels
        Lazy voxels in z, y, x.
    voxel_size
        Along z, y, x, in nm; ``None`` where the file does not say.
    origin
        Along z, y, x, in nm.

    Raises
    ------
    UnreadableVolume
        If the volume is empty, its header declares more than any file holds, or one chunk would fill the memory.
    """

    name: str
    voxels: LazyVoxels
    voxel_size: Nanometres | None
    origin: Nanometres = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        shape, chunk = self.voxels.shape, self.voxels.chunk
        if not all(1 <= n <= LARGEST_AXIS for n in shape):
            raise UnreadableVolume(f"{self.name} must have 1 to {LARGEST_AXIS} voxels along z, y, x, got {shape}")
        chunk_bytes = chunk[0] * chunk[1] * chunk[2] * self.voxels.dtype.itemsize
        if chunk_bytes > LARGEST_CHUNK:
            raise UnreadableVolume(
                f"{self.name} must have chunks of at most {LARGEST_CHUNK} bytes, got {chunk_bytes} for {chunk} voxels"
            )
