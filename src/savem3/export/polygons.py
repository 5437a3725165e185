"""Surfaces as OBJ and PLY, for programs that show one object at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from savem3.export.meshes import Mesh


def join_meshes(parts: Iterable[Mesh]) -> Mesh:
    """The parts of one object as one surface; corners at the same place become one."""
    meshes = list(parts)
    starts = np.cumsum([0, *(len(mesh.corners) for mesh in meshes)])
    corners = np.concatenate([mesh.corners for mesh in meshes])
    triangles = np.concatenate(
        [mesh.triangles.astype(np.int64) + start for mesh, start in zip(meshes, starts, strict=False)]
    )
    unique, inverse = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(unique, inverse.reshape(-1)[triangles].astype(np.uint32))


def write_obj(mesh: Mesh, path: Path) -> None:
    """Write a surface as OBJ: x, y, z in nm."""
    with path.open("w", encoding="ascii") as file:
        file.write("# x y z in nm\n")
        np.savetxt(file, mesh.corners, fmt="v %.9g %.9g %.9g")
        np.savetxt(file, mesh.triangles.astype(np.int64) + 1, fmt="f %d %d %d")


def write_ply(mesh: Mesh, path: Path) -> None:
    """Write a surface as binary PLY: x, y, z in nm."""
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(mesh.corners)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(mesh.triangles)}\nproperty list uchar uint vertex_indices\nend_header\n"
    )
    faces = np.empty(len(mesh.triangles), [("corners", "u1"), ("indices", "<u4", 3)])
    faces["corners"], faces["indices"] = 3, mesh.triangles
    path.write_bytes(header.encode("ascii") + mesh.corners.astype("<f4").tobytes() + faces.tobytes())
