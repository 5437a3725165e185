"""Where the drops go that leave their block: from exit to exit, until one ends in a root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Tables, kernel
from savem3.grid import Box, Shape
from savem3.oversegment.seams import cut_layers, meet, seams_of
from savem3.tiles import Tile


@dataclass(frozen=True, slots=True)
class _Side:
    """The layer of a block along a seam.

    Parameters
    ----------
    basins
        The open basin of each voxel, numbered within the block.
    first
        What the block's first open basin is when all are numbered through.
    onward
        Where the block's open basins go on, changed as it becomes known; see `_follow`.
    """

    basins: Int64[np.ndarray, " voxel"]
    first: int
    onward: Int64[np.ndarray, " basin"]


def follow_exits(
    tables: Tables, tiles: Sequence[Tile], *, volume: Shape, linked: bool
) -> list[Int64[np.ndarray, " basin"]]:
    """For each block, the flat index of the root of each of its open basins.

    Parameters
    ----------
    tables, tiles
        From `drain`, of blocks that form a regular grid.
    volume
        Voxels of the whole volume along z, y, x.
    linked
        Whether water runs between sections.
    """
    onward: list[Int64[np.ndarray, " basin"]] = []
    waiting: dict[tuple[int, Box], _Side] = {}
    known = [0]
    for tile, index in zip(tiles, range(len(tables)), strict=True):
        table = tables[index]
        onward.append(~np.asarray(table["end"]))
        seams = seams_of(tile.write, volume, linked=linked)
        layers = cut_layers(np.asarray(table["skin"]).astype(np.int64), seams)
        sides = [_Side(basins, known[-1], onward[-1]) for basins in layers]
        for seam, before, behind in meet(waiting, seams, sides):
            places = seam.places_behind(volume)
            _cross(before, behind, places)
            _cross(behind, before, places - seam.step(volume))
        known.append(known[-1] + len(onward[-1]))
    assert not waiting, f"blocks must form a regular grid; {len(waiting)} seams have one side only"
    together = np.concatenate(onward)
    del onward
    assert _follow(together), "blocks must see the same heights, got drops that run in a circle"
    return np.split(np.invert(together, out=together), known[1:-1])


def _cross(here: _Side, there: _Side, places: Int64[np.ndarray, " voxel"]) -> None:
    """Open basins whose end is a voxel on the other side, at one of these places, go on with that voxel's basin."""
    exits = np.flatnonzero(here.onward[here.basins] == ~places)
    here.onward[here.basins[exits]] = there.first + there.basins[exits]


@kernel
def _follow(onward: Int64[np.ndarray, " basin"]) -> bool:
    """Let every number from 0 on, which points to another entry, become the negative number at the end of its path.

    False if a path has no end.
    """
    for basin in range(len(onward)):
        end, steps = basin, 0
        while onward[end] >= 0 and steps <= len(onward):
            end, steps = onward[end], steps + 1
        if onward[end] >= 0:
            return False
        here = basin
        while onward[here] >= 0:
            onward[here], here = onward[end], onward[here]
    return True
