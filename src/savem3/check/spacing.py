"""How far apart the tissue says that voxels are, along each axis.

Source: that tissue looks alike in all directions, so that likeness falls off with the same distance along every axis,
is a textbook assumption; that a factor of two is doubtful was chosen by what the volumes of FIB-25, gala, ISBI 2012 and
fly nerve cord show: 0.7 to 1.6 where the declared voxel size is right.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64
from scipy import ndimage

from savem3.grid import Box, Nanometres
from savem3.volume import Image

WINDOW = (48, 256, 256)
"""Voxels in the middle that are compared with each other."""

BACKGROUND = 101
"""Voxels along y and x over which slow changes of grey are taken away."""

DOUBTFUL = 2.0
"""A declared edge that is so many times too long or too short is doubtful."""


def edges_by_likeness(image: Image) -> Nanometres | None:
    """Voxel edges along z, y, x in nm as likeness of the tissue suggests them, the longest likeness taken as declared.

    Parameters
    ----------
    image
        A window in its middle is read.

    Returns
    -------
    edges
        ``None`` where the window is too small or too plain to tell.
    """
    values = _window(image)
    if min(values.shape) < 8 or not values.any():
        return None
    curves = [_likeness(values, axis=axis) for axis in range(3)]
    finest = max((1, 2, 0), key=lambda axis: curves[axis][0])
    if curves[finest][0] < 0.3:
        return None
    steps = [_steps(curve, curves[finest]) for curve in curves]
    z, y, x = (step * image.grid.voxel_size[finest] for step in steps)
    return z, y, x


def doubtful_axes(edges: Nanometres, declared: Nanometres) -> dict[str, float]:
    """Axes whose declared edge disagrees with the tissue, and how many times too short it is."""
    ratios = dict(zip("zyx", (edge / said for edge, said in zip(edges, declared, strict=True)), strict=True))
    return {axis: ratio for axis, ratio in ratios.items() if not 1 / DOUBTFUL <= ratio <= DOUBTFUL}


def _window(image: Image) -> Float32[np.ndarray, "z y x"]:
    """The middle of the volume, each section without slow changes of grey and with a spread of 1."""
    start = [max(0, (n - w) // 2) for n, w in zip(image.grid.shape, WINDOW, strict=True)]
    stop = [min(n, a + w) for n, a, w in zip(image.grid.shape, start, WINDOW, strict=True)]
    values = image.read(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))).astype(np.float32)
    values -= ndimage.uniform_filter(values, (0, BACKGROUND, BACKGROUND))
    spread = values.std(axis=(1, 2), keepdims=True)
    return values / np.where(spread > 0, spread, 1)


def _likeness(values: Float32[np.ndarray, "z y x"], *, axis: int) -> Float64[np.ndarray, " lag"]:
    """Correlation of voxels 1, 2, … apart along an axis, up to half of it."""
    along, spread = np.moveaxis(values, axis, 0), float((values**2).mean())
    lags = range(1, min(64, len(along) // 2))
    return np.array([float((along[lag:] * along[:-lag]).mean()) / spread for lag in lags])


def _steps(curve: Float64[np.ndarray, " lag"], finest: Float64[np.ndarray, " reach"]) -> float:
    """How many voxels of the finest axis one voxel of another is, where the other's likeness has fallen to a half."""
    fallen = np.flatnonzero(curve < 0.5)
    lag = int(fallen[0]) if len(fallen) else len(curve) - 1
    below = np.flatnonzero(finest <= curve[lag])
    if not len(below):
        return len(finest) / (lag + 1)
    after = int(below[0])
    if after == 0:
        return 1 / (lag + 1)
    slope = (finest[after - 1] - curve[lag]) / max(finest[after - 1] - finest[after], 1e-9)
    return float(after + slope) / (lag + 1)
