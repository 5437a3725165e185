"""What can go wrong with a volume on disk.

    ValueError
    ├── UnreadableVolume    the file is not there, broken, or not a volume of the asked kind
    └── MissingVoxelSize    the file does not say how large its voxels are, and the caller did not either

An output that is in the way is Python's own ``FileExistsError``.
"""

from __future__ import annotations


class UnreadableVolume(ValueError):
    """The volume cannot be read; the message names the file, what is wrong with it and the cure."""


class MissingVoxelSize(ValueError):
    """The voxel size is not known; the message is the one question to the caller."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} does not say how large its voxels are: pass --voxel-size Z,Y,X in nm, where Z is the distance "
            "between sections and Y, X are the pixel edges within a section"
        )
