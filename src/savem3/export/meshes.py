"""Surfaces of objects: made in tiles of one size with a voxel of overlap, so that memory does not grow with the volume.

The tiles are a function of the volume's shape alone. Neighbouring tiles share the corners on their common face, also
after simplification, so the parts of an object fit without a gap.

Source: Neuroglancer's description of its single-resolution mesh format. Our choice: surfaces are closed where the
volume ends. Several workers are processes, since zmesh holds the GIL.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt32

from savem3.blocks import Failure, Processes, Progress
from savem3.grid import Box, Nanometres, Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels

TILE = (128, 128, 128)
"""Voxels along z, y, x whose surfaces are made at once; part of the format, so no option."""

FEWEST = 100
"""By how much simplification may divide the number of triangles, while its error allows."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """A surface: corners in x, y, z, nm, and triangles whose normals point outwards."""

    corners: Float32[np.ndarray, "corner 3"]
    triangles: UInt32[np.ndarray, "triangle 3"]


@dataclass(frozen=True, slots=True)
class TileMeshes:
    """Makes the surfaces of a tile, in this process or another one, by ascending number; see `mesh_tiles`."""

    labels: Labels
    ids: frozenset[int] | None
    error_nm: float

    def __call__(self, tile: Tile) -> list[tuple[int, Mesh]]:
        """Objects and their surfaces."""
        return list(_meshes_of(self.labels, tile.write, self.ids, self.error_nm))


def mesh_tiles(
    labels: Labels,
    *,
    ids: Collection[int] | None = None,
    error_nm: float = 0.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[tuple[int, int, Mesh]]:
    """Number of a tile, number of an object, and its surface within that tile; tiles come as they are finished.

    Parameters
    ----------
    labels
        The objects; read tile by tile, with one voxel more on the far sides.
    ids
        Only these; all by default.
    error_nm
        How far simplification may move a surface, nm; 0 leaves every triangle.
    workers
        Processes, at least 1; with 1, or a single tile, the caller's own works. They change no surface.
    progress
        Told of each finished tile.

    Raises
    ------
    ImportError
        If zmesh is missing.
    RuntimeError
        If a tile failed in another process.
    ValueError
        If the error is below 0 or there is no worker.
    """
    if error_nm < 0 or workers < 1:
        raise ValueError(f"error_nm must be at least 0 and workers 1, got {error_nm} and {workers}")
    tiles = split(labels.grid.shape, block=TILE)
    work = TileMeshes(labels, None if ids is None else frozenset(ids), error_nm)
    for done, (index, made) in enumerate(_worked(work, tiles, workers=min(workers, len(tiles))), start=1):
        for body, mesh in made:
            yield index, body, mesh
        if progress is not None:
            progress(done, len(tiles))


def write_meshes(
    labels: Labels,
    folder: Path,
    *,
    ids: Collection[int] | None = None,
    error_nm: float = 0.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[int]:
    """Write surfaces as Neuroglancer reads them, one file a tile and object; the objects that have one.

    Parameters
    ----------
    folder
        A new folder, named ``mesh`` in the info of the volume.
    labels, ids, error_nm, workers, progress
        See `mesh_tiles`.
    """
    folder.mkdir(parents=True)
    (folder / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}), encoding="utf-8")
    parts: dict[int, list[int]] = {}
    for tile, body, mesh in mesh_tiles(labels, ids=ids, error_nm=error_nm, workers=workers, progress=progress):
        parts.setdefault(body, []).append(tile)
        (folder / f"{body}.{tile}").write_bytes(encode(mesh))
    for body, tiles in parts.items():
        names = [f"{body}.{tile}" for tile in sorted(tiles)]
        (folder / f"{body}:0").write_text(json.dumps({"fragments": names}), encoding="utf-8")
    return sorted(parts)


def encode(mesh: Mesh) -> bytes:
    """A surface in the bytes that Neuroglancer reads: number of corners, corners, triangles."""
    count = np.array([len(mesh.corners)], "<u4").tobytes()
    return count + mesh.corners.astype("<f4").tobytes() + mesh.triangles.astype("<u4").tobytes()


def _worked(work: TileMeshes, tiles: Sequence[Tile], *, workers: int) -> Iterator[tuple[int, list[tuple[int, Mesh]]]]:
    """Numbers of tiles and what was made of them."""
    if workers == 1:
        yield from enumerate(map(work, tiles))
        return
    for answer in Processes(workers).run(work, tiles):
        if isinstance(answer, Failure):
            raise RuntimeError(f"surfaces of tile {answer.index} must be made, got\n{answer.trace}")
        yield answer.index, answer.result


def _meshes_of(labels: Labels, box: Box, ids: Collection[int] | None, error_nm: float) -> Iterator[tuple[int, Mesh]]:
    """The surfaces of a tile, by ascending number."""
    import fastremap

    try:
        from zmesh import Mesher  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError("surfaces need zmesh: pip install 'savem3[export]'") from error
    shape = labels.grid.shape
    voxels = labels.read(Box(box.start, box.grow((1, 1, 1), within=shape).stop))
    before = [int(a == 0) for a in box.start]
    after = [int(b == n) for b, n in zip(box.stop, shape, strict=True)]
    names, places = fastremap.unique(voxels, return_inverse=True)
    padded = np.zeros([n + a + b for n, a, b in zip(voxels.shape, before, after, strict=True)], np.uint32)
    inner = tuple(slice(a, a + n) for a, n in zip(before, voxels.shape, strict=True))
    padded[inner] = (places.reshape(voxels.shape) + 1) * (voxels != 0)
    mesher = Mesher(labels.grid.voxel_size)
    mesher.mesh(padded)
    start = (box.start[0] - before[0], box.start[1] - before[1], box.start[2] - before[2])
    for place in sorted(mesher.ids()):
        body = int(names[place - 1])
        if ids is None or body in ids:
            made = mesher.get(place, False, FEWEST if error_nm else 0, error_nm or None, True)
            if len(made.faces):
                yield body, _placed(made.vertices, made.faces, start, labels.grid.voxel_size, labels.grid.origin)
        mesher.erase(place)


def _placed(
    corners: Float32[np.ndarray, "corner 3"],
    triangles: UInt32[np.ndarray, "triangle 3"],
    start: Shape,
    voxel_size: Nanometres,
    origin: Nanometres,
) -> Mesh:
    """Corners from z, y, x within a tile to x, y, z in nm; what lies on half voxels is put there exactly."""
    halves = corners.astype(np.float64) / voxel_size * 2
    exact = np.rint(halves)
    halves = np.where(np.abs(halves - exact) < 1e-2, exact, halves)
    nm = (halves / 2 + start) * voxel_size + origin
    return Mesh(nm[:, ::-1].astype(np.float32), triangles[:, ::-1].astype(np.uint32))
