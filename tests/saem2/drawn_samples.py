"""Annotated volumes that a small network learns in seconds."""

import numpy as np

from savem3.grid import Grid
from savem3.volume import BoundaryMap, DistanceMap, Image, Labels, Sample


def planes(shape=(12, 40, 48), voxel_size=(10.0, 10.0, 10.0)):
    """Dark planes every eight voxels along x are membrane."""
    grid = Grid(shape, voxel_size)
    x = np.broadcast_to(np.arange(shape[2]), shape)
    membrane = x % 8 == 0
    away = np.minimum(np.minimum(x % 8, 8 - x % 8) * voxel_size[2], 64).astype(np.float32)
    raw = np.where(membrane, 60, 190) + np.random.default_rng(0).integers(-20, 20, shape)
    return Sample(
        "planes",
        Image(raw.astype(np.uint8), grid),
        Labels((x // 8 + 1).astype(np.uint64), grid),
        BoundaryMap((membrane * 255).astype(np.uint8), grid),
        DistanceMap(away, grid),
        linked=True,
        licence="none",
    )


def squares():
    """Four bright cells in each section, dark membrane between them."""
    grid = Grid((3, 64, 80), (30.0, 6.0, 6.0))
    labels = np.zeros(grid.shape, np.uint64)
    for number, (y, x) in enumerate([(0, 0), (0, 40), (32, 0), (32, 40)], start=1):
        labels[:, y + 2 : y + 30, x + 2 : x + 38] = number
    membrane = labels == 0
    raw = np.where(membrane, 40, 200).astype(np.uint8)
    return Sample(
        "squares",
        Image(raw, grid),
        Labels(labels, grid),
        BoundaryMap((membrane * 255).astype(np.uint8), grid),
        DistanceMap(np.zeros(grid.shape, np.float32), grid),
        linked=True,
        licence="none",
    )
