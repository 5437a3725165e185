"""Skeletons of objects by TEASAR, each within its own bounding box.

Source: Neuroglancer's description of its skeleton format, and the SWC convention. Our choice: a body whose box holds
more than `MOST` voxels is joined to coarser ones first, a coarse voxel being inside where any of its voxels is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt32
from numpy.typing import NDArray

from savem3.blocks import Progress
from savem3.export.bodies import Bodies
from savem3.grid import Box, Shape
from savem3.volume import Labels

MOST = 2**24
"""Voxels of the largest mask that is thinned: it bounds memory."""

SLAB = 2**24
"""Voxels of labels that are read at once, about."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A forest inside an object.

    Parameters
    ----------
    body
        The object's number.
    points
        x, y, z, nm.
    edges
        Pairs of points.
    radii
        Distance from each point to the object's surface, nm.
    factor
        How many voxels along z, y, x were joined into one before.
    """

    body: int
    points: Float32[np.ndarray, "point 3"]
    edges: UInt32[np.ndarray, "edge 2"]
    radii: Float32[np.ndarray, " point"]
    factor: Shape

    @property
    def length_um(self) -> float:
        """Length of all edges, µm."""
        ends = self.points.astype(np.float64)[self.edges]
        return float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum() / 1000)


def skeletonise(
    labels: Labels,
    bodies: Bodies,
    *,
    smallest: int = 1000,
    scale: float = 1.5,
    constant_nm: float = 100.0,
    most: int = MOST,
    progress: Progress | None = None,
) -> Iterator[Skeleton]:
    """Skeletons of all objects that are not too small, by ascending number.

    Parameters
    ----------
    labels
        The objects; of each one its bounding box is read, slab by slab.
    bodies
        From `measure`, of these labels.
    smallest
        Voxels below which an object has no skeleton.
    scale, constant_nm
        A branch is left out within ``scale`` × radius + ``constant_nm`` of another one.
    most
        Voxels of the largest mask that is thinned.
    progress
        Told of each finished object.
    """
    from bioimage_cpp.skeleton import teasar

    wanted = np.flatnonzero(bodies.voxels >= smallest)
    for done, row in enumerate(wanted, start=1):
        box = _box(bodies, int(row))
        factor = _factor(box, labels.grid.voxel_size, most)
        mask = _mask(labels, int(bodies.ids[row]), box, factor)
        spacing = np.array(labels.grid.voxel_size) * factor
        padded = np.pad(mask, 1)  # an object's surface is also where its box ends
        points, edges, radii = teasar(padded, spacing=tuple(spacing), scale=scale, constant=constant_nm)
        nm = points - spacing / 2 + np.array(box.start) * labels.grid.voxel_size + labels.grid.origin
        yield Skeleton(
            int(bodies.ids[row]),
            nm[:, ::-1].astype(np.float32),
            edges.astype(np.uint32),
            radii.astype(np.float32),
            factor,
        )
        if progress is not None:
            progress(done, len(wanted))


def write_skeletons(skeletons: Iterable[Skeleton], folder: Path) -> dict[int, Skeleton]:
    """Write skeletons as Neuroglancer reads them, with their radii; what was written, by number.

    Parameters
    ----------
    skeletons
        From `skeletonise`.
    folder
        A new folder, named ``skeletons`` in the info of the volume.
    """
    folder.mkdir(parents=True)
    radius = {"id": "radius", "data_type": "float32", "num_components": 1}
    one = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    info = {"@type": "neuroglancer_skeletons", "transform": one, "vertex_attributes": [radius]}
    (folder / "info").write_text(json.dumps(info), encoding="utf-8")
    written = {}
    for skeleton in skeletons:
        written[skeleton.body] = skeleton
        (folder / str(skeleton.body)).write_bytes(encode(skeleton))
    return written


def encode(skeleton: Skeleton) -> bytes:
    """A skeleton in the bytes that Neuroglancer reads: two numbers, points, edges, radii."""
    head = np.array([len(skeleton.points), len(skeleton.edges)], "<u4").tobytes()
    body = skeleton.points.astype("<f4").tobytes() + skeleton.edges.astype("<u4").tobytes()
    return head + body + skeleton.radii.astype("<f4").tobytes()


def write_swc(skeleton: Skeleton, path: Path) -> None:
    """Write a skeleton as SWC: number, type 0, x, y, z and radius in nm, parent (−1 at a root)."""
    parents, order = _rooted(len(skeleton.points), skeleton.edges)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    lines = [f"# body {skeleton.body}; x y z radius in nm"]
    for point in order:
        x, y, z = skeleton.points[point]
        parent = number[parents[point]] if parents[point] >= 0 else -1
        lines.append(f"{number[point]} 0 {x:.9g} {y:.9g} {z:.9g} {skeleton.radii[point]:.9g} {parent}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _rooted(count: int, edges: UInt32[np.ndarray, "edge 2"]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The parent of each point, −1 of roots, and an order in which parents come first."""
    near: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges.tolist():
        near[a].append(b)
        near[b].append(a)
    parents, order, seen = np.full(count, -1, np.int64), [], np.zeros(count, bool)
    for root in range(count):
        if seen[root]:
            continue
        seen[root], waiting = True, [root]
        while waiting:
            point = waiting.pop()
            order.append(point)
            for other in near[point]:
                if not seen[other]:
                    seen[other], parents[other] = True, point
                    waiting.append(other)
    return parents, np.array(order, np.int64)


def _box(bodies: Bodies, row: int) -> Box:
    a, b = bodies.lowest[row].tolist(), (bodies.highest[row] + 1).tolist()
    return Box((a[0], a[1], a[2]), (b[0], b[1], b[2]))


def _factor(box: Box, voxel_size: tuple[float, float, float], most: int) -> Shape:
    """The smallest factors that make a box small enough; the axis with the shortest voxels is halved first."""
    factor = [1, 1, 1]
    while np.prod([-(-n // f) for n, f in zip(box.shape, factor, strict=True)], dtype=np.int64) > most:
        edges = [s * f if n > f else np.inf for n, s, f in zip(box.shape, voxel_size, factor, strict=True)]
        factor[int(np.argmin(edges))] *= 2
    return factor[0], factor[1], factor[2]


def _mask(labels: Labels, body: int, box: Box, factor: Shape) -> Bool[np.ndarray, "z y x"]:
    """Where an object is, joined by factors; labels are read in slabs along z."""
    z, y, x = (-(-n // f) for n, f in zip(box.shape, factor, strict=True))
    mask = np.zeros((z, y, x), bool)
    deep = max(1, SLAB // (box.shape[1] * box.shape[2] * factor[0])) * factor[0]
    for first in range(box.start[0], box.stop[0], deep):
        last = min(first + deep, box.stop[0])
        slab = Box((first, *box.start[1:]), (last, *box.stop[1:]))
        inside = labels.read(slab) == body
        for axis, f in enumerate(factor):
            inside = np.logical_or.reduceat(inside, np.arange(0, inside.shape[axis], f), axis=axis)
        at = (first - box.start[0]) // factor[0]
        mask[at : at + len(inside)] = inside
    return mask
