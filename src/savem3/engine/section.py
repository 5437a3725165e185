"""A section of an annotated volume while it is cleansed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8, UInt64

from savem3.grid import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One section.

    Parameters
    ----------
    z
        Its number.
    grey, labels
        As in `Image` and `Labels`.
    weight
        0 where nothing is to be learned, else 1.
    """

    z: int
    grey: UInt8[np.ndarray, "y x"]
    labels: UInt64[np.ndarray, "y x"]
    weight: UInt8[np.ndarray, "y x"]

    def digest(self) -> bytes:
        """SHA-256 of all that it holds."""
        total = hashlib.sha256(f"{self.z} {self.grey.shape}".encode())
        for voxels in (self.grey, self.labels, self.weight):
            total.update(np.ascontiguousarray(voxels).data)
        return total.digest()

    def changes_to(self, after: Section) -> tuple[int, int, int]:
        """Pixels whose grey value, label and weight differ; of another shape, all that are there afterwards."""
        pairs = ((self.grey, after.grey), (self.labels, after.labels), (self.weight, after.weight))
        z, y, x = (b.size if a.shape != b.shape else int(np.count_nonzero(a != b)) for a, b in pairs)
        return z, y, x


@runtime_checkable
class Operation(Protocol):
    """One step of cleansing: a frozen dataclass of plain values; it looks at one section and changes none in place."""

    def grid_of(self, grid: Grid) -> Grid:
        """The grid afterwards."""
        ...

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section afterwards; ``grid`` is the one before."""
        ...
