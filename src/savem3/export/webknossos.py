"""What WEBKNOSSOS reads first: one file that names a data set's layers, their levels and what is attached to them.

Source: WEBKNOSSOS's description of ``datasource-properties.json``, version 1. A layer's voxels begin at 0, 0, 0 there,
so an origin is not told.
"""

from __future__ import annotations

import json
from pathlib import Path

from savem3.grid import Grid
from savem3.store.levels import factors

LAYER = "segmentation"
"""Name of the layer of fragments, and of its folder."""


def write_data_source(folder: Path, *, name: str, grid: Grid, largest: int, agglomeration: str) -> None:
    """Write the file of a data set of fragments and an agglomeration.

    Parameters
    ----------
    folder
        Of the data set; its layer is an OME-NGFF 0.5 group.
    name
        Of the data set.
    grid
        Of the fragments.
    largest
        The largest fragment's number.
    agglomeration
        Its name: it lies in ``agglomerates`` of the layer.
    """
    z, y, x = grid.shape
    attached = {"name": agglomeration, "path": f"./{LAYER}/agglomerates/{agglomeration}", "dataFormat": "zarr3"}
    layer = {
        "name": LAYER,
        "category": "segmentation",
        "boundingBox": {"topLeft": [0, 0, 0], "width": x, "height": y, "depth": z},
        "elementClass": "uint64",
        "dataFormat": "zarr3",
        "largestSegmentId": largest,
        "mags": [
            {"mag": mag, "path": f"./{LAYER}/{level}", "axisOrder": {"x": 2, "y": 1, "z": 0}}
            for level, mag in enumerate(_mags(grid))
        ],
        "attachments": {"agglomerates": [attached]},
    }
    content = {
        "version": 1,
        "id": {"name": name, "team": ""},
        "scale": {"factor": list(grid.voxel_size[::-1]), "unit": "nanometer"},
        "dataLayers": [layer],
    }
    (folder / "datasource-properties.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _mags(grid: Grid) -> list[list[int]]:
    """How many voxels of the finest level along x, y, z each level joins."""
    mags = [[1, 1, 1]]
    for factor in factors(grid):
        mags.append([m * f for m, f in zip(mags[-1], reversed(factor), strict=True)])
    return mags
