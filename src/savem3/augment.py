"""Random crops of volumes for learning: one geometry for raw and every target, grey values changed on raw alone.

Crops are float32, raw in −1…1 (see `IntensityMap`). Everything random comes from the generator that is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

from savem3.grid import Box, Shape

Crop = Float32[np.ndarray, "*channel z y x"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One of the symmetries of a grid: exchange axes, then mirror some of them.

    Parameters
    ----------
    axes
        Which axis of the volume becomes z, y, x of the crop.
    mirrored
        Whether z, y, x of the crop run backwards.
    """

    axes: tuple[int, int, int]
    mirrored: tuple[bool, bool, bool]

    def apply(self, crop: NDArray[Any]) -> NDArray[Any]:
        """The turned crop; axes before the last three stay."""
        lead = crop.ndim - 3
        turned = crop.transpose(*range(lead), *(lead + a for a in self.axes))
        flips = tuple(lead + i for i, m in enumerate(self.mirrored) if m)
        return np.ascontiguousarray(np.flip(turned, flips))

    def source_shape(self, shape: Shape) -> Shape:
        """The shape to cut from the volume so that the turned crop has ``shape``."""
        source = [0, 0, 0]
        for axis, length in zip(self.axes, shape, strict=True):
            source[axis] = length
        return source[0], source[1], source[2]


def random_turn(rng: np.random.Generator, *, isotropic: bool) -> Turn:
    """Any of the 48 symmetries of a cube for isotropic voxels, else the 16 that keep sections sections."""
    axes = rng.permutation(3) if isotropic else np.array([0, *(1 + rng.permutation(2))])
    z, y, x = (bool(m) for m in rng.random(3) < 0.5)
    return Turn((int(axes[0]), int(axes[1]), int(axes[2])), (z, y, x))


def random_box(rng: np.random.Generator, *, within: Shape, shape: Shape) -> Box:
    """A box of ``shape`` anywhere in a volume of shape ``within``.

    Raises
    ------
    ValueError
        If the box does not fit.
    """
    if any(s > n for s, n in zip(shape, within, strict=True)):
        raise ValueError(f"shape must fit into the volume of {within} voxels, got {shape}")
    start = tuple(int(rng.integers(n - s + 1)) for s, n in zip(shape, within, strict=True))
    return Box((start[0], start[1], start[2]), (start[0] + shape[0], start[1] + shape[1], start[2] + shape[2]))


def fitting_turn(rng: np.random.Generator, *, within: Shape, shape: Shape, isotropic: bool) -> Turn:
    """A random turn for which the volume is at least half as long as the crop along every axis, if there is one."""
    for _ in range(32):
        turn = random_turn(rng, isotropic=isotropic)
        if all(2 * n >= s for n, s in zip(within, turn.source_shape(shape), strict=True)):
            return turn
    return Turn((0, 1, 2), (False, False, False))


def random_crop_box(rng: np.random.Generator, *, within: Shape, shape: Shape) -> Box:
    """Like `random_box`, but cut at a volume that is shorter than the box; `fill` brings such a crop to its shape."""
    z, y, x = (min(n, s) for n, s in zip(within, shape, strict=True))
    return random_box(rng, within=within, shape=(z, y, x))


def fill(crop: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """The crop continued by reflection to ``shape``; raw and targets alike."""
    missing = [s - n for s, n in zip(shape, crop.shape, strict=True)]
    if not any(missing):
        return crop
    return np.pad(crop, [(m // 2, m - m // 2) for m in missing], mode="symmetric")


def change_grey_values(raw: Crop, rng: np.random.Generator, *, isotropic: bool) -> Crop:
    """Brightness, contrast, gamma, blur, sharpening, noise, shading, and per-section changes where sections are cut.

    Source: the paper augments without saying how; this set made nets trained on one microscope draw usable membranes
    on another.
    """
    x = raw * rng.uniform(0.6, 1.4) + rng.uniform(-0.3, 0.3)
    x = np.clip((x + 1) / 2, 0, 1) ** np.exp(rng.uniform(-0.5, 0.5)) * 2 - 1
    x = _blur_or_sharpen(x, rng, isotropic=isotropic)
    if rng.random() < 0.7:
        x = x + rng.normal(0, rng.uniform(0.02, 0.3), x.shape)
    if rng.random() < 0.25:
        x = _in_plane(x + rng.normal(0, 0.5, x.shape), 0.7)
    if rng.random() < 0.3:
        x = x + 0.2 * _shade(x.shape, rng)
    if not isotropic:
        x = _disturb_sections(x, rng)
    return np.clip(x, -1.5, 1.5).astype(np.float32)


def _blur_or_sharpen(x: NDArray[Any], rng: np.random.Generator, *, isotropic: bool) -> NDArray[Any]:
    chance = rng.random()
    if chance < 0.4:
        sigma = rng.uniform(0.3, 1.3)
        return np.asarray(ndimage.gaussian_filter(x, (sigma * 0.7 if isotropic else 0, sigma, sigma)))
    if chance < 0.65:
        return x + (x - _in_plane(x, rng.uniform(0.8, 1.8))) * rng.uniform(0.3, 1.5)
    return x


def _in_plane(x: NDArray[Any], sigma: float) -> NDArray[Any]:
    return np.asarray(ndimage.gaussian_filter(x, (0, sigma, sigma)))


def _shade(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Slow changes of brightness across the field of view, about unit size."""
    coarse = rng.normal(0, 1, (2, 4, 4))
    return np.asarray(ndimage.zoom(coarse, [n / c for n, c in zip(shape, coarse.shape, strict=True)], order=1))


def _disturb_sections(x: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Each section its own brightness; now and then one is lost."""
    sections = x.shape[0]
    x = x * rng.uniform(0.85, 1.15, (sections, 1, 1)) + rng.uniform(-0.15, 0.15, (sections, 1, 1))
    if sections > 4 and rng.random() < 0.15:
        x[rng.integers(sections)] = rng.uniform(-1, 1)
    return x
