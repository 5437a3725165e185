"""Parts of a section that are looked at by themselves, so that small objects are seen larger; and where to ask."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Int64

OVERLAP = 512 / 1500
"""Share of the shorter side that neighbouring crops have in common, times two by the crops a side. Source: SAM."""

EDGE = 1
"""Pixels from a crop's inner edge within which a mask counts as touching it. Source: SAM takes 20, for photographs; a
neurite may be narrower than that."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a section, starts inclusive and stops exclusive; ``layer`` 0 is all of it."""

    layer: int
    y: int
    x: int
    y_stop: int
    x_stop: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y_stop - self.y, self.x_stop - self.x

    @property
    def slices(self) -> tuple[slice, slice]:
        """As an index of the section."""
        return slice(self.y, self.y_stop), slice(self.x, self.x_stop)


def crops_of(shape: tuple[int, int], *, layers: int) -> list[Crop]:
    """The section, then for each layer i of 1 to ``layers`` its 2^i × 2^i crops, which overlap.

    Source: SAM's crop layers, and what they overlap by.
    """
    crops = [Crop(0, 0, 0, *shape)]
    for layer in range(1, layers + 1):
        side = 2**layer
        overlap = int(OVERLAP * min(shape) * 2 / side)
        rows, columns = (_spans(n, side, overlap) for n in shape)
        crops += [Crop(layer, y, x, y_stop, x_stop) for y, y_stop in rows for x, x_stop in columns]
    return crops


def grid_points(shape: tuple[int, int], *, side: int) -> Int64[np.ndarray, "point 2"]:
    """The middles of ``side`` × ``side`` equal cells of a section, y and x; fewer where it has fewer pixels."""
    y, x = (np.unique((2 * np.arange(side) + 1) * n // (2 * side)) for n in shape)
    return np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)


def touches_inner_edge(box: tuple[int, int, int, int], crop: Crop, *, shape: tuple[int, int]) -> bool:
    """Whether a mask in a box of the section may go on beyond its crop: it comes to an edge that is not the section's.

    Parameters
    ----------
    box
        First y, first x, stop y, stop x in the section.
    crop
        In which the mask was found.
    shape
        Of the section.
    """
    y, x, y_stop, x_stop = box
    before = (crop.y > 0 and y < crop.y + EDGE) or (crop.x > 0 and x < crop.x + EDGE)
    after_y = crop.y_stop < shape[0] and y_stop > crop.y_stop - EDGE
    return before or after_y or (crop.x_stop < shape[1] and x_stop > crop.x_stop - EDGE)


def _spans(size: int, side: int, overlap: int) -> list[tuple[int, int]]:
    """First and stop of each crop along one axis; together they reach from end to end."""
    length = ceil((overlap * (side - 1) + size) / side)
    starts = [i * (length - overlap) for i in range(side)]
    return [(start, min(start + length, size)) for start in starts]
