"""What a volume's objects measure: voxels, places, faces and contacts, in integers that merge exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from savem3.blocks import Progress, each
from savem3.grid import Box, Shape
from savem3.kernel import kernel
from savem3.tiles import Tile, split
from savem3.volume import BoundaryMap, Labels

BLOCK = (128, 256, 256)
"""Voxels that are measured at once."""

FAR = 2**62
"""Beyond every voxel: the lowest place before the first one."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The objects of a volume, by ascending number; background is none.

    Parameters
    ----------
    ids
        Their numbers.
    voxels
        How many each has.
    sums
        Sum of the indices of each one's voxels along z, y, x.
    lowest, highest
        First and last index of each along z, y, x, the last one included.
    faces
        Voxel faces across z, y, x where each ends within the volume. Where the volume ends is no surface.
    at_border
        Whether each touches the volume's border.
    """

    ids: UInt64[np.ndarray, " body"]
    voxels: Int64[np.ndarray, " body"]
    sums: Int64[np.ndarray, "body 3"]
    lowest: Int64[np.ndarray, "body 3"]
    highest: Int64[np.ndarray, "body 3"]
    faces: Int64[np.ndarray, "body 3"]
    at_border: Bool[np.ndarray, " body"]


@dataclass(frozen=True, slots=True)
class Contacts:
    """The pairs of objects that touch, sorted by (u, v), u < v.

    Parameters
    ----------
    pairs
        Their numbers.
    faces
        Voxel faces that each pair shares across z, y, x.
    total
        Sum of the boundary values of these faces, each the larger of its two voxels'; 0 without a boundary map.
    """

    pairs: UInt64[np.ndarray, "pair 2"]
    faces: Int64[np.ndarray, "pair 3"]
    total: Int64[np.ndarray, " pair"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Objects and their contacts."""

    bodies: Bodies
    contacts: Contacts


def measure(
    labels: Labels,
    boundary: BoundaryMap | None = None,
    *,
    block: Shape = BLOCK,
    workers: int = 1,
    progress: Progress | None = None,
) -> Measured:
    """Objects and contacts of a volume, the same for every block size.

    Parameters
    ----------
    labels
        The objects; lazy ones are read block by block, with one voxel more on the far sides.
    boundary
        What to sum over contacts, on the same voxels.
    block, workers, progress
        See `each`.

    Raises
    ------
    ValueError
        If the boundary map has another shape.
    """
    if boundary is not None and boundary.grid.shape != labels.grid.shape:
        raise ValueError(f"boundary must have the labels' shape {labels.grid.shape}, got {boundary.grid.shape}")
    tiles = split(labels.grid.shape, block=block)
    return join(each(tiles, lambda tile: measure_tile(labels, boundary, tile), workers=workers, progress=progress))


def measure_tile(labels: Labels, boundary: BoundaryMap | None, tile: Tile) -> Measured:
    """The part of one tile: its voxels, and the faces whose lower voxel it writes."""
    import fastremap

    box = Box(tile.write.start, tile.write.grow((1, 1, 1), within=labels.grid.shape).stop)
    names, places = fastremap.unique(labels.read(box), return_inverse=True)
    places = places.reshape(box.shape).astype(np.int64)
    if names[0] != 0:
        names, places = np.r_[np.zeros(1, np.uint64), names], places + 1
    counts = _census(places, tile.write.shape, tile.write.start, labels.grid.shape, len(names))[1:]
    bodies = Bodies(
        names[1:].astype(np.uint64),
        counts[:, 0].copy(),
        counts[:, 1:4].copy(),
        counts[:, 4:7].copy(),
        counts[:, 7:10].copy(),
        counts[:, 10:13].copy(),
        counts[:, 13] > 0,
    )
    return Measured(bodies, _contacts(places, names, boundary, box, tile.write.shape))


