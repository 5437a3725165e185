"""Surfaces of objects, made when they are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.view.pyramid import Pyramid
from savem3.volume import Labels

pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
from savem3.view.surfaces import SHRUNK, Surfaces, normals_of

GRID = Grid((8, 10, 12), (30.0, 6.0, 4.0))


def made() -> Surfaces:
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[2:5, 3:7, 1:6] = 2**63 + 7
    return Surfaces(Pyramid("labels", (Labels(voxels, GRID),)))


def test_a_surface_lies_around_its_object_in_nm() -> None:
    mesh = made().mesh(2**63 + 7)
    assert mesh is not None
    corners, triangles = mesh
    slack = (SHRUNK + 0.5) * np.array([4, 6, 30])
    np.testing.assert_array_less(np.abs(corners.min(axis=0) - [1 * 4, 3 * 6, 2 * 30]), slack)
    np.testing.assert_array_less(np.abs(corners.max(axis=0) - [6 * 4, 7 * 6, 5 * 30]), slack)
    assert triangles.max() < len(corners)


def test_surfaces_of_neighbours_do_not_touch() -> None:
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[2:6, 2:8, 2:6], voxels[2:6, 2:8, 6:10] = 1, 2
    surfaces = Surfaces(Pyramid("labels", (Labels(voxels, GRID),)))
    one, two = surfaces.mesh(1), surfaces.mesh(2)
    assert one is not None
    assert two is not None
    assert one[0][:, 0].max() < two[0][:, 0].min()


def test_what_is_sent_is_count_corners_triangles_and_made_once() -> None:
    surfaces = made()
    mesh, content = surfaces.mesh(2**63 + 7), surfaces.encoded(2**63 + 7)
    assert mesh is not None
    assert content is not None
    assert np.frombuffer(content, "<u4", 1)[0] == len(mesh[0])
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", mesh[0].size, 4).reshape(-1, 3), mesh[0])
    assert len(content) == 4 + 12 * len(mesh[0]) + 12 * len(mesh[1])
    assert surfaces.encoded(2**63 + 7) is content


def test_an_object_that_is_not_there_has_no_surface() -> None:
    assert made().mesh(3) is None
    assert made().encoded(3) is None


def test_normals_point_out_of_a_pyramid() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    triangles = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint32)
    normals = normals_of(corners, triangles)
    assert ((normals * (corners - corners.mean(axis=0))).sum(axis=1) > 0.4).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-6)
