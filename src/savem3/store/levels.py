"""Which levels a pyramid has."""

from __future__ import annotations

from savem3.grid import ISOTROPIC_UP_TO, Grid, Shape

COARSEST = 2**18
"""A level of at most so many voxels is the last one: it fits into one chunk."""


def factors(grid: Grid) -> list[Shape]:
    """How many voxels along z, y, x each level joins of the level before it; as many levels as one chunk needs.

    An axis is halved while its voxel edge is at most 1.5 times the finest: so sections are not joined before the
    voxels within them are about as coarse as the sections are thick.
    """
    joined: list[Shape] = []
    while grid.voxels > COARSEST:
        finest = min(s for s, n in zip(grid.voxel_size, grid.shape, strict=True) if n > 1)
        z, y, x = (
            2 if n > 1 and s <= ISOTROPIC_UP_TO * finest else 1
            for s, n in zip(grid.voxel_size, grid.shape, strict=True)
        )
        joined.append((z, y, x))
        grid = grid.coarsen((z, y, x))
    return joined
