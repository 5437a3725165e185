"""Shapes of synthetic tissue: neurites that fill a volume, glia in the gaps, mitochondria along the neurites.

Source: ours. Every length is in nm, so one description serves isotropic volumes and thick sections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cc3d
import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, UInt64
from numpy.random import Generator
from scipy import ndimage

from savem3.bank.targets import fill_fragments
from savem3.grid import Grid

REACH_NM = 60.0
"""How far beyond its surface a tube claims tissue."""

FILLED = 0.8
"""Share of the volume inside neurites when no more are grown."""

MOST_NEURITES = 600
"""Neurites after which growth stops, filled or not."""

SMALLEST_NM = 60.0
"""Pieces of less than a cube of this edge go to their neighbours."""


@dataclass(frozen=True, slots=True)
class Tube:
    """Balls in a row: their centres in nm along z, y, x, and their radii in nm."""

    centres: Float[np.ndarray, "ball 3"]
    radii: Float[np.ndarray, " ball"]


@dataclass(frozen=True, slots=True)
class Tissue:
    """What stands in a volume before it is stained.

    Parameters
    ----------
    labels
        Cells; every voxel belongs to one.
    mitochondrion_nm
        Distance to the nearest surface of a mitochondrion, nm; below 0 inside.
    grid
        Where the voxels are.
    """

    labels: UInt64[np.ndarray, "z y x"]
    mitochondrion_nm: Float32[np.ndarray, "z y x"]
    grid: Grid


def grow_tissue(rng: Generator, *, grid: Grid) -> Tissue:
    """Neurites of one calibre class grown until they fill the volume, bent, and split into connected cells."""
    calibre_nm = rng.uniform(55, 160)
    labels, surface_nm, trunks = _fill_with_neurites(rng, grid=grid, calibre_nm=calibre_nm)
    glia = surface_nm > rng.uniform(20, 60)
    labels[glia] = len(trunks) + 1
    mitochondrion_nm = _place_mitochondria(rng, grid=grid, trunks=trunks, labels=labels)
    bent = _bend(rng, grid=grid)
    return Tissue(_connected_cells(labels[bent], grid=grid), mitochondrion_nm[bent], grid)


def smooth_noise(rng: Generator, *, grid: Grid, scale_nm: float) -> Float32[np.ndarray, "z y x"]:
    """Noise of mean 0 and deviation about 1 that changes over ``scale_nm`` along every axis."""
    sigma = [scale_nm / s for s in grid.voxel_size]
    step = [max(1, int(s / 2)) for s in sigma]
    shape = [-(-n // k) + 1 for n, k in zip(grid.shape, step, strict=True)]
    coarse = rng.standard_normal(shape, np.float32)
    coarse = ndimage.gaussian_filter(coarse, [s / k for s, k in zip(sigma, step, strict=True)], mode="wrap")
    coarse /= coarse.std() + 1e-6
    fine: Float32[np.ndarray, "z y x"] = ndimage.zoom(coarse, step, order=1, grid_mode=True, mode="nearest")
    return fine[tuple(slice(n) for n in grid.shape)]


def _fill_with_neurites(
    rng: Generator, *, grid: Grid, calibre_nm: float
) -> tuple[Int32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"], list[Tube]]:
    """Number of the nearest neurite, distance to its surface, and every neurite's trunk."""
    labels, surface_nm = np.zeros(grid.shape, np.int32), _empty_surface(grid)
    trunks: list[Tube] = []
    while len(trunks) < MOST_NEURITES and (surface_nm < 0).mean() < FILLED:
        trunk = _grow_trunk(rng, grid=grid, calibre_nm=calibre_nm)
        trunks.append(trunk)
        for tube in (trunk, *_twigs_of(trunk, rng)):
            _paint(tube, surface_nm=surface_nm, grid=grid, labels=labels, number=len(trunks))
    return labels, surface_nm, trunks


