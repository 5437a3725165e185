"""Tiles: what is read and what is written. Write boxes cover every voxel exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

from savem3.grid import Box, Shape


@dataclass(frozen=True, slots=True)
class Tile:
    """One unit of work: ``read`` is looked at, ``write`` (inside it) is answered for."""

    read: Box
    write: Box


def split(shape: Shape, *, block: Shape, halo: Shape = (0, 0, 0)) -> list[Tile]:
    """Cut a volume into blocks that together write each voxel once.

    Parameters
    ----------
    shape
        Voxels of the volume along z, y, x.
    block
        Voxels of one block along z, y, x; the last block of an axis may be smaller.
    halo
        Voxels read beyond the block on every side, cut at the volume's faces.

    Raises
    ------
    ValueError
        If a block has no extent.
    """
    if any(b < 1 for b in block):
        raise ValueError(f"block must be at least 1 voxel along z, y, x, got {block}")
    tiles = []
    for z, y, x in product(*(range(0, n, b) for n, b in zip(shape, block, strict=True))):
        stop = (min(z + block[0], shape[0]), min(y + block[1], shape[1]), min(x + block[2], shape[2]))
        write = Box((z, y, x), stop)
        tiles.append(Tile(write.grow(halo, within=shape), write))
    return tiles


def patch_tiles(shape: Shape, *, patch: Shape, overlap: Shape) -> list[Tile]:
    """The global patch grid: patches of one size, each voxel owned by the patch that sees it most centrally.

    It is a function of the volume's shape alone, never of the blocks that a run is cut into; so the value that a
    voxel gets does not depend on them.

    Parameters
    ----------
    shape
        Voxels of the volume along z, y, x; at least ``patch`` (pad a smaller volume first).
    patch
        Voxels that the network sees along z, y, x.
    overlap
        Voxels that two neighbouring patches share along z, y, x; below ``patch``.

    Raises
    ------
    ValueError
        If a patch does not fit into the volume or the overlap leaves no step.
    """
    axes = [_owned_spans(n, p, o) for n, p, o in zip(shape, patch, overlap, strict=True)]
    tiles = []
    for (z, z0, z1), (y, y0, y1), (x, x0, x1) in product(*axes):
        read = Box((z, y, x), (z + patch[0], y + patch[1], x + patch[2]))
        tiles.append(Tile(read, Box((z0, y0, x0), (z1, y1, x1))))
    return tiles


def _owned_spans(size: int, patch: int, overlap: int) -> list[tuple[int, int, int]]:
    """Start, first owned and first not owned voxel of each patch along one axis."""
    if patch > size:
        raise ValueError(f"patch must fit into the volume ({size} voxels along an axis), got {patch}")
    if not 0 <= overlap < patch:
        raise ValueError(f"overlap must be at least 0 and below the patch of {patch}, got {overlap}")
    starts = [*range(0, size - patch, patch - overlap), size - patch]
    middles = [(a + b + patch) // 2 for a, b in pairwise(starts)]
    return list(zip(starts, [0, *middles], [*middles, size], strict=True))
