"""From clusters of fragments to objects in the volume."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Progress, each
from savem3.grid import Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels


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
    table = np.r_[0, clusters].astype(np.uint64)
    objects = np.empty(fragments.grid.shape, np.uint64)

    def of_tile(tile: Tile) -> None:
        labels = fragments.read(tile.write)
        if (largest := int(labels.max())) >= len(table):
            raise ValueError(f"clusters must name every fragment up to {largest}, got {len(clusters)}")
        objects[tile.write.slices] = table[labels]

    for _ in each(split(fragments.grid.shape, block=block), of_tile, workers=workers, progress=progress):
        pass
    return Labels(objects, fragments.grid)
