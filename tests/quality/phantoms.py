"""Made-up tissue: neurites that run through a volume side by side, and the same with one defect each."""

from __future__ import annotations

import numpy as np

from savem3.export import measure
from savem3.grid import Grid
from savem3.quality import Census
from savem3.volume import Labels

GRID = Grid((40, 66, 58), (40.0, 40.0, 40.0))
THIN = Grid((40, 66, 58), (50.0, 20.0, 10.0))
"""Of the same voxels, with sections as they are cut: followed along z alone."""


def tissue() -> np.ndarray:
    """Neurites that lean a little and leave through the faces; nothing ends, crosses or lies within anything."""
    rng = np.random.default_rng(3)
    y, x = (start.ravel() for start in np.meshgrid(np.arange(-6, 80, 15.0), np.arange(-6, 70, 15.0), indexing="ij"))
    y, x = y + rng.uniform(-4, 4, y.shape), x + rng.uniform(-4, 4, x.shape)
    z, rows, columns = np.indices(GRID.shape).astype(float)
    rows, columns = rows - 0.21 * z + 0.9 * np.sin(z / 9), columns - 0.13 * z
    apart = [(rows - a) ** 2 + (columns - b) ** 2 for a, b in zip(y, x, strict=True)]
    return (np.argmin(apart, axis=0) + 1).astype(np.uint64)


def labels_of(voxels: np.ndarray, grid: Grid = GRID) -> Labels:
    return Labels(voxels.astype(np.uint64), grid)


def census_of(labels: Labels) -> Census:
    """What the export measures, as the report hands it on."""
    found = measure(labels)
    bodies, contacts = found.bodies, found.contacts
    return Census(
        labels.grid,
        bodies.ids,
        bodies.voxels,
        bodies.lowest,
        bodies.highest,
        bodies.faces,
        contacts.pairs,
        contacts.faces,
    )


def largest(voxels: np.ndarray, *, where: tuple[slice, ...] = (slice(14, 26), slice(22, 44), slice(18, 40))) -> int:
    """The neurite that fills most of a part of the volume."""
    names, counts = np.unique(voxels[where], return_counts=True)
    return int(names[counts.argmax()])
