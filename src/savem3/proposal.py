"""A mask that a model would draw anew: what a queue holds, what a person is asked about, and how it is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt64


@dataclass(frozen=True, slots=True)
class Proposal:
    """One label in one section, as it is and as it might be.

    Parameters
    ----------
    id
        Unlike all others of its queue, and the same whenever it is made again, such as ``fib25:z12:label345``.
    dataset
        The volume it is of.
    z
        Its section.
    label
        Whose pixels they are; above 0.
    y_start, x_start
        Where in the section the crop of both masks begins.
    old, new
        The label's pixels in the crop, and those that it might have.
    iou
        How far the two agree, 0–1.
    score
        How far whoever drew the new one believes in it, 0–1.
    reason
        Why it is asked about, in a few words.

    Raises
    ------
    ValueError
        If the masks differ in shape, or a number is out of its range.
    """

    id: str
    dataset: str
    z: int
    label: int
    y_start: int
    x_start: int
    old: Bool[np.ndarray, "y x"]
    new: Bool[np.ndarray, "y x"]
    iou: float
    score: float
    reason: str = ""

    def __post_init__(self) -> None:
        if self.old.shape != self.new.shape or not self.old.size:
            raise ValueError(f"old and new must be masks of one shape, got {self.old.shape} and {self.new.shape}")
        if min(self.z, self.y_start, self.x_start) < 0 or not 0 < self.label < 2**64:
            place = f"z {self.z}, y {self.y_start}, x {self.x_start}, label {self.label}"
            raise ValueError(f"z, y_start and x_start must be at least 0, and label 1 to 2**64 - 1, got {place}")
        if not (0 <= self.iou <= 1 and 0 <= self.score <= 1):
            raise ValueError(f"iou and score must lie in 0–1, got {self.iou} and {self.score}")

    @property
    def box(self) -> tuple[slice, slice]:
        """The crop in its section, along y and x."""
        height, width = self.old.shape
        return slice(self.y_start, self.y_start + height), slice(self.x_start, self.x_start + width)


def put(
    section: UInt64[np.ndarray, "y x"], label: int, box: tuple[slice, slice], mask: Bool[np.ndarray, "crop_y crop_x"]
) -> UInt64[np.ndarray, "y x"]:
    """A section in which a label has other pixels within a crop: its old ones become background first.

    No other label loses a pixel: where the mask covers one, the pixel stays as it was.

    Parameters
    ----------
    section
        Labels; is not changed.
    label
        Above 0; keeps its number.
    box
        The crop, along y and x.
    mask
        Where the label is to be in it.

    Raises
    ------
    ValueError
        If the mask has another shape than the crop.

    Notes
    -----
    Source: METHOD §3 lets unification change a label's own boundary and nothing else; this is what that means here.
    """
    after = section.copy()
    crop = after[box]
    if crop.shape != mask.shape:
        raise ValueError(f"mask must have the shape {crop.shape} of its crop, got {mask.shape}")
    number = np.uint64(label)
    crop[crop == number] = 0
    crop[mask & (crop == 0)] = number
    return after


def runs_of(mask: Bool[np.ndarray, "y x"]) -> list[int]:
    """Lengths of the runs of a mask, row by row; the first is of pixels outside and may be 0."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]]))
    first = [0] if flat.size and flat[0] else []
    return [*first, *(int(length) for length in lengths)]


def mask_of(runs: Sequence[int], shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
    """The mask that run lengths describe.

    Parameters
    ----------
    runs
        As `runs_of` gives them: only the first may be 0.
    shape
        Pixels along y, x.

    Raises
    ------
    ValueError
        If they are not the run lengths of a mask of this shape.
    """
    if any(type(run) is not int or run < (position > 0) for position, run in enumerate(runs)):
        raise ValueError("runs must be whole numbers above 0, of which only the first may be 0")
    if sum(runs) != shape[0] * shape[1]:
        raise ValueError(f"runs must fill the {shape[0]} × {shape[1]} pixels of their crop, got {sum(runs)}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, np.asarray(runs, np.int64)).reshape(shape)
