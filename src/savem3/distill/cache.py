"""What a teacher saw in a whole volume, on disk, block by block: how it is cut, stored and read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from savem3.augment import Turn
from savem3.distill.cells import CELL, turn_box, turn_maps, turn_shape
from savem3.distill.looks import Maps
from savem3.grid import Box, Shape
from savem3.store.weights import UnusableWeights
from savem3.tiles import Blocks, Tile

STRIDES = {"distance": 1, "feature": 2, "embedding": 8}
"""Voxels of a section along y and x that one vector of each map speaks for."""
SECTIONS = 16
"""Sections that one file holds."""
LEVELS = 255
"""Steps of a channel's range in a uint8 map."""

Storage = Literal["uint8", "float16"]


@dataclass(frozen=True, slots=True)
class Tiling:
    """How sections are cut for a teacher: a function of the volume's shape alone.

    Parameters
    ----------
    tile
        The largest edge of a section that the teacher sees at once; a multiple of 8.
    halo
        Voxels on each side of a tile that its neighbours answer for; a multiple of 8.
    """

    tile: int = 256
    halo: int = 16

    def __post_init__(self) -> None:
        if self.tile % CELL or self.halo % CELL or not 0 <= 2 * self.halo < self.tile:
            raise ValueError(f"tile and halo must be multiples of 8, 2 × halo below tile, got {self.tile}, {self.halo}")

    def blocks(self, shape: Shape) -> Blocks:
        """The blocks of a plane; their sections are made up to whole cells, and all tiles of a plane are alike."""
        y, x = (self._step(n) for n in shape[1:])
        rows, columns = (-(-n // CELL) * CELL for n in shape[1:])
        return Blocks((shape[0], rows, columns), (SECTIONS, y, x))

    def seen(self, write: Box, *, within: Shape) -> Box:
        """What is looked at to answer for a block; may reach beyond the volume."""
        start, stop = list(write.start), list(write.stop)
        for axis in (1, 2):
            step = self._step(within[axis])
            halo = self.halo if step < within[axis] else 0
            start[axis] -= halo
            stop[axis] = write.start[axis] + step + halo
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def _step(self, size: int) -> int:
        count = 1 if size <= self.tile else -(-size // (self.tile - 2 * self.halo))
        return -(-size // (count * CELL)) * CELL


@dataclass(frozen=True, slots=True)
class CachedLooks:
    """One teacher's maps of one volume on disk; holds nothing open, so it may travel to other processes.

    Parameters
    ----------
    folder
        Of the maps; `cache_looks` filled it.
    shape
        Voxels of the volume.
    planes
        1 has the sections along z, 3 also those along y and x.
    kinds
        The maps that are there, keys of `STRIDES`.
    tiling
        How sections were cut.
    """

    folder: Path
    shape: Shape
    planes: int
    kinds: tuple[str, ...]
    tiling: Tiling = Tiling()

    def maps(self, box: Box, *, turn: Turn, shape: Shape) -> Maps:
        """The maps of one crop, as a batch of one, turned and filled up as the crop itself is.

        Parameters
        ----------
        box
            The crop's voxels in the volume; made of whole cells along the crop's y and x.
        turn
            How the crop is turned; it decides which plane's maps are meant.
        shape
            Of the crop.
        """
        plane = turn.axes[0]
        own = turn_box(box, plane=plane)
        found: dict[str, NDArray[np.float32]] = {}
        for kind in self.kinds:
            stride = STRIDES[kind]
            maps = self.read(kind, own, plane=plane)
            found[kind] = turn_maps(maps, turn, shape=(shape[0], shape[1] // stride, shape[2] // stride))[None]
        return Maps(found.get("distance"), found["feature"], found["embedding"])

    def read(self, kind: str, box: Box, *, plane: int) -> Float32[np.ndarray, "section channel row column"]:
        """One plane's maps in a box of that plane, its y and x in whole cells.

        Raises
        ------
        UnusableWeights
            If a block is missing or cannot be read.
        """
        stride, parts = STRIDES[kind], []
        for index, tile in self._blocks_in(box, plane=plane):
            inner = tile.write.intersect(box)
            assert inner is not None
            part = _read_part(self.file(index, plane=plane), kind, in_strides(inner.relative_to(tile.write), stride))
            parts.append((in_strides(inner.relative_to(box), stride), part))
        whole = np.empty((box.shape[0], parts[0][1].shape[1], *(n // stride for n in box.shape[1:])), np.float32)
        for (z, y, x), part in parts:
            whole[z, :, y, x] = part
        return whole

    def file(self, index: int, *, plane: int) -> Path:
        """Of one block of a plane."""
        return self.folder / f"plane{plane}" / f"{index:07d}.safetensors"

    def blocks(self, plane: int) -> Blocks:
        """All blocks of a plane."""
        return self.tiling.blocks(turn_shape(self.shape, plane=plane))

    def _blocks_in(self, box: Box, *, plane: int) -> Iterator[tuple[int, Tile]]:
        blocks = self.blocks(plane)
        _, rows, columns = blocks.along
        z, y, x = (range(a // b, -(-c // b)) for a, c, b in zip(box.start, box.stop, blocks.block, strict=True))
        for index in ((i * rows + j) * columns + k for i, j, k in product(z, y, x)):
            yield index, blocks[index]


def in_strides(box: Box, stride: int) -> tuple[slice, slice, slice]:
    """A box of voxels as an index of maps."""
    (_, y, x), (_, y_stop, x_stop) = box.start, box.stop
    return slice(box.start[0], box.stop[0]), slice(y // stride, y_stop // stride), slice(x // stride, x_stop // stride)


def pack(maps: dict[str, NDArray[np.float32]], storage: Storage) -> dict[str, NDArray[Any]]:
    """As they are stored: float16, or uint8 with each channel's lowest value and step beside them."""
    if storage == "float16":
        return {kind: values.astype(np.float16) for kind, values in maps.items()}
    packed: dict[str, NDArray[Any]] = {}
    for kind, values in maps.items():
        low = values.min((0, 2, 3))
        step = np.maximum((values.max((0, 2, 3)) - low) / np.float32(LEVELS), np.float32(1e-12))
        whole = np.rint((values - low[:, None, None]) / step[:, None, None])
        packed |= {kind: whole.astype(np.uint8), f"{kind} low": low, f"{kind} step": step}
    return packed


def _read_part(file: Path, kind: str, index: tuple[slice, slice, slice]) -> NDArray[np.float32]:
    from safetensors import SafetensorError, safe_open

    z, y, x = index
    try:
        with safe_open(file, framework="numpy") as opened:
            part = opened.get_slice(kind)[z, :, y, x].astype(np.float32)
            if f"{kind} low" not in opened.keys():  # noqa: SIM118 (not a mapping)
                return np.asarray(part)
            low, step = opened.get_tensor(f"{kind} low"), opened.get_tensor(f"{kind} step")
    except (SafetensorError, OSError) as error:
        raise UnusableWeights(f"{file} must be an intact block of cached maps, got: {error}; cache again") from error
    return np.asarray(part * step[:, None, None] + low[:, None, None])
