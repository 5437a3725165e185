"""Tiles: what is read and what is written. Write boxes cover every voxel exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import overload

from savem3.grid import Box, Shape


@dataclass(frozen=True, slots=True)
class Tile:
    """One unit of work: ``read`` is looked at, ``write`` (inside it) is answered for."""

    read: Box
    write: Box


@dataclass(frozen=True, slots=True)
class Blocks(Sequence[Tile]):
    """The blocks of a volume, z slowest, each made when it is asked for; together they write each voxel once.

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

    shape: Shape
    block: Shape
    halo: Shape = (0, 0, 0)

    def __post_init__(self) -> None:
        if any(b < 1 for b in self.block):
            raise ValueError(f"block must be at least 1 voxel along z, y, x, got {self.block}")

    @property
    def along(self) -> Shape:
        """Number of blocks along z, y, x."""
        z, y, x = (-(-n // b) for n, b in zip(self.shape, self.block, strict=True))
        return z, y, x

    def __len__(self) -> int:
        z, y, x = self.along
        return z * y * x

    @overload
    def __getitem__(self, index: int, /) -> Tile: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Tile]: ...
    def __getitem__(self, index: int | slice, /) -> Tile | Sequence[Tile]:
        """The block of a number, or those of a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must lie within the {len(self)} blocks, got {index}")
        _, rows, columns = self.along
        row, column = divmod(index % len(self), columns)
        z, y, x = (n * b for n, b in zip((*divmod(row, rows), column), self.block, strict=True))
        stop = tuple(min(a + b, n) for a, b, n in zip((z, y, x), self.block, self.shape, strict=True))
        write = Box((z, y, x), (stop[0], stop[1], stop[2]))
        return Tile(write.grow(self.halo, within=self.shape), write)


def split(shape: Shape, *, block: Shape, halo: Shape = (0, 0, 0)) -> list[Tile]:
    """Cut a volume into blocks that together write each voxel once; see `Blocks`."""
    return list(Blocks(shape, block, halo))


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
