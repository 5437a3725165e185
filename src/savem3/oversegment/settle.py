"""What no block can tell alone: which pieces of fragments belong together across blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from savem3.blocks import Product, Tables, kernel
from savem3.grid import Box, Grid, Shape
from savem3.oversegment.decisions import joins
from savem3.oversegment.exits import follow_exits
from savem3.oversegment.forest import flatten, root_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.reduce import Pieces, reduce_block
from savem3.oversegment.seams import cut_layers, meet, seams_of
from savem3.tiles import Tile


@dataclass(frozen=True, slots=True)
class Settle:
    """The block function, for one tile that is the whole volume, that turns the groups of all blocks into fragments.

    Its product is one table: ``lookup`` holds the fragment of the groups 1, 2, … of each block, one block after the
    other, and ``offsets`` where each block begins. Fragments are numbered 1 to n in the order of their
    smallest roots. The tables are read twice, one at a time; what stays in memory is a number for each group and open
    basin, and the passes between what touches a seam.

    Parameters
    ----------
    tables
        From `Drain`, of all tiles.
    tiles
        Their blocks, in the same order; they form a regular grid.
    grid
        Of the volume.
    recipe
        As `Drain` had it.

    Raises
    ------
    ValueError
        If a tile is not the whole volume.
    """

    tables: Tables
    tiles: Sequence[Tile]
    grid: Grid
    recipe: OversegmentRecipe = STANDARD

    def __call__(self, tile: Tile, /) -> Product:
        if tile.write != self.grid.box:
            raise ValueError(f"tile must write the whole volume {self.grid.box}, got {tile.write}")
        linked = self.grid.is_isotropic
        table = settle(self.tables, self.tiles, volume=self.grid.shape, linked=linked, recipe=self.recipe)
        return Product({}, table)


def settle(
    tables: Tables, tiles: Sequence[Tile], *, volume: Shape, linked: bool, recipe: OversegmentRecipe
) -> dict[str, NDArray[Any]]:
    """The table of `Settle`.

    Parameters
    ----------
    tables, tiles, recipe
        See `Settle`.
    volume
        Voxels of the whole volume along z, y, x.
    linked
        Whether basins touch across sections.
    """
    roots = follow_exits(tables, tiles, volume=volume, linked=linked)
    waiting: dict[tuple[int, Box], _Side] = {}
    pieces, faces = [], [np.empty((0, 3), np.int64)]
    for tile, index, own in zip(tiles, range(len(tables)), roots, strict=True):
        table = tables[index]
        pieces.append(reduce_block(table, own, recipe=recipe))
        seams = seams_of(tile.write, volume, linked=linked)
        skin, height = np.asarray(table["skin"]).astype(np.int64), np.asarray(table["skin_height"]).astype(np.int64)
        sides = [_Side(*layers) for layers in zip(cut_layers(own[skin], seams), cut_layers(height, seams), strict=True)]
        faces += [_faces(before, behind) for _, before, behind in meet(waiting, seams, sides)]
    del roots
    known = np.cumsum([0, *(len(of_block.size) for of_block in pieces)])
    fragments = _fragments(pieces, np.concatenate(faces), known[:-1], recipe)
    lookup = [fragments[of_block.of_group + first] for of_block, first in zip(pieces, known[:-1], strict=True)]
    return {"lookup": np.concatenate(lookup), "offsets": np.cumsum([0, *(len(of_block) for of_block in lookup)])}


@dataclass(frozen=True, slots=True)
class _Side:
    """The layer of a block along a seam: the root of each voxel's basin, and heights."""

    roots: Int64[np.ndarray, " voxel"]
    height: Int64[np.ndarray, " voxel"]


def _faces(before: _Side, behind: _Side) -> Int64[np.ndarray, "pair 3"]:
    """Lowest pass, smaller root, larger root of each pair of basins that touch across a seam."""
    roots = np.sort(np.column_stack([before.roots, behind.roots]), axis=1)
    passes = np.column_stack([np.maximum(before.height, behind.height), roots])[roots[:, 0] != roots[:, 1]]
    passes = passes[np.lexsort((passes[:, 0], passes[:, 2], passes[:, 1]))]
    return passes[np.r_[True, (passes[1:, 1:] != passes[:-1, 1:]).any(1)][: len(passes)]]


def _fragments(
    pieces: Sequence[Pieces],
    faces: Int64[np.ndarray, "face 3"],
    known: Int64[np.ndarray, " block"],
    recipe: OversegmentRecipe,
) -> Int64[np.ndarray, " piece"]:
    """The fragment of each piece; ``known`` says how many there are before each block."""
    size, minimum, root = (
        np.concatenate([getattr(of_block, name) for of_block in pieces]) for name in ("size", "minimum", "root")
    )
    seam_roots = np.concatenate([of_block.seam_roots for of_block in pieces])
    seam_pieces = np.concatenate([of_block.seam_pieces + first for of_block, first in zip(pieces, known, strict=True)])
    order = np.argsort(seam_roots, kind="stable")
    seam_roots, seam_pieces = seam_roots[order], seam_pieces[order]
    first = np.searchsorted(seam_roots, seam_roots)
    parents = np.arange(len(size))
    _link(np.column_stack([seam_pieces, seam_pieces[first]]), parents, size, minimum, root)
    between = [of_block.delayed_pieces + first for of_block, first in zip(pieces, known, strict=True)]
    passes = np.concatenate([*(of_block.delayed for of_block in pieces), faces])
    sides = np.concatenate([*between, seam_pieces[np.searchsorted(seam_roots, faces[:, 1:])]])
    order = np.lexsort(passes.T[::-1])
    _join(order, passes[:, 0], sides, parents, size, minimum, root, recipe.dynamics, recipe.min_size)
    return np.unique(root[parents], return_inverse=True)[1] + 1


@kernel
def _link(
    pairs: Int64[np.ndarray, "pair 2"],
    parents: Int64[np.ndarray, " piece"],
    size: Int64[np.ndarray, " piece"],
    minimum: Int64[np.ndarray, " piece"],
    root: Int64[np.ndarray, " piece"],
) -> None:
    """Pieces that share a basin become one."""
    for k in range(len(pairs)):
        _unite(root_of(pairs[k, 0], parents), root_of(pairs[k, 1], parents), parents, size, minimum, root)


@kernel
def _join(
    order: Int64[np.ndarray, " pair"],
    height: Int64[np.ndarray, " pair"],
    pairs: Int64[np.ndarray, "pair 2"],
    parents: Int64[np.ndarray, " piece"],
    size: Int64[np.ndarray, " piece"],
    minimum: Int64[np.ndarray, " piece"],
    root: Int64[np.ndarray, " piece"],
    dynamics: int,
    min_size: int,
) -> None:
    """The rule of `decide` at each pass, in order; in the end each piece points to the one that knows its fragment."""
    for k in order:
        a, b = root_of(pairs[k, 0], parents), root_of(pairs[k, 1], parents)
        if a != b and joins(height[k], minimum[a], minimum[b], size[a], size[b], dynamics, min_size):
            _unite(a, b, parents, size, minimum, root)
    flatten(parents)


@kernel
def _unite(
    a: int,
    b: int,
    parents: Int64[np.ndarray, " piece"],
    size: Int64[np.ndarray, " piece"],
    minimum: Int64[np.ndarray, " piece"],
    root: Int64[np.ndarray, " piece"],
) -> None:
    if a != b:
        parents[b] = a
        size[a] += size[b]
        minimum[a] = min(minimum[a], minimum[b])
        root[a] = min(root[a], root[b])