def _contacts(
    places: Int64[np.ndarray, "z y x"],
    names: UInt64[np.ndarray, " name"],
    boundary: BoundaryMap | None,
    box: Box,
    shape: Shape,
) -> Contacts:
    """Pairs over the faces whose lower voxel lies in the first ``shape``."""
    values = boundary.read(box) if boundary is not None else None
    codes, axes, sums = [], [], []
    for axis in range(3):
        ahead = tuple(slice(1, n + 1) if a == axis else slice(n) for a, n in enumerate(shape))
        there = places[ahead]
        back = tuple(slice(n) for n in there.shape)
        here = places[back]
        touch = (here != there) & (here > 0) & (there > 0)
        low, high = np.minimum(here[touch], there[touch]), np.maximum(here[touch], there[touch])
        codes.append(low * len(names) + high)
        axes.append(np.full(len(low), axis))
        sums.append(np.zeros(len(low)) if values is None else np.maximum(values[back], values[ahead])[touch])
    pairs, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    faces = np.bincount(inverse * 3 + np.concatenate(axes), minlength=3 * len(pairs)).reshape(-1, 3)
    total = np.bincount(inverse, weights=np.concatenate(sums), minlength=len(pairs))
    named = np.stack([names[pairs // len(names)], names[pairs % len(names)]], 1).astype(np.uint64)
    return Contacts(named, faces.astype(np.int64), total.astype(np.int64))


def join(parts: Iterable[Measured]) -> Measured:
    """All parts as one; parts of similar size are joined first, so that memory stays near that of the result."""
    joined: list[Measured] = []
    for part in parts:
        joined.append(part)
        while len(joined) > 1 and len(joined[-2].bodies.ids) < 2 * len(joined[-1].bodies.ids):
            joined.append(_join(joined.pop(), joined.pop()))
    while len(joined) > 1:
        joined.append(_join(joined.pop(), joined.pop()))
    return joined[0]


def _join(one: Measured, other: Measured) -> Measured:
    return Measured(_join_bodies(one.bodies, other.bodies), _join_contacts(one.contacts, other.contacts))


def _join_bodies(one: Bodies, other: Bodies) -> Bodies:
    ids = np.concatenate([one.ids, other.ids])
    if not len(ids):
        return one
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    how = {"voxels": np.add, "sums": np.add, "lowest": np.minimum, "highest": np.maximum, "faces": np.add}
    reduced = {
        name: merge.reduceat(np.concatenate([getattr(one, name), getattr(other, name)])[order], first, axis=0)
        for name, merge in how.items()
    }
    border = np.logical_or.reduceat(np.concatenate([one.at_border, other.at_border])[order], first)
    return Bodies(ids[first], **reduced, at_border=border)


def _join_contacts(one: Contacts, other: Contacts) -> Contacts:
    pairs = np.concatenate([one.pairs, other.pairs])
    if not len(pairs):
        return one
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    first = np.flatnonzero(np.r_[True, (pairs[1:] != pairs[:-1]).any(1)])
    faces = np.add.reduceat(np.concatenate([one.faces, other.faces])[order], first, axis=0)
    return Contacts(pairs[first], faces, np.add.reduceat(np.concatenate([one.total, other.total])[order], first))


@kernel
@no_type_check
def _census(places, shape, start, whole, number):
    """Of each place: voxels, sums, lowest, highest, faces along the three axes, and voxels at the border."""
    counts = np.zeros((number, 14), np.int64)
    counts[:, 4:7] = FAR
    counts[:, 7:10] = -1
    for z in range(places.shape[0]):
        for y in range(places.shape[1]):
            for x in range(places.shape[2]):
                if z >= shape[0] or y >= shape[1] or x >= shape[2]:
                    continue
                own = places[z, y, x]
                index = (z + start[0], y + start[1], x + start[2])
                counts[own, 0] += 1
                for axis in range(3):
                    counts[own, 1 + axis] += index[axis]
                    counts[own, 4 + axis] = min(counts[own, 4 + axis], index[axis])
                    counts[own, 7 + axis] = max(counts[own, 7 + axis], index[axis])
                    if index[axis] == 0 or index[axis] == whole[axis] - 1:
                        counts[own, 13] += 1
                    zz, yy, xx = z + (axis == 0), y + (axis == 1), x + (axis == 2)
                    if zz < places.shape[0] and yy < places.shape[1] and xx < places.shape[2]:
                        other = places[zz, yy, xx]
                        if other != own:
                            counts[own, 10 + axis] += 1
                            counts[other, 10 + axis] += 1
    return counts
