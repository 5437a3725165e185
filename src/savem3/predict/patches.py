"""Which patches a volume is predicted in, and which patch answers for which voxel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Int64, UInt8

from savem3.grid import Box, Shape
from savem3.tiles import Tile, patch_tiles
from savem3.volume import Image

MULTIPLE: Shape = (1, 8, 8)
"""A network's patch must be a multiple of this along z, y, x: every student and teacher halves y and x three times."""
SHARED: Shape = (2, 8, 8)
"""An overlap must be a multiple of this: then neighbours meet in its middle and pool the same voxels together."""
EVENED_OUT_UP_TO = 3
"""An axis of at most this many patches gets smaller ones that waste less; a longer axis has little to win."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The global patch grid of one volume, a function of its shape alone.

    Patches may reach beyond the volume; what they see there is its reflection. Where an axis needs several patches,
    the first reaches out by half the overlap: ownership then changes at multiples of `step`, so that blocks cut there
    predict no patch twice.

    Parameters
    ----------
    shape
        Voxels of the volume along z, y, x.
    patch
        Voxels of one patch along z, y, x.
    overlap
        Voxels that two neighbouring patches share along z, y, x.
    """

    shape: Shape
    patch: Shape
    overlap: Shape

    @property
    def step(self) -> Shape:
        """Voxels between two patches along z, y, x."""
        z, y, x = (p - o for p, o in zip(self.patch, self.overlap, strict=True))
        return z, y, x

    def tiles_of(self, box: Box) -> list[Tile]:
        """The patches that own voxels of a box; ``write`` is what each owns there, ``read`` may leave the volume.

        Found axis by axis, so a block of a huge volume costs only the patches along three edges of the volume.
        """
        tiles = []
        for z, y, x in product(*(self._spans(axis, box.start[axis], box.stop[axis]) for axis in range(3))):
            read = Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))
            tiles.append(Tile(read, Box((z[2], y[2], x[2]), (z[3], y[3], x[3]))))
        return tiles

    def _spans(self, axis: int, start: int, stop: int) -> list[tuple[int, int, int, int]]:
        """Read start and stop, write start and stop of each patch along one axis that owns voxels in start to stop."""
        size, patch, overlap = self.shape[axis], self.patch[axis], self.overlap[axis]
        count = _patches_needed(size, patch=patch, overlap=overlap)
        before = overlap // 2 if count > 1 else (patch - size) // 2
        line = (patch + (count - 1) * (patch - overlap), 1, 1)
        spans = []
        for tile in patch_tiles(line, patch=(patch, 1, 1), overlap=(overlap, 0, 0)):
            first, last = max(tile.write.start[0] - before, start), min(tile.write.stop[0] - before, stop)
            if first < last:
                spans.append((tile.read.start[0] - before, tile.read.stop[0] - before, first, last))
        return spans


def lay_patches(shape: Shape, *, patch: Shape, overlap: Shape) -> PatchGrid:
    """Choose the patch grid of a volume.

    Along a short axis the patch shrinks, at most to about half, as far as no more patches are needed; a volume smaller
    than that is padded.

    Parameters
    ----------
    shape
        Voxels of the volume along z, y, x.
    patch
        The largest patch along z, y, x; y and x multiples of 8.
    overlap
        Voxels that two neighbouring patches share along z, y, x; z even, y and x multiples of 8, at most half of
        ``patch``.

    Raises
    ------
    ValueError
        If patch or overlap is not as described.
    """
    if any(p < 1 or p % m for p, m in zip(patch, MULTIPLE, strict=True)):
        raise ValueError(f"patch must be multiples of {MULTIPLE} voxels along z, y, x, got {patch}")
    if any(o < 0 or o % s or 2 * o > p for o, s, p in zip(overlap, SHARED, patch, strict=True)):
        raise ValueError(f"overlap must be multiples of {SHARED}, at most half of the patch {patch}, got {overlap}")
    axes = zip(shape, patch, overlap, MULTIPLE, strict=True)
    z, y, x = (_even_out(n, patch=p, overlap=o, multiple=m) for n, p, o, m in axes)
    return PatchGrid(shape, (z, y, x), overlap)


def _even_out(size: int, *, patch: int, overlap: int, multiple: int) -> int:
    """The smallest patch that covers a short axis with as many patches as ``patch`` does."""
    count = _patches_needed(size, patch=patch, overlap=overlap)
    if count > EVENED_OUT_UP_TO:
        return patch
    smallest = -(-max(patch // 2, overlap + 1) // multiple) * multiple
    fitting = (p for p in range(smallest, patch, multiple) if _patches_needed(size, patch=p, overlap=overlap) <= count)
    return next(fitting, patch)


def _patches_needed(size: int, *, patch: int, overlap: int) -> int:
    if size <= patch:
        return 1
    return 1 + -(-(size + overlap // 2 - patch) // (patch - overlap))


def read_reflected(image: Image, box: Box) -> UInt8[np.ndarray, "z y x"]:
    """The voxels of a box that may reach beyond the image: outside is the image's reflection, as often as it takes.

    The outermost voxel is the mirror and is not repeated; an axis of one voxel repeats that voxel.
    """
    rows = [_reflect(np.arange(a, b), n) for a, b, n in zip(box.start, box.stop, image.grid.shape, strict=True)]
    (z, z_stop), (y, y_stop), (x, x_stop) = ((int(r.min()), int(r.max()) + 1) for r in rows)
    inner = Box((z, y, x), (z_stop, y_stop, x_stop))
    voxels = image.read(inner)
    if inner == box:
        return voxels
    for axis, row in enumerate(rows):
        voxels = np.take(voxels, row - inner.start[axis], axis=axis)
    return voxels


def _reflect(index: Int64[np.ndarray, " n"], size: int) -> Int64[np.ndarray, " n"]:
    period = max(1, 2 * (size - 1))
    there = index % period
    return np.minimum(there, period - there)
