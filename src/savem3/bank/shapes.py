"""What a mask is like, in numbers that do not depend on its size: how concave, how thin, where in its section.

A mask is the set of its pixels' middles, and its hull all pixels whose middle lies in the hull of those: rectangles
and drawn discs are then exactly convex, whatever the steps of their rims.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from savem3.kernel import kernel


@dataclass(frozen=True, slots=True)
class MaskShape:
    """The numbers of one mask.

    Parameters
    ----------
    area
        Pixels.
    concavity
        1 − area / pixels of the convex hull: 0 is convex. Source: the measure by which SA-1B is compared with other
        sets of masks (Kirillov et al., ICCV 2023, section 5).
    thinness
        1 − radius of the largest inscribed disc / radius of the disc of the same area: 0 is a disc, near 1 a thread.
        Our choice: unlike the perimeter squared over the area, steps of the rim do not change it.
    y, x
        The middle of its pixels, counted from its own corner.
    """

    area: int
    concavity: float
    thinness: float
    y: float
    x: float


def shape_of(mask: Bool[np.ndarray, "high wide"]) -> MaskShape:
    """Measure a mask; whatever lies outside the array is not in it.

    Raises
    ------
    ValueError
        If it is empty.
    """
    area = int(np.count_nonzero(mask))
    if not area:
        raise ValueError(f"mask must have a pixel, got none among {mask.size}")
    middle = [float(np.average(np.arange(n) + 0.5, weights=mask.sum(1 - axis))) for axis, n in enumerate(mask.shape)]
    disc = np.sqrt(area / np.pi)
    return MaskShape(area, 1 - area / count_hull(mask), max(0.0, 1 - float(inscribed_radius(mask) / disc)), *middle)


def count_hull(mask: Bool[np.ndarray, "high wide"]) -> int:
    """How many pixels the convex hull of a mask has, by Pick's theorem; exact."""
    rows = np.flatnonzero(mask.any(1)).astype(np.int64)
    if not len(rows):
        return 0
    left = mask[rows].argmax(1)
    right = mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    return _count_between(rows, left.astype(np.int64), -right.astype(np.int64))


def inscribed_radius(mask: Bool[np.ndarray, "high wide"]) -> float:
    """Radius of the largest disc around a pixel's middle that meets no other pixel's middle; pixels.

    Exact for a square of odd side, half a pixel short for one of even side.
    """
    return float(distance_transform_edt(np.pad(mask, 1)).max()) - 0.5


@kernel
def _count_between(y: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """Whole points in the hull of the first points of rows, ``left``, and the last, ``right``, which is negated."""
    chain = np.empty(len(y), np.int64)
    twice, rim = 0, -(left[0] + right[0]) - (left[-1] + right[-1])
    for side in range(2):
        x = left if side == 0 else right
        size = 0
        for i in range(len(y)):
            while size > 1:
                a, b = chain[size - 2], chain[size - 1]
                if (y[b] - y[a]) * (x[i] - x[a]) > (x[b] - x[a]) * (y[i] - y[a]):
                    break
                size -= 1
            chain[size] = i
            size += 1
        for k in range(size - 1):
            a, b = chain[k], chain[k + 1]
            twice -= (y[b] - y[a]) * (x[a] + x[b])
            down, across = y[b] - y[a], abs(x[b] - x[a])
            while across:
                down, across = across, down % across
            rim += down
    return (twice + rim) // 2 + 1
