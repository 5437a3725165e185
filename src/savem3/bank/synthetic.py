"""Synthetic electron microscopy: volumes and their truth, annotated and owned by nobody; a function of a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from savem3.bank.neurites import grow_tissue
from savem3.bank.staining import photograph, project, stain
from savem3.bank.targets import boundary_target, distance_target
from savem3.grid import Grid
from savem3.volume import Image, Labels, Sample

ISOTROPIC = Grid((96, 128, 128), (10.0, 10.0, 10.0))
"""A block as FIB-SEM gives it."""

SECTIONS = Grid((24, 256, 256), (40.0, 5.0, 5.0))
"""A series of sections as ssTEM gives it."""

LAYER_NM = 14.0
"""A section is stained in layers of about this thickness and seen through."""

LICENCE = "generated, free of others' rights"


def make_synthetic(seed: int, *, grid: Grid = ISOTROPIC) -> Sample:
    """Dense neurites, glia and organelles as an electron micrograph, with their truth.

    The same seed and grid give the same bytes. A section thicker than its pixels is stained in layers and projected,
    so membranes that cross it obliquely smear as they do in ssTEM; its labels are those of the middle layer.

    Parameters
    ----------
    seed
        Any number from 0; it decides calibre, stain, contrast, noise and all shapes.
    grid
        Shape and voxel size; about 8–10 nm isotropic, or 4–8 nm in plane and 30–50 nm along z, look like real tissue.

    Raises
    ------
    ValueError
        If the seed is below 0.

    Notes
    -----
    Source: ours; the paper trains on real data only.
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    rng = np.random.default_rng(seed)
    layers = 1 if grid.is_isotropic else max(1, round(grid.voxel_size[0] / LAYER_NM))
    tissue = grow_tissue(rng, grid=_layered(grid, layers))
    grey = project(stain(tissue, rng), layers=layers)
    pixels = photograph(grey, rng, pixel_nm=grid.voxel_size[1], isotropic=grid.is_isotropic)
    labels = Labels(np.ascontiguousarray(tissue.labels[layers // 2 :: layers]), grid)
    boundary = boundary_target(labels, sectionwise=not grid.is_isotropic, fragment_voxels=0)
    return Sample(
        name=f"synthetic/{seed}",
        image=Image(pixels, grid),
        labels=labels,
        boundary=boundary,
        distance=distance_target(boundary, sectionwise=not grid.is_isotropic),
        linked=True,
        licence=LICENCE,
    )


def _layered(grid: Grid, layers: int) -> Grid:
    """The grid with every section cut into layers."""
    z, y, x = grid.shape
    thickness, height, width = grid.voxel_size
    return replace(grid, shape=(z * layers, y, x), voxel_size=(thickness / layers, height, width))
