"""Where two fragments touch: a voxel of their contact, near its middle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.blocks import Progress, each
from savem3.grid import Box
from savem3.tiles import Tile, split
from savem3.volume import Labels

BLOCK = (64, 256, 256)
"""Voxels that are searched at once."""


def locate(
    fragments: Labels, pairs: UInt64[np.ndarray, "pair 2"], *, workers: int = 1, progress: Progress | None = None
) -> Float64[np.ndarray, "pair 3"]:
    """The face of each contact that lies nearest to the contact's middle, along z, y, x; nan where there is none.

    Parameters
    ----------
    fragments
        May be lazy; read once, block by block.
    pairs
        Two different labels each, of which the smaller one stands first; each pair once.
    workers, progress
        See `each`.
    """
    found = [np.zeros((0, 4), np.int64)]
    if len(pairs):
        tiles = split(fragments.grid.shape, block=BLOCK)
        found += each(tiles, lambda tile: _search(fragments, pairs, tile), workers=workers, progress=progress)
    faces = np.concatenate(found)
    faces = faces[np.lexsort((*faces[:, :0:-1].T, faces[:, 0]))]
    at = np.full((len(pairs), 3), np.nan)
    begins = np.searchsorted(faces[:, 0], np.arange(len(pairs) + 1))
    for pair, (start, stop) in enumerate(pairwise(begins.tolist())):
        if stop > start:
            places = faces[start:stop, 1:]
            at[pair] = places[int(np.linalg.norm(places - places.mean(0), axis=1).argmin())]
    return at


def _search(fragments: Labels, pairs: UInt64[np.ndarray, "pair 2"], tile: Tile) -> Int64[np.ndarray, "face 4"]:
    """Pair and lower voxel of each face between two wanted fragments whose lower voxel the tile writes."""
    box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=fragments.grid.shape).stop)
    voxels = fragments.read(box)
    names = np.unique(pairs)
    places = np.searchsorted(names, voxels).clip(max=len(names) - 1)
    numbers = np.where(names[places] == voxels, places + 1, 0).astype(np.int64)
    if not numbers.any():
        return np.zeros((0, 4), np.int64)
    rows = np.searchsorted(names, pairs).astype(np.int64) + 1
    codes = rows[:, 0] * (len(names) + 1) + rows[:, 1]
    order = np.argsort(codes)
    parts = [
        _of_axis(here, there, codes[order], order, len(names) + 1) for here, there in _beside(numbers, tile.write.shape)
    ]
    found = np.concatenate(parts)
    found[:, 1:] += np.array(tile.write.start)
    return found


def _beside(
    numbers: Int64[np.ndarray, "z y x"], shape: tuple[int, int, int]
) -> Iterator[tuple[Int64[np.ndarray, "..."], Int64[np.ndarray, "..."]]]:
    """Voxels and those behind them, along each axis."""
    for axis in range(3):
        ahead = tuple(slice(1, n + 1) if a == axis else slice(n) for a, n in enumerate(shape))
        there = numbers[ahead]
        yield numbers[tuple(slice(n) for n in there.shape)], there


def _of_axis(
    here: Int64[np.ndarray, "z y x"],
    there: Int64[np.ndarray, "z y x"],
    codes: Int64[np.ndarray, " pair"],
    order: Int64[np.ndarray, " pair"],
    width: int,
) -> Int64[np.ndarray, "face 4"]:
    """Wanted faces along one axis: which pair, and where the lower voxel lies in the tile."""
    where = np.argwhere((here != there) & (here > 0) & (there > 0)).astype(np.int64)
    one, other = here[tuple(where.T)], there[tuple(where.T)]
    wanted = np.minimum(one, other) * width + np.maximum(one, other)
    at = np.searchsorted(codes, wanted).clip(max=len(codes) - 1)
    known = codes[at] == wanted
    return np.concatenate([order[at[known], None], where[known]], axis=1)
