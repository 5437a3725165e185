"""Where a cell is deepest: one point for each cell or part of one, to ask about."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from scipy import ndimage

MEMBRANE_FROM = 128
"""Boundary value from which a pixel counts as membrane."""

SMOOTHED_BY = 1.0
"""Sigma in pixels: a ragged membrane would make many peaks of one otherwise."""

APART = 5
"""Edge in pixels of the square in which a peak is the highest."""


def depth_of(boundary: UInt8[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
    """Pixels to the nearest membrane of a boundary map, 255 is membrane; the section's edge counts as membrane."""
    inside = np.pad(boundary < MEMBRANE_FROM, 1)
    return ndimage.distance_transform_edt(inside)[1:-1, 1:-1].astype(np.float32)


def peaks_of(depth: Float32[np.ndarray, "y x"]) -> Int64[np.ndarray, "point 2"]:
    """The peaks of a depth, y and x, in reading order; one point for each plateau, none where the depth is 0.

    Parameters
    ----------
    depth
        From `depth_of`, or a teacher's distance map; in any unit.
    """
    smooth = ndimage.gaussian_filter(depth, SMOOTHED_BY)
    highest = (smooth == ndimage.maximum_filter(smooth, APART)) & (depth > 0)
    plateaus, count = ndimage.label(highest, np.ones((3, 3)))
    places = ndimage.maximum_position(smooth, plateaus, range(1, count + 1))
    return np.array(places, np.int64).reshape(-1, 2)
