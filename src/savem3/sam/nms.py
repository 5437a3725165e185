"""Suppression: of masks that say the same, the best is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from savem3.kernel import kernel
from savem3.sam.found import BITS, FoundMask, ranked

SET_BITS = np.array([value.bit_count() for value in range(256)], np.uint8)
"""Pixels in each byte."""


def suppress(masks: Iterable[FoundMask], *, above: float, of: Literal["mask", "box"] = "mask") -> list[FoundMask]:
    """The masks that no better one repeats, the best first; whatever order they came in.

    Parameters
    ----------
    masks
        Of one section.
    above
        A mask goes when its IoU with a better one that stays exceeds this, 0–1.
    of
        Which IoU: of the masks, or of their boxes as SAM has it. Neurites are thin and lie side by side, so the boxes
        of two cells may be nearly the same.

    Raises
    ------
    ValueError
        If ``above`` lies outside 0–1.
    """
    if not 0 <= above <= 1:
        raise ValueError(f"above must lie in 0–1, got {above}")
    order = ranked(masks)
    if not order:
        return []
    boxes = np.array([mask.box for mask in order], np.int64)
    if of == "box":
        kept = _keep_boxes(boxes, above)
    else:
        sizes = np.array([mask.bits.size for mask in order], np.int64)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        flat = np.concatenate([mask.bits.ravel() for mask in order])
        areas = np.array([mask.area for mask in order], np.int64)
        kept = _keep_masks(boxes, areas, flat, offsets, SET_BITS, above)
    return [mask for mask, stays in zip(order, kept, strict=True) if stays]


@kernel
def _keep_boxes(boxes: Int64[np.ndarray, "mask 4"], above: float) -> Bool[np.ndarray, " mask"]:
    """Which of ranked boxes stay."""
    kept = np.ones(len(boxes), np.bool_)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        for j in range(i + 1, len(boxes)):
            height = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
            width = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
            if kept[j] and height > 0 and width > 0:
                common = height * width
                kept[j] = common <= above * (areas[i] + areas[j] - common)
    return kept


@kernel
def _keep_masks(
    boxes: Int64[np.ndarray, "mask 4"],
    areas: Int64[np.ndarray, " mask"],
    flat: UInt8[np.ndarray, " byte"],
    offsets: Int64[np.ndarray, " edge"],
    set_bits: UInt8[np.ndarray, "256"],
    above: float,
) -> Bool[np.ndarray, " mask"]:
    """Which of ranked masks stay; pixels are counted only where boxes meet and areas allow so large an IoU."""
    kept = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        for j in range(i + 1, len(boxes)):
            if not kept[j] or min(areas[i], areas[j]) <= above * max(areas[i], areas[j]):
                continue
            common = _common(boxes[i], boxes[j], flat[offsets[i] :], flat[offsets[j] :], set_bits)
            kept[j] = common <= above * (areas[i] + areas[j] - common)
    return kept


@kernel
def _common(
    a: Int64[np.ndarray, "4"],
    b: Int64[np.ndarray, "4"],
    bits_a: UInt8[np.ndarray, " some"],
    bits_b: UInt8[np.ndarray, " other"],
    set_bits: UInt8[np.ndarray, "256"],
) -> int:
    """Pixels of both masks."""
    left_a, left_b = a[1] // BITS, b[1] // BITS
    wide_a, wide_b = -(-a[3] // BITS) - left_a, -(-b[3] // BITS) - left_b
    left, right = max(left_a, left_b), min(left_a + wide_a, left_b + wide_b)
    common = 0
    for y in range(max(a[0], b[0]), min(a[2], b[2])):
        row_a, row_b = (y - a[0]) * wide_a - left_a, (y - b[0]) * wide_b - left_b
        for byte in range(left, right):
            common += set_bits[bits_a[row_a + byte] & bits_b[row_b + byte]]
    return common
