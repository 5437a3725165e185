"""From clusters of fragments to objects in the volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Product, Progress, Table, each, ends_of, look_up
from savem3.grid import Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels


@dataclass(frozen=True, slots=True)
class Relabel:
    """The block function that writes ``labels``, uint64: each fragment replaced by its cluster; background stays 0.

    Parameters
    ----------
    fragments
        Numbered 1 to n, in memory or lazy.
    cut
        A table whose ``clusters`` are those of fragments 1, 2, …; only the part between the smallest and the largest
        fragment of a block is read.

    Raises
    ------
    ValueError
        If a fragment has no cluster.
    """

    fragments: Labels
    cut: Table

    def __call__(self, tile: Tile, /) -> Product:
        labels = self.fragments.read(tile.write)
        clusters = self.cut["clusters"]
        smallest, largest = ends_of(labels)
        if largest > len(clusters):
            raise ValueError(f"clusters must name every fragment up to {largest}, got {len(clusters)}")
        named = np.asarray(clusters[smallest - 1 : largest]).astype(np.uint64)
        return Product({"labels": look_up(labels, named, first=smallest)})


def relabel(
    fragments: Labels,
    clusters: Int64[np.ndarray, " node"],
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Labels:
    """The volume with each fragment replaced by its cluster; background stays 0.

    Parameters
    ----------
    fragments
        Numbered 1 to n.
    clusters
        Cluster of fragments 1, 2, …
    block
        Voxels along z, y, x that one worker holds at a time.
    workers
        Threads.
    progress
        Told of each finished block.

    Raises
    ------
    ValueError
        If a fragment has no cluster.
    """
    objects = np.empty(fragments.grid.shape, np.uint64)
    tiles = split(fragments.grid.shape, block=block)
    products = each(tiles, Relabel(fragments, {"clusters": clusters}), workers=workers, progress=progress)
    for tile, product in zip(tiles, products, strict=True):
        objects[tile.write.slices] = product.volumes["labels"]
    return Labels(objects, fragments.grid)
