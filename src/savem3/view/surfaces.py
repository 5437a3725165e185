"""The surface of one object, made when it is looked at, from a level that fits in memory."""

from __future__ import annotations

from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt32

from savem3.view.pyramid import Pyramid

MESHED = 2**23
"""Voxels of the finest level that surfaces are made of."""

SIMPLER_BY = 0.1
"""How far a simpler surface may lie from the exact one: a quadric error, in squared voxels of that level."""

SHRUNK = 0.25
"""Voxels that a surface is drawn in: those of two neighbours would lie in each other, and both be seen in patches."""

KEPT = 256
"""Surfaces that are kept in memory."""

Mesh = tuple[Float32[np.ndarray, "corner 3"], UInt32[np.ndarray, "triangle 3"]]


class Surfaces:
    """Meshes of the objects of a volume, by marching cubes on demand; a level is read at the first question.

    Parameters
    ----------
    labels
        The objects.
    """

    def __init__(self, labels: Pyramid) -> None:
        self.level = labels.at_most(MESHED)
        self.reading = Lock()
        self.encoded = lru_cache(KEPT)(self._encode)

    def mesh(self, segment: int) -> Mesh | None:
        """Corners in x, y, z, in nm from the corner of the first voxel, and triangles; ``None`` without the object."""
        with self.reading:
            maker = self._maker
        content = maker.get_mesh(segment)
        if content is None:
            return None
        count = int(np.frombuffer(content, "<u4", 1)[0])
        corners = np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3)
        triangles = np.frombuffer(content, "<u4", offset=4 + 12 * count).reshape(-1, 3)
        drawn_in = corners - np.float32(SHRUNK) * normals_of(corners, triangles)
        edges = np.array(self.level.grid.voxel_size[::-1])
        return ((drawn_in + 0.5) * edges).astype(np.float32), triangles.astype(np.uint32)

    def _encode(self, segment: int) -> bytes | None:
        """A surface in the bytes that Neuroglancer reads: number of corners, corners, triangles."""
        mesh = self.mesh(segment)
        if mesh is None:
            return None
        corners, triangles = mesh
        return np.uint32(len(corners)).tobytes() + corners.astype("<f4").tobytes() + triangles.astype("<u4").tobytes()

    @cached_property
    def _maker(self) -> Any:
        """Neuroglancer's own: voxels in z, y, x; corners in x, y, z, in voxels from the middle of the first one."""
        from neuroglancer import _neuroglancer

        voxels = np.ascontiguousarray(self.level.read(self.level.grid.box))
        return _neuroglancer.OnDemandObjectMeshGenerator(
            voxels, [1.0, 1.0, 1.0], np.zeros(3), max_quadrics_error=SIMPLER_BY
        )


def normals_of(
    corners: Float32[np.ndarray, "corner 3"], triangles: UInt32[np.ndarray, "triangle 3"]
) -> Float32[np.ndarray, "corner 3"]:
    """Which way is out at each corner: the mean of the triangles around it by their areas, of length 1; 0 of none."""
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(corners)
    for i in range(3):
        np.add.at(normals, triangles[:, i], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.float32(1e-12))
