"""Prompts drawn for instances of annotated sections: what a person or a program might have pointed at.

Source: METHOD §4 (box, ten random points, noisy mask, equally likely). Our choices: one point as a fourth kind, and how
far boxes and masks are off.
"""

from __future__ import annotations

from collections.abc import Callable

import cc3d
import numpy as np
from jaxtyping import Bool, Float, UInt64
from scipy import ndimage

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt

Mask = Bool[np.ndarray, "y x"]

BOX_JITTER = 0.1
"""Corners of a box move by up to this share of its edge (and by up to 2 pixels)."""


def draw_box(mask: Mask, rng: np.random.Generator) -> BoxPrompt:
    """The instance's box, its corners jittered."""
    edges: list[float] = []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        start, stop = box_edges(mask, axis=axis)
        most = min(2.0 + BOX_JITTER * (stop - start), (stop - start) / 2 - 0.5)
        moved = np.array([start, stop]) + rng.uniform(-most, most, 2)
        edges += [float(n) for n in np.clip(moved, 0, length)]
    return BoxPrompt(0, *edges)


def box_edges(mask: Mask, *, axis: int) -> tuple[int, int]:
    """First pixel of a mask and the one after its last, along the axis that is left."""
    lines = np.flatnonzero(mask.any(axis))
    return int(lines[0]), int(lines[-1]) + 1


def draw_point(mask: Mask, rng: np.random.Generator) -> PointPrompt:
    """One point on the instance, the likelier the farther from its edge."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1))[1:-1, 1:-1]
    return points_on(mask, rng, number=1, chance=depth[mask[box]])


def draw_points(mask: Mask, rng: np.random.Generator) -> PointPrompt:
    """Ten points on the instance; in every second prompt three more close by but off it."""
    points = points_on(mask, rng, number=10)
    near, box = np.zeros_like(mask), _around(mask)
    near[box] = ndimage.binary_dilation(mask[box], iterations=12) & ~ndimage.binary_dilation(mask[box], iterations=2)
    if rng.random() < 0.5 or not near.any():
        return points
    off = points_on(near, rng, number=3)
    return PointPrompt(0, points.y + off.y, points.x + off.x, (True,) * 10 + (False,) * 3)


def points_on(
    mask: Mask, rng: np.random.Generator, *, number: int, chance: Float[np.ndarray, " pixel"] | None = None
) -> PointPrompt:
    """Points on a mask, with repetition; each pixel equally likely, or as its ``chance`` says."""
    y, x = np.nonzero(mask)
    drawn = rng.choice(len(y), number, p=None if chance is None else chance / chance.sum())
    return PointPrompt(0, tuple(map(float, y[drawn])), tuple(map(float, x[drawn])), (True,) * number)


def draw_mask(mask: Mask, rng: np.random.Generator) -> MaskPrompt:
    """The instance moved, swollen or shrunk, and frayed."""
    box = _around(mask)
    moved = ndimage.shift(mask[box].astype(np.float32), rng.integers(-3, 4, 2), order=0)
    noise = ndimage.gaussian_filter(rng.normal(0, 1, moved.shape), 3) * 6
    rough = np.zeros_like(mask)
    rough[box] = ndimage.gaussian_filter(moved, 1.5) + rng.uniform(0.05, 0.3) * noise > rng.uniform(0.3, 0.7)
    rough[box] &= ndimage.binary_dilation(mask[box], iterations=8)
    return MaskPrompt(0, rough if rough.any() else mask)


def instances_of(labels: UInt64[np.ndarray, "y x"], *, smallest: int) -> tuple[UInt64[np.ndarray, "y x"], list[int]]:
    """The connected parts of a section's labels, and the numbers of those with at least ``smallest`` pixels."""
    parts = cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32).astype(np.uint64)
    sizes = np.bincount(parts.ravel())
    return parts, [int(n) for n in np.flatnonzero(sizes >= smallest) if n]


def _around(mask: Mask) -> tuple[slice, slice]:
    """The mask's box and 16 pixels to all sides."""
    (rows, columns) = ((max(0, a - 16), b + 16) for a, b in (box_edges(mask, axis=axis) for axis in (1, 0)))
    return slice(*rows), slice(*columns)


KINDS: dict[str, Callable[[Mask, np.random.Generator], Prompt]] = {
    "box": draw_box,
    "mask": draw_mask,
    "point": draw_point,
    "points": draw_points,
}
"""What a prompt may be, by name."""
