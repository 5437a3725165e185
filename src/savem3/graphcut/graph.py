"""From fragments and a boundary map to the region graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Progress, collect_faces, each
from savem3.grid import Shape
from savem3.regions import RegionGraph
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap, Labels


def region_graph(
    fragments: Labels,
    boundary: BoundaryMap,
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> RegionGraph:
    """The region graph of a volume; the same for every block and every number of workers.

    Two fragments are joined by an edge where they share a face of voxels, within a section or across sections.

    Parameters
    ----------
    fragments
        Numbered 1 to n; 0 is background and enters neither nodes nor edges.
    boundary
        On the same grid.
    block
        Voxels along z, y, x that one worker holds at a time.
    workers
        Threads.
    progress
        Told of each finished block.

    Raises
    ------
    ValueError
        If the shapes differ, or a label is larger than the number of voxels.

    Notes
    -----
    Source: the paper's affinity of two voxels is 1 − max of their boundary values; here the maximum itself is summed.
    """
    if fragments.grid.shape != boundary.grid.shape:
        raise ValueError(f"boundary must have the shape of fragments {fragments.grid.shape}, got {boundary.grid.shape}")
    tiles = split(fragments.grid.shape, block=block)
    sizes = _count_voxels(fragments, tiles, workers=workers)
    faces = collect_faces(fragments.voxels, boundary.voxels, tiles=tiles, workers=workers, progress=progress)
    return RegionGraph(sizes, faces.pairs.astype(np.uint64), faces.count, faces.total, faces.minimum, faces.maximum)


def _count_voxels(fragments: Labels, tiles: Sequence[Tile], *, workers: int) -> Int64[np.ndarray, " node"]:
    """Voxels of fragment 1, 2, …; refuses numbers that would need more nodes than there are voxels."""

    def of_tile(tile: Tile) -> Int64[np.ndarray, " label"]:
        labels = fragments.read(tile.write)
        if (largest := int(labels.max())) > fragments.grid.voxels:
            raise ValueError(f"fragments must be numbered 1 to n without large gaps, got label {largest}")
        return np.bincount(labels.reshape(-1).astype(np.int64))

    counts = list(each(tiles, of_tile, workers=workers))
    sizes = np.zeros(max(len(c) for c in counts), np.int64)
    for count in counts:
        sizes[: len(count)] += count
    return sizes[1:]
