"""Masks that overlap become labels that do not: a partition of a section."""

from __future__ import annotations

from collections.abc import Iterable
from typing import no_type_check

import numpy as np
from bioimage_cpp.segmentation import watershed
from jaxtyping import Int32, UInt8, UInt64

from savem3.kernel import kernel
from savem3.sam.found import FoundMask, ranked
from savem3.sam.peaks import MEMBRANE_FROM

LEAST_PART = 20
"""Pixels below which what other masks have left of a mask is given to its neighbours."""

LEAST_SEED = 30
"""Pixels from which a space between membranes that no mask claims counts as a cell. Of 30, 100 and 300 the best on
training sections of FIB-25 at 10 nm."""


def label_map(
    masks: Iterable[FoundMask],
    shape: tuple[int, int],
    *,
    least_part: int = LEAST_PART,
    fill: UInt8[np.ndarray, "rows columns"] | None = None,
    least_seed: int = LEAST_SEED,
) -> UInt64[np.ndarray, "y x"]:
    """Labels 1 to n of a section: each connected, none without a pixel, 0 exactly where no mask is.

    A pixel that several masks claim belongs to the one with the highest score; of equals to the smaller. What that
    leaves of a mask may fall into parts: each part is an object of its own, unless it has fewer pixels than
    ``least_part``; then the parts around it grow into it. Where masks that touch leave small parts alone, these stay.
    Pixels are neighbours across their four sides. The labels do not depend on the order that masks come in.

    Source: SAM leaves its masks overlapping; all of this is our choice.

    Parameters
    ----------
    masks
        Of one section.
    shape
        Pixels of the section along y and x.
    least_part
        At least 1.
    fill
        A boundary map, 255 is membrane: what no mask claims is filled, so that no pixel stays 0. Parts of it that no
        membrane crosses, of at least ``least_seed`` pixels, are objects of their own: cells that were not found. The
        rest is flooded from all objects, lowest boundary first. Where there is no object, nothing is filled.
    least_seed
        At least 1.

    Raises
    ------
    ValueError
        If a mask lies outside the section, or the boundary map has another shape.
    """
    if fill is not None and fill.shape != shape:
        raise ValueError(f"fill must have the shape {shape} of the section, got {fill.shape}")
    parts, sizes = _split(paint(masks, shape))
    labels = _settle(parts, sizes, least_part)
    return (labels if fill is None else _fill(labels, fill, least_seed)).astype(np.uint64)


def paint(masks: Iterable[FoundMask], shape: tuple[int, int]) -> Int32[np.ndarray, "y x"]:
    """The rank from 1 of the best mask at each pixel; 0 where there is none.

    Raises
    ------
    ValueError
        If a mask lies outside the section.
    """
    ranks = np.zeros(shape, np.int32)
    best_last = list(enumerate(ranked(masks), start=1))[::-1]
    for rank, mask in best_last:
        y, x, y_stop, x_stop = mask.box
        if y < 0 or x < 0 or y_stop > shape[0] or x_stop > shape[1]:
            raise ValueError(f"masks must lie within the section of {shape} pixels (y, x), got one in {mask.box}")
        ranks[y:y_stop, x:x_stop][mask.pixels] = rank
    return ranks


def _fill(
    labels: Int32[np.ndarray, "y x"], boundary: UInt8[np.ndarray, "y x"], least_seed: int
) -> Int32[np.ndarray, "y x"]:
    """Labels for all pixels: those that are there, cells that were not found, and what is flooded from both."""
    missed, sizes = _split(((labels == 0) & (boundary < MEMBRANE_FROM)).astype(np.int32))
    large = np.flatnonzero(sizes >= least_seed)
    number = np.zeros(len(sizes), np.int32)
    number[large] = labels.max() + 1 + np.arange(len(large))
    seeds = np.where(labels > 0, labels, number[missed]).astype(np.int32)
    return watershed(boundary.astype(np.float32), seeds) if seeds.any() else seeds


@kernel
@no_type_check
def _split(ranks):
    """Connected parts of equal rank, numbered from 1 in reading order; and their sizes, that of background first."""
    height, width = ranks.shape
    parts = np.zeros((height, width), np.int32)
    sizes = np.zeros(height * width + 1, np.int64)
    stack = np.empty(height * width, np.int64)
    found = 0
    for start in range(height * width):
        rank = ranks[start // width, start % width]
        if rank == 0 or parts[start // width, start % width]:
            continue
        found += 1
        stack[0], waiting = start, 1
        parts[start // width, start % width] = found
        while waiting:
            waiting -= 1
            y, x = stack[waiting] // width, stack[waiting] % width
            sizes[found] += 1
            for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                b, a = y + dy, x + dx
                if 0 <= b < height and 0 <= a < width and ranks[b, a] == rank and not parts[b, a]:
                    parts[b, a] = found
                    stack[waiting] = b * width + a
                    waiting += 1
    return parts, sizes[: found + 1]


@kernel
@no_type_check
def _settle(parts, sizes, least_part):
    """Labels 1 to n: small parts are grown into by large ones, pixel by pixel; those that none reaches stay."""
    height, width = parts.shape
    labels = np.zeros((height, width), np.int32)
    number = np.zeros(len(sizes), np.int32)
    queue = np.empty(height * width, np.int64)
    found, first, last = 0, 0, 0
    for y in range(height):
        for x in range(width):
            part = parts[y, x]
            if part and sizes[part] >= least_part:
                if not number[part]:
                    found += 1
                    number[part] = found
                labels[y, x] = number[part]
                queue[last] = y * width + x
                last += 1
    while first < last:
        y, x = queue[first] // width, queue[first] % width
        first += 1
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            b, a = y + dy, x + dx
            if 0 <= b < height and 0 <= a < width and parts[b, a] and not labels[b, a]:
                labels[b, a] = labels[y, x]
                queue[last] = b * width + a
                last += 1
    for y in range(height):
        for x in range(width):
            part = parts[y, x]
            if part and not labels[y, x]:
                if not number[part]:
                    found += 1
                    number[part] = found
                labels[y, x] = number[part]
    return labels
