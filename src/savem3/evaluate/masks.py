"""A mask against the true mask of an instance in a section: overlap of the areas, and of the bands at their edges."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

DEPTH_SHARE = 0.02
"""Depth of the band as a share of the section's diagonal."""

Mask = Bool[np.ndarray, "y x"]


def iou(mask: Mask, truth: Bool[np.ndarray, "rows columns"]) -> float:
    """Pixels of both by pixels of either, 0–1; 1 where both are empty.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _check_shapes(mask, truth)
    return _overlap(mask, truth)


def boundary_iou(mask: Mask, truth: Bool[np.ndarray, "rows columns"], *, depth: int) -> float:
    """IoU of the two masks' bands, 0–1: what the answer is worth along its edge, whatever its size.

    Parameters
    ----------
    mask
        The answer, in the whole section.
    truth
        What it should be.
    depth
        Pixels that a band is deep: `depth_of` the section, or a fixed number (METHOD §8 reports 2 beside it, since
        2 % of a section is more than most neurites measure).

    Raises
    ------
    ValueError
        If the shapes differ, or ``depth`` is below 1.

    Notes
    -----
    Source: METHOD §8 and the Boundary IoU paper (Cheng et al. 2021): band = mask − erode(mask, 3 × 3, depth times),
    beyond the section all is background, so the section's edge counts as the edge of what it cuts. A mask thinner
    than twice the depth is all band.
    """
    _check_shapes(mask, truth)
    rows, columns = _box_of(mask | truth)
    return _overlap(*(band_of(m[rows, columns], depth=depth) for m in (mask, truth)))


def band_of(mask: Mask, *, depth: int) -> Mask:
    """The pixels of a mask at most ``depth`` pixels, counted with diagonals, from one that is not in it.

    All beyond the array is not in it; so the band of a mask within its box is that in the section.

    Raises
    ------
    ValueError
        If ``depth`` is below 1.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1 pixel, got {depth}")
    return mask & (_steps_inside(mask) <= depth)


def depth_of(shape: tuple[int, int]) -> int:
    """Depth in pixels of the published band: 2 % of the diagonal of a section of y × x pixels, at least 1."""
    return max(1, round(DEPTH_SHARE * math.hypot(*shape)))


def _steps_inside(mask: Mask) -> Int[np.ndarray, "y x"]:
    """Erosions by 3 × 3 after which each pixel is gone; 0 outside the mask."""
    return np.asarray(ndimage.distance_transform_cdt(np.pad(mask, 1), "chessboard")[1:-1, 1:-1])


def _box_of(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns from a mask's first pixel to its last."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _overlap(mask: Mask, truth: Mask) -> float:
    either = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / either if either else 1.0


def _check_shapes(mask: Mask, truth: Bool[np.ndarray, "rows columns"]) -> None:
    if mask.shape != truth.shape:
        raise ValueError(f"mask must have the shape of truth {truth.shape}, got {mask.shape}")