def _grow_trunk(rng: Generator, *, grid: Grid, calibre_nm: float) -> Tube:
    """A neurite through a random place, its calibre drawn from a wide distribution."""
    size_nm = np.array(grid.size_um) * 1000
    radius_nm = calibre_nm * float(np.exp(rng.normal(-0.35, 0.65)))
    radius_nm = float(np.clip(radius_nm, 25, size_nm.max() / 4))
    trunk = _wander(rng, radius_nm=radius_nm, length_nm=float(size_nm.max()) * rng.uniform(0.5, 2))
    return _moved(trunk, ball=len(trunk.radii) // 2, to=rng.uniform(-0.1, 1.1, 3) * size_nm)


def _twigs_of(trunk: Tube, rng: Generator) -> Iterator[Tube]:
    """Thin side branches of a trunk, none to three."""
    for _ in range(rng.integers(0, 4)):
        ball = int(rng.integers(len(trunk.radii)))
        radius_nm = max(25.0, 0.4 * float(trunk.radii[ball]))
        length_nm = float(trunk.radii[ball]) + radius_nm * rng.uniform(4, 14)
        yield _moved(_wander(rng, radius_nm=radius_nm, length_nm=length_nm), ball=0, to=trunk.centres[ball])


def _wander(rng: Generator, *, radius_nm: float, length_nm: float) -> Tube:
    """A tube that winds and swells: its direction and calibre change over a few calibres."""
    step_nm = 0.35 * radius_nm
    balls = max(2, int(length_nm / step_nm))
    turns = ndimage.gaussian_filter1d(rng.standard_normal((balls, 3)), 25, axis=0) * np.sqrt(2 * 25 * np.sqrt(np.pi))
    direction = rng.standard_normal(3) + rng.uniform(0.1, 0.8) * turns
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    swelling = ndimage.gaussian_filter1d(rng.standard_normal(balls), 8) * np.sqrt(2 * 8 * np.sqrt(np.pi))
    radii = radius_nm * np.exp(rng.uniform(0.05, 0.35) * swelling)
    return Tube(np.cumsum(direction * step_nm, axis=0), radii)


def _moved(tube: Tube, *, ball: int, to: Float[np.ndarray, " 3"]) -> Tube:
    """The tube with one of its balls at a given place."""
    return Tube(tube.centres - tube.centres[ball] + to, tube.radii)


def _place_mitochondria(
    rng: Generator, *, grid: Grid, trunks: list[Tube], labels: Int32[np.ndarray, "z y x"]
) -> Float32[np.ndarray, "z y x"]:
    """Distance to the surface of the nearest mitochondrion; each counts in its own neurite only."""
    surface_nm, owner = _empty_surface(grid), np.zeros(grid.shape, np.int32)
    for number, trunk in enumerate(trunks, start=1):
        for tube in _mitochondria_along(trunk, rng):
            _paint(tube, surface_nm=surface_nm, grid=grid, labels=owner, number=number)
    return np.where(owner == labels, surface_nm, _empty_surface(grid))


def _mitochondria_along(trunk: Tube, rng: Generator) -> Iterator[Tube]:
    """Smooth rods inside a trunk thick enough to hold them, tapered at both ends."""
    balls = len(trunk.radii)
    start = int(rng.integers(0, 20))
    while start < balls:
        stop = min(balls, start + int(rng.integers(4, 16)))
        radius_nm = min(rng.uniform(0.4, 0.75) * float(trunk.radii[start:stop].min()), 260.0)
        if stop - start > 2 and radius_nm > 40:
            along = np.linspace(-0.97, 0.97, stop - start)
            aside = rng.standard_normal(3) * 0.12 * radius_nm
            yield Tube(trunk.centres[start:stop] + aside, radius_nm * np.sqrt(1 - along**4))
        start = stop + int(rng.integers(3, 40))


def _empty_surface(grid: Grid) -> Float32[np.ndarray, "z y x"]:
    """Distance to a surface where there is none yet."""
    return np.full(grid.shape, 10 * REACH_NM, np.float32)


def _paint(
    tube: Tube,
    *,
    surface_nm: Float32[np.ndarray, "z y x"],
    grid: Grid,
    labels: Int32[np.ndarray, "z y x"],
    number: int,
) -> None:
    """Lower ``surface_nm`` to the distance to the tube's surface, and number the voxels that come to lie nearest."""
    size = np.array(grid.voxel_size)
    for centre, radius_nm in zip(tube.centres, tube.radii, strict=True):
        low = np.maximum(0, np.floor((centre - radius_nm - REACH_NM) / size)).astype(int)
        high = np.minimum(grid.shape, np.ceil((centre + radius_nm + REACH_NM) / size)).astype(int)
        if (low >= high).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = (((np.arange(a, b) + 0.5) * s - c) ** 2 for a, b, s, c in zip(low, high, size, centre, strict=True))
        square = z[:, None, None] + y[:, None] + x
        away_nm = np.sqrt(square.astype(np.float32)) - np.float32(radius_nm)
        nearer = away_nm < surface_nm[box]
        surface_nm[box][nearer] = away_nm[nearer]
        labels[box][nearer] = number


def _bend(rng: Generator, *, grid: Grid) -> tuple[Int64[np.ndarray, "z y x"], ...]:
    """Index that displaces every voxel smoothly by some tens of nm, so that no cell stays round."""
    index = np.indices(grid.shape, dtype=np.float32, sparse=True)
    amplitude_nm, scale_nm = rng.uniform(10, 35), rng.uniform(60, 140)
    bent = []
    for place, voxels, size in zip(index, grid.shape, grid.voxel_size, strict=True):
        away = smooth_noise(rng, grid=grid, scale_nm=scale_nm) * np.float32(amplitude_nm / size)
        bent.append(np.clip(np.rint(place + away), 0, voxels - 1).astype(np.int64))
    return tuple(bent)


def _connected_cells(labels: Int32[np.ndarray, "z y x"], *, grid: Grid) -> UInt64[np.ndarray, "z y x"]:
    """Every connected piece as a cell of its own; specks given to the nearest cell."""
    cells = cc3d.connected_components(labels, connectivity=6).astype(np.uint64)
    smallest = int(np.ceil(SMALLEST_NM**3 / np.prod(grid.voxel_size)))
    return fill_fragments(cells, smallest, sampling=grid.voxel_size, sectionwise=False)
