import json
from pathlib import Path

import numpy as np
import pytest

import savem3.export.meshes as meshes
from savem3.export import (
    join_meshes,
    measure,
    mesh_tiles,
    skeletonise,
    write_meshes,
    write_obj,
    write_ply,
    write_skeletons,
    write_swc,
)
from savem3.grid import Grid
from savem3.volume import Labels

pytest.importorskip("zmesh")

GRID = Grid((20, 24, 40), (30.0, 6.0, 4.0), (60.0, 18.0, 8.0))
START, STOP = np.array([20.0, 30.0, 120.0]), np.array([160.0, 90.0, 240.0])


def phantom() -> Labels:
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[2:6, 2:12, 3:38] = 2**40
    voxels[8:20, 14:24, 5:9] = 3
    return Labels(voxels, GRID)


def joined(labels: Labels, body: int, error_nm: float = 0.0) -> meshes.Mesh:
    return join_meshes(mesh for _, name, mesh in mesh_tiles(labels, error_nm=error_nm) if name == body)


def is_closed(mesh: meshes.Mesh) -> bool:
    """Whether each edge has two triangles, which pass it in opposite directions."""
    edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    one, other = (np.sort(e[:, 0] * len(mesh.corners) + e[:, 1]) for e in (edges, edges[:, ::-1]))
    return len(np.unique(one)) == len(one) and np.array_equal(one, other)


def volume_of(mesh: meshes.Mesh) -> float:
    a, b, c = (mesh.corners[mesh.triangles[:, k]].astype(float) - mesh.corners.mean(0) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_surface_has_the_physical_box_of_its_object() -> None:
    mesh = joined(phantom(), 2**40)
    np.testing.assert_allclose(mesh.corners.min(0), START)
    np.testing.assert_allclose(mesh.corners.max(0), STOP)


@pytest.mark.parametrize("error_nm", [0.0, 6.0])
@pytest.mark.parametrize("body", [3, 2**40])
def test_tiles_fit_together_and_surfaces_point_outwards(
    monkeypatch: pytest.MonkeyPatch, error_nm: float, body: int
) -> None:
    monkeypatch.setattr(meshes, "TILE", (5, 7, 16))
    mesh = joined(phantom(), body, error_nm)
    assert is_closed(mesh)
    size = {3: 12 * 10 * 4, 2**40: 4 * 10 * 35}[body] * 30 * 6 * 4
    assert 0.8 * size < volume_of(mesh) < 1.05 * size


def test_neuroglancer_reads_what_is_written(tmp_path: Path) -> None:
    assert write_meshes(phantom(), tmp_path / "mesh") == [3, 2**40]
    (name,) = json.loads((tmp_path / "mesh" / f"{2**40}:0").read_text())["fragments"]
    content = (tmp_path / "mesh" / name).read_bytes()
    count = int(np.frombuffer(content, "<u4", 1)[0])
    corners = np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3)
    assert np.frombuffer(content, "<u4", offset=4 + 12 * count).max() == count - 1
    np.testing.assert_allclose(corners.max(0), STOP)


def test_workers_change_no_byte(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(meshes, "TILE", (20, 24, 20))
    for name, workers in (("one", 1), ("two", 2)):
        write_meshes(phantom(), tmp_path / name, error_nm=6.0, workers=workers)
    one, other = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == other
    assert json.loads(one[f"{2**40}:0"]) == {"fragments": [f"{2**40}.0", f"{2**40}.1"]}
    assert {f"{2**40}.0", f"{2**40}.1"} < set(one)


def test_obj_and_ply_hold_the_surface(tmp_path: Path) -> None:
    zmesh = pytest.importorskip("zmesh")
    mesh = joined(phantom(), 2**40)
    write_obj(mesh, tmp_path / "a.obj")
    write_ply(mesh, tmp_path / "a.ply")
    read = zmesh.Mesh.from_obj((tmp_path / "a.obj").read_text())
    np.testing.assert_allclose(read.vertices, mesh.corners)
    np.testing.assert_array_equal(read.faces, mesh.triangles)
    content = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)[1]
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", mesh.corners.size).reshape(-1, 3), mesh.corners)
    faces = np.frombuffer(content, [("n", "u1"), ("corners", "<u4", 3)], offset=12 * len(mesh.corners))
    assert (faces["n"] == 3).all()
    np.testing.assert_array_equal(faces["corners"], mesh.triangles)


@pytest.mark.parametrize("most", [2**24, 400])
def test_a_skeleton_runs_inside_its_object(tmp_path: Path, most: int) -> None:
    labels = phantom()
    made = skeletonise(labels, measure(labels).bodies, smallest=1, most=most)
    written = write_skeletons(made, tmp_path / "skeletons")
    long = written[2**40]
    assert (long.factor == (1, 1, 1)) == (most > 400)
    assert (long.points >= START).all()
    assert (long.points <= STOP + np.array(GRID.voxel_size[::-1]) * long.factor[::-1]).all()
    content = (tmp_path / "skeletons" / str(2**40)).read_bytes()
    assert np.frombuffer(content, "<u4", 2).tolist() == [len(long.points), len(long.edges)]
    np.testing.assert_array_equal(np.frombuffer(content[-4 * len(long.radii) :], "<f4"), long.radii)


def test_neuroglancer_writes_the_same_skeleton(tmp_path: Path) -> None:
    theirs = pytest.importorskip("neuroglancer.skeleton")
    labels = phantom()
    for body, made in write_skeletons(skeletonise(labels, measure(labels).bodies, smallest=1), tmp_path / "s").items():
        source = theirs.SkeletonSource(dimensions=type("Space", (), {"rank": 3}))
        info = json.loads((tmp_path / "s" / "info").read_text())["vertex_attributes"]
        source.vertex_attributes = {
            a["id"]: theirs.VertexAttributeInfo(a["data_type"], a["num_components"]) for a in info
        }
        skeleton = theirs.Skeleton(made.points, made.edges, {"radius": made.radii})
        assert (tmp_path / "s" / str(body)).read_bytes() == skeleton.encode(source)


def test_swc_names_parents_before_their_children(tmp_path: Path) -> None:
    labels = phantom()
    skeleton = next(skeletonise(labels, measure(labels).bodies, smallest=1))
    write_swc(skeleton, tmp_path / "3.swc")
    rows = np.loadtxt(tmp_path / "3.swc", ndmin=2)
    assert len(rows) == len(skeleton.points)
    assert (rows[:, 6] < rows[:, 0]).all()
    assert (rows[:, 6] > 0).sum() == len(skeleton.edges)
