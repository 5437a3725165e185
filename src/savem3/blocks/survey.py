"""One look at a whole volume before anything is computed: its grey values counted, its bytes digested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Int64

from savem3.blocks.executor import each
from savem3.store import Progress
from savem3.tiles import Blocks, Tile
from savem3.volume import Image, IntensityMap, intensity_from_counts

LOOKED_AT_ONCE = (32, 512, 512)
"""Voxels along z, y, x that are read together; never the blocks of a run, so that a digest does not depend on them."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at an image tells.

    Parameters
    ----------
    counts
        Voxels of each grey value, 0 to 255.
    sha256
        Of shape and voxels.
    """

    counts: Int64[np.ndarray, "256"]
    sha256: str

    @property
    def intensity(self) -> IntensityMap:
        """The one intensity map of the volume."""
        return intensity_from_counts(self.counts)

    @property
    def is_constant(self) -> bool:
        """Whether all voxels are alike, so that there is nothing to see."""
        return int(np.count_nonzero(self.counts)) < 2


def survey(image: Image, *, workers: int = 1, progress: Progress | None = None) -> Survey:
    """Read an image once, from end to end.

    Parameters
    ----------
    image
        May be lazy.
    workers
        Threads that read.
    progress
        Told of each finished part.
    """
    counts, total = np.zeros(256, np.int64), hashlib.sha256(f"{image.grid.shape}".encode())
    tiles = Blocks(image.grid.shape, LOOKED_AT_ONCE)
    for counted, digest in each(tiles, partial(_look, image), workers=workers, progress=progress):
        counts += counted
        total.update(digest)
    return Survey(counts, total.hexdigest())


def _look(image: Image, tile: Tile) -> tuple[Int64[np.ndarray, "256"], bytes]:
    voxels = np.ascontiguousarray(image.read(tile.write)).reshape(-1)
    return np.bincount(voxels, minlength=256), hashlib.sha256(voxels.data).digest()
