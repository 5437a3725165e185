"""Parts: what of a label hangs together in a section. It is what a model is asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cc3d
import numpy as np
from jaxtyping import Bool, UInt8, UInt64
from scipy import ndimage

from savem3.prompt import BoxPrompt, MaskPrompt, Prompt

FOUR = ndimage.generate_binary_structure(2, 1)
"""Pixels are neighbours across their four sides."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A 4-connected part of a label in a section, cut to its box.

    Parameters
    ----------
    label
        Whose it is; above 0.
    y, x
        First row and column of its box.
    mask
        Its pixels in the box.
    """

    label: int
    y: int
    x: int
    mask: Bool[np.ndarray, "rows columns"]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns in the section."""
        height, width = self.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    def mark(self, *, z: int, by: str) -> bytes:
        """What tells that a model, named by its digest, had its say about just these pixels of just this label."""
        told = f"{by} {z} {self.label} {self.y} {self.x} {self.mask.shape}".encode()
        return hashlib.sha256(told + np.packbits(self.mask).tobytes()).digest()

    def prompt(self, shape: tuple[int, int], *, z: int, erode: int, as_box: bool) -> Prompt:
        """The part as a prompt on a section of a shape.

        Parameters
        ----------
        shape
            Of the section.
        z
            Of the section.
        erode
            Pixels that a mask is eroded by, unless that leaves none of it.
        as_box
            Whether to ask by its box.
        """
        rows, columns = self.box
        if as_box:
            return BoxPrompt(z, float(rows.start), float(rows.stop), float(columns.start), float(columns.stop))
        whole = np.zeros(shape, bool)
        whole[self.box] = erode_mask(self.mask, erode)
        return MaskPrompt(z, whole)


def parts_of(section: UInt64[np.ndarray, "y x"], *, smallest: int = 1) -> Iterator[Part]:
    """The parts of a section's labels with at least ``smallest`` pixels, sorted by label, then by where they begin."""
    numbers = cc3d.connected_components(section, connectivity=4, out_dtype=np.uint32)
    found = [(numbers[box] == number, box) for number, box in enumerate(ndimage.find_objects(numbers), 1) if box]
    parts = [Part(_label_at(section[box], mask), box[0].start, box[1].start, mask) for mask, box in found]
    large = (part for part in parts if np.count_nonzero(part.mask) >= smallest)
    yield from sorted(large, key=lambda part: (part.label, part.y, part.x, part.mask.shape))


def counted(part: Part, weight: UInt8[np.ndarray, "y x"]) -> bool:
    """Whether at least half of a part lies where the weight is not 0."""
    return 2 * int(np.count_nonzero(weight[part.box][part.mask])) >= int(np.count_nonzero(part.mask))


def erode_mask(mask: Bool[np.ndarray, "y x"], pixels: int) -> Bool[np.ndarray, "y x"]:
    """A mask without its outermost pixels, so many times; as it is where none would be left."""
    if not pixels:
        return mask
    eroded = ndimage.binary_erosion(np.pad(mask, 1), FOUR, iterations=pixels)[1:-1, 1:-1]
    return eroded if eroded.any() else mask


def _label_at(crop: UInt64[np.ndarray, "y x"], mask: Bool[np.ndarray, "y x"]) -> int:
    return int(crop.ravel()[int(np.argmax(mask.ravel()))])
