"""A volume in Neuroglancer's words: its metadata and pieces as JSON and bytes. Here alone z, y, x becomes x, y, z.

Source: the precomputed volume and mesh formats that Neuroglancer documents (raw chunks, meshes with one fragment a
segment). Everything begins at the volume's first voxel; where that lies is said by the layer, so an origin need not be
a whole number of voxels.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from savem3.grid import Box
from savem3.view.pyramid import Pyramid

CHUNK = 64
"""Voxels of a piece along each side."""

PIECE = re.compile(r"(\d{1,15})-(\d{1,15})_(\d{1,15})-(\d{1,15})_(\d{1,15})-(\d{1,15})")
"""How a piece is named: first and stop along x, y and z."""

MESH_INFO = {"@type": "neuroglancer_legacy_mesh"}


def info_of(pyramid: Pyramid) -> dict[str, Any]:
    """The metadata of a volume; labels also promise meshes."""
    levels = [level.grid for level in pyramid.levels]
    scales = [
        {
            "key": str(i),
            "size": list(reversed(grid.shape)),
            "resolution": list(reversed(grid.voxel_size)),
            "voxel_offset": [0, 0, 0],
            "chunk_sizes": [[CHUNK] * 3],
            "encoding": "raw",
        }
        for i, grid in enumerate(levels)
    ]
    kind = {"type": "segmentation", "mesh": "mesh"} if pyramid.is_labels else {"type": "image"}
    data_type = np.dtype(pyramid.levels[0].dtype).name
    header = {"@type": "neuroglancer_multiscale_volume", "data_type": data_type, "num_channels": 1}
    return {**header, **kind, "scales": scales}


def piece_of(pyramid: Pyramid, *, key: str, piece: str) -> bytes:
    """The bytes of one piece of a level, x fastest, little-endian.

    Raises
    ------
    ValueError
        If there is no such level or piece.
    """
    named = PIECE.fullmatch(piece)
    if named is None or key not in {str(i) for i in range(len(pyramid.levels))}:
        raise ValueError(f"piece must be named X-X_Y-Y_Z-Z of a level, got {key}/{piece}")
    x, xs, y, ys, z, zs = (int(number) for number in named.groups())
    voxels = pyramid.read(int(key), Box((z, y, x), (zs, ys, xs)))
    return voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes()


def manifest_of(segment: int) -> dict[str, list[str]]:
    """Which files hold the surface of a segment."""
    return {"fragments": [str(segment)]}
