"""What the numbers of a file are, before they become grey values: type, values that are no numbers, bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store import BadValues, Progress, Stored
from savem3.tiles import Blocks

READ_AT_ONCE = (16, 512, 512)
"""Voxels along z, y, x that are held at a time."""

INSTEAD = 0
"""What stands for a value that is no number: zeros count as padding."""


def find_bad_values(stored: Stored, *, progress: Progress | None = None) -> BadValues:
    """Count NaN and infinite voxels; volumes of integers are not read.

    Parameters
    ----------
    stored
        Read from end to end if it holds floats.
    progress
        Told of each finished part.
    """
    bad = BadValues()
    if stored.voxels.dtype.kind != "f":
        return bad
    tiles = Blocks(stored.voxels.shape, READ_AT_ONCE)
    for done, tile in enumerate(tiles, start=1):
        bad = bad.count_in(np.asarray(stored.voxels[tile.write.slices]), tile.write)
        if progress is not None:
            progress(done, len(tiles))
    return bad


def hide_bad_values(stored: Stored) -> Stored:
    """The same volume, lazy, with 0 for what is no finite number; zeros count as padding."""
    if stored.voxels.dtype.kind != "f":
        return stored
    dtype = stored.voxels.dtype.type
    return replace(stored, voxels=stored.voxels.change(_hide, dtype=dtype))


def _hide(voxels: NDArray[Any], _: Box) -> NDArray[Any]:
    return np.where(np.isfinite(voxels), voxels, voxels.dtype.type(INSTEAD))
