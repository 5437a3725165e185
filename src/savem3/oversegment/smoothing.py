"""A small Gaussian in fixed point, the same in every block that sees three voxels around it."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt16, UInt32

from savem3.blocks import kernel

WEIGHTS = np.array([18, 221, 991, 1636, 991, 221, 18], np.uint32)
"""Gaussian of sigma 1 voxel, cut at 3 voxels, in 4096ths; the sum is exactly 4096."""

SMOOTHING_REACH = len(WEIGHTS) // 2


def smooth(height: UInt16[np.ndarray, "z y x"], *, linked: bool) -> UInt16[np.ndarray, "z y x"]:
    """Gaussian of sigma 1 voxel in fixed point, rounded after each axis; the volume's last voxels are repeated outside.

    Parameters
    ----------
    height
        Integers.
    linked
        Whether to smooth across sections too.
    """
    half = WEIGHTS[SMOOTHING_REACH:]
    result = np.empty_like(height)
    _smooth_sections(height, half, result)
    if not linked:
        return result
    lines = result.reshape(1, len(result), -1)
    across = np.empty_like(lines)
    _smooth_lines(lines, half, across)
    return across.reshape(height.shape)


@kernel
def _smooth_sections(
    height: UInt16[np.ndarray, "z y x"], half: UInt32[np.ndarray, " weight"], result: UInt16[np.ndarray, "z y x"]
) -> None:
    """Along the rows of each section, then along its columns."""
    _, rows, width = height.shape
    reach = len(half) - 1
    padded, section = np.empty(width + 2 * reach, np.uint16), np.empty((1, rows, width), np.uint16)
    for z in range(len(height)):
        for y in range(rows):
            for x in range(-reach, width + reach):
                padded[x + reach] = height[z, y, min(max(x, 0), width - 1)]
            _weigh_row(padded, half, section[0, y])
        _smooth_lines(section, half, result[z : z + 1])


@kernel
def _weigh_row(
    padded: UInt16[np.ndarray, " padded"], half: UInt32[np.ndarray, " weight"], result: UInt16[np.ndarray, " x"]
) -> None:
    a, b, c, d = half[0], half[1], half[2], half[3]
    for x in range(len(result)):
        one = np.uint32(padded[x + 2]) + np.uint32(padded[x + 4])
        two = np.uint32(padded[x + 1]) + np.uint32(padded[x + 5])
        three = np.uint32(padded[x]) + np.uint32(padded[x + 6])
        total = np.uint32(padded[x + 3]) * a + one * b + two * c + three * d
        result[x] = np.uint32(total + np.uint32(2048)) >> np.uint32(12)


@kernel
def _smooth_lines(
    height: UInt16[np.ndarray, "before along after"],
    half: UInt32[np.ndarray, " weight"],
    result: UInt16[np.ndarray, "before along after"],
) -> None:
    """Along the middle axis."""
    last = height.shape[1] - 1
    a, b, c, d = half[0], half[1], half[2], half[3]
    for k in range(len(height)):
        for here in range(last + 1):
            line = height[k, here]
            below1, above1 = height[k, max(here - 1, 0)], height[k, min(here + 1, last)]
            below2, above2 = height[k, max(here - 2, 0)], height[k, min(here + 2, last)]
            below3, above3 = height[k, max(here - 3, 0)], height[k, min(here + 3, last)]
            out = result[k, here]
            for i in range(len(line)):
                one = np.uint32(below1[i]) + np.uint32(above1[i])
                two = np.uint32(below2[i]) + np.uint32(above2[i])
                three = np.uint32(below3[i]) + np.uint32(above3[i])
                total = np.uint32(line[i]) * a + one * b + two * c + three * d
                out[i] = np.uint32(total + np.uint32(2048)) >> np.uint32(12)
