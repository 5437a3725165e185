"""Shallow and small basins join their neighbours, on the graph of basins and not on voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, Int64

from savem3.blocks import Faces, Progress, collect_faces, kernel
from savem3.oversegment.recipe import OversegmentRecipe
from savem3.oversegment.watershed import Basins
from savem3.tiles import Tile


def merge_basins(
    basins: Basins,
    height: Int32[np.ndarray, "z y x"],
    *,
    tiles: Sequence[Tile],
    linked: bool,
    recipe: OversegmentRecipe,
    workers: int = 1,
    progress: Progress | None = None,
) -> Int64[np.ndarray, " basin_or_0"]:
    """The fragment of each basin, 1 to n in the order of their smallest basins; entry 0 is 0.

    All that is needed of the voxels adds up over blocks: the lowest face between two basins (their pass), sizes, and
    the height of each root. Passes are taken from the lowest up; the two sides join when the shallower one is less deep
    than the recipe's dynamics, or when either is too small. So what stays too small touches nothing.

    Parameters
    ----------
    basins, height
        From `find_basins`.
    tiles
        Write boxes that cover the volume once.
    linked
        Whether basins touch across sections.
    recipe
        Dynamics and smallest size.
    workers, progress
        See `each`.

    Notes
    -----
    Source: the paper's watershed drops fragments below 100 voxels and fills the holes by watershed; joining them on the
    graph, and the dynamics, are our choice.
    """
    faces = collect_faces(basins.labels, height, tiles=tiles, linked=linked, workers=workers, progress=progress)
    sizes = np.bincount(basins.labels.reshape(-1), minlength=len(basins.roots) + 1)
    depth = np.r_[np.int64(0), height.reshape(-1)[basins.roots]]
    smallest = _join(_by_pass(faces), depth, sizes, recipe.dynamics, recipe.min_size)
    return np.unique(smallest, return_inverse=True)[1].astype(np.int64)


def _by_pass(faces: Faces) -> Int64[np.ndarray, "pair 3"]:
    """Pass height, u, v of each pair, lowest pass first; equal passes in the order of (u, v)."""
    order = np.argsort(faces.minimum, kind="stable")
    return np.column_stack([faces.minimum, faces.pairs])[order]


@kernel
def _join(
    passes: Int64[np.ndarray, "pair 3"],
    minimum: Int64[np.ndarray, " basin"],
    size: Int64[np.ndarray, " basin"],
    dynamics: int,
    min_size: int,
) -> Int64[np.ndarray, " basin"]:
    """The smallest basin in the fragment of each basin."""
    parents = np.arange(len(minimum))
    smallest = np.arange(len(minimum))
    for k in range(len(passes)):
        a, b = _root_of(passes[k, 1], parents), _root_of(passes[k, 2], parents)
        if a == b:
            continue
        if minimum[a] > minimum[b] or (minimum[a] == minimum[b] and a > b):
            a, b = b, a
        if passes[k, 0] - minimum[b] < dynamics or min(size[a], size[b]) < min_size:
            parents[b] = a
            size[a] += size[b]
            smallest[a] = min(smallest[a], smallest[b])
    for node in range(len(parents)):
        parents[node] = _root_of(node, parents)
    return smallest[parents]


@kernel
def _root_of(node: int, parents: Int64[np.ndarray, " basin"]) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node
