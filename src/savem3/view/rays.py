"""Rays through a lattice of labels: where each first meets a neuron, and which way the neuron's skin faces there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, UInt16

from savem3.blocks import kernel

REACH = 3
"""Samples of nothing that must surround the lattice."""
FELT = 2.75
"""How far around a point the skin is felt that says which way it faces, in samples; below `REACH`."""
STEP = 0.5
"""Samples between two looks along a ray."""
TOGETHER = 2**16
"""Rays that one thread follows before it takes others."""
SKIN = 0.4
"""Share of a neuron around a point from which on the point lies inside; below ½, so that thin neurites stay whole."""


def cast_rays(
    lattice: UInt16[np.ndarray, "z y x"],
    starts: Float32[np.ndarray, "ray 3"],
    stops: Float32[np.ndarray, "ray 3"],
) -> tuple[UInt16[np.ndarray, " ray"], Float32[np.ndarray, " ray"], Float32[np.ndarray, "ray 3"]]:
    """What each ray meets first: its label (0 for nothing), how far from the start, and the normal there.

    Parameters
    ----------
    lattice
        Labels with `REACH` samples of 0 on every side.
    starts, stops
        Ends of each ray in z, y, x, in samples; within the lattice, at least `REACH` from its outer faces.
    """
    labels = np.zeros(len(starts), np.uint16)
    lengths = np.linalg.norm(stops - starts, axis=1).astype(np.float32)
    normals = np.zeros(starts.shape, np.float32)
    directions = ((stops - starts) / np.maximum(lengths, 1e-6)[:, None]).astype(np.float32)
    solid = np.ascontiguousarray(lattice)

    def march(part: slice) -> None:
        _march(solid, starts[part], directions[part], lengths[part], labels[part], normals[part])

    with ThreadPoolExecutor() as threads:
        list(threads.map(march, (slice(first, first + TOGETHER) for first in range(0, len(starts), TOGETHER))))
    return labels, lengths, normals


@kernel
def _share(lattice, label, z, y, x):  # type: ignore[no-untyped-def]
    """Share 0–1 of a label among the 27 samples around a point, weighed by a quadratic spline."""
    near_z, near_y, near_x = round(z), round(y), round(x)
    share = 0.0
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                if lattice[near_z + dz, near_y + dy, near_x + dx] == label:
                    share += _spline(z - near_z - dz) * _spline(y - near_y - dy) * _spline(x - near_x - dx)
    return share


@kernel
def _spline(distance: float) -> float:
    """Quadratic B-spline, not 0 up to 1.5 samples away."""
    distance = abs(distance)
    return 0.75 - distance * distance if distance < 0.5 else 0.5 * (1.5 - distance) ** 2


@kernel
def _face(lattice, label, z, y, x, normal):  # type: ignore[no-untyped-def]
    """Write the direction away from a label's samples around a point, of unit length, into ``normal``."""
    near_z, near_y, near_x = round(z), round(y), round(x)
    normal[:] = 0
    for dz in range(-REACH, REACH + 1):
        for dy in range(-REACH, REACH + 1):
            for dx in range(-REACH, REACH + 1):
                if lattice[near_z + dz, near_y + dy, near_x + dx] == label:
                    away_z, away_y, away_x = z - near_z - dz, y - near_y - dy, x - near_x - dx
                    weight = max(0.0, 1 - (away_z**2 + away_y**2 + away_x**2) / FELT**2) ** 2
                    normal[0] += weight * away_z
                    normal[1] += weight * away_y
                    normal[2] += weight * away_x
    normal /= max(1e-6, np.sqrt(np.sum(normal * normal)))


@kernel
def _touch(lattice, label, start, direction, outside, inside):  # type: ignore[no-untyped-def]
    """Where along a ray a label's skin lies, found by halving between a point outside and one inside."""
    for _ in range(4):
        middle = (outside + inside) / 2
        point = start + middle * direction
        if _share(lattice, label, point[0], point[1], point[2]) > SKIN:
            inside = middle
        else:
            outside = middle
    return inside


@kernel
def _march(lattice, starts, directions, lengths, labels, normals):  # type: ignore[no-untyped-def]
    """Walk along each ray until it is inside a label; a ray that meets one ends there."""
    for ray in range(len(starts)):
        start, direction = starts[ray], directions[ray]
        travelled = 0.0
        while travelled < lengths[ray]:
            z, y, x = start + travelled * direction
            label = lattice[round(z), round(y), round(x)]
            if label != 0 and _share(lattice, label, z, y, x) > SKIN:
                lengths[ray] = _touch(lattice, label, start, direction, max(0.0, travelled - STEP), travelled)
                labels[ray] = label
                z, y, x = start + lengths[ray] * direction
                _face(lattice, label, z, y, x, normals[ray])
                break
            travelled += STEP
