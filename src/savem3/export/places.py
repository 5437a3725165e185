"""A voxel inside each object: the one nearest to its centre of mass, the same for every block size."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from savem3.blocks import Progress, each
from savem3.export.bodies import Bodies
from savem3.grid import Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels

BLOCK = (64, 256, 256)
"""Voxels whose distances are taken at once."""


def central_voxels(
    labels: Labels,
    bodies: Bodies,
    *,
    block: Shape = BLOCK,
    workers: int = 1,
    progress: Progress | None = None,
) -> Int64[np.ndarray, "body 3"]:
    """Index along z, y, x of the voxel of each object that lies nearest to its centre, in nm; ties: the first one.

    Parameters
    ----------
    labels
        The objects; read once more, block by block.
    bodies
        From `measure`, of these labels.
    block, workers, progress
        See `each`.
    """
    centres = bodies.sums / bodies.voxels[:, None]
    nearest = np.full(len(bodies.ids), np.inf)
    found = np.full((len(bodies.ids), 3), -1, np.int64)
    tiles = split(labels.grid.shape, block=block)

    def nearest_in(tile: Tile) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        voxels = labels.read(tile.write)
        inside = np.flatnonzero(voxels)
        rows = np.searchsorted(bodies.ids, voxels.reshape(-1)[inside])
        distance = np.zeros(len(inside))
        for axis, local in enumerate(np.unravel_index(inside, voxels.shape)):
            distance += ((local + tile.write.start[axis] - centres[rows, axis]) * labels.grid.voxel_size[axis]) ** 2
        distance = np.round(distance, 6)
        least = np.full(len(bodies.ids), np.inf)
        np.minimum.at(least, rows, distance)
        nearby = np.flatnonzero(distance == least[rows])
        own, first = np.unique(rows[nearby], return_index=True)
        index = np.stack(np.unravel_index(inside[nearby[first]], voxels.shape), 1) + np.array(tile.write.start)
        return own, least[own], index

    for rows, distance, index in each(tiles, nearest_in, workers=workers, progress=progress):
        better = distance < nearest[rows]
        same = (distance == nearest[rows]) & _before(index, found[rows])
        taken = better | same
        nearest[rows[taken]], found[rows[taken]] = distance[taken], index[taken]
    return found


def _before(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each index comes before the other one, z slowest."""
    differ = one != other
    first = differ.argmax(1)
    rows = np.arange(len(one))
    return np.asarray(differ.any(1) & (one[rows, first] < other[rows, first]))
