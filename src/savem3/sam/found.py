"""A mask that was found: kept as the rectangle that it fills, eight pixels a byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from savem3.prompt import Answer

BITS = 8


@dataclass(frozen=True, slots=True, eq=False)
class FoundMask:
    """An object in a section, without the section around it.

    Parameters
    ----------
    y, x
        First row and column of its rectangle in the section; ``x`` is a multiple of 8, so that the bytes of all masks
        of a section lie over each other.
    bits
        Its pixels, eight to a byte along x, the first in the highest bit.
    box
        The rows and columns that it fills: first y, first x, stop y, stop x.
    area
        Pixels.
    predicted_iou, stability
        As in `Answer`.
    """

    y: int
    x: int
    bits: UInt8[np.ndarray, "row byte"]
    box: tuple[int, int, int, int]
    area: int
    predicted_iou: float
    stability: float

    @property
    def score(self) -> float:
        """Predicted IoU × stability: how far the mask is believed."""
        return self.predicted_iou * self.stability

    @property
    def pixels(self) -> Bool[np.ndarray, "rows columns"]:
        """The pixels of `box`."""
        _, x, _, x_stop = self.box
        return np.unpackbits(self.bits, axis=1)[:, x - self.x : x_stop - self.x].astype(bool)

    def within(self, shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
        """The whole mask in a section of a shape."""
        mask = np.zeros(shape, bool)
        y, x, y_stop, x_stop = self.box
        mask[y:y_stop, x:x_stop] = self.pixels
        return mask


def pack(answer: Answer, *, y: int = 0, x: int = 0) -> FoundMask | None:
    """An answer's mask as what is kept of it; nothing of an empty one.

    Parameters
    ----------
    answer
        On a section or on a crop of it.
    y, x
        Where the crop begins in the section.
    """
    rows = np.flatnonzero(answer.mask.any(1))
    if not len(rows):
        return None
    first, stop = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(answer.mask[first:stop].any(0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    pixels = answer.mask[first:stop, left:right]
    bits = np.packbits(np.pad(pixels, ((0, 0), ((x + left) % BITS, 0))), axis=1)
    box = (y + first, x + left, y + stop, x + right)
    start = (x + left) // BITS * BITS
    return FoundMask(y + first, start, bits, box, int(pixels.sum()), answer.predicted_iou, answer.stability)


def tidy(answer: Answer, *, least: int) -> Answer:
    """An answer whose mask has no part and no hole of fewer than ``least`` pixels.

    Pixels are neighbours across their four sides; parts go first. Source: SAM does so with its smallest region, which
    it leaves at 0 by default.
    """
    if least <= 1:
        return answer
    mask = _drop_small(answer.mask, least)
    return replace(answer, mask=~_drop_small(~mask, least) if mask.any() else mask)


def _drop_small(mask: Bool[np.ndarray, "y x"], least: int) -> Bool[np.ndarray, "y x"]:
    """The mask without its parts of fewer pixels."""
    parts, count = ndimage.label(mask)
    if not count:
        return mask
    large = np.bincount(parts.ravel()) >= least
    large[0] = False
    return large[parts]


def ranked(masks: Iterable[FoundMask]) -> list[FoundMask]:
    """The masks by their score, the best first; of equals the smaller, then the one that begins first.

    The order does not depend on the one that they come in: masks that are still equal are alike in every pixel.
    """
    return sorted(masks, key=lambda mask: (-mask.score, mask.area, mask.box, mask.bits.tobytes()))
