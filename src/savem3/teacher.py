"""A teacher looks at single sections; what it sees is what the student learns.

Strides are those of the paper, counted in voxels of the section that is looked at: boundary 1, HQ feature 2,
embedding 8. Whatever scale a teacher needs inside is its own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True)
class Look:
    """What a teacher sees in a batch of sections of y × x voxels.

    Parameters
    ----------
    boundary
        Membrane probability 0–1, one value a voxel.
    distance
        Truncated distance to the boundary, 0–1; absent if the teacher has no such head.
    feature
        HQ feature, one vector for 2 × 2 voxels.
    embedding
        Image embedding, one vector for 8 × 8 voxels.
    """

    boundary: Float32[np.ndarray, "batch y x"]
    distance: Float32[np.ndarray, "batch y x"] | None
    feature: Float32[np.ndarray, "batch channel y//2 x//2"]
    embedding: Float32[np.ndarray, "batch wide y//8 x//8"]


@runtime_checkable
class Teacher(Protocol):
    """Looks at single sections."""

    def look_at(self, sections: Float32[np.ndarray, "batch y x"]) -> Look:
        """Boundary, distance, feature and embedding of sections of grey values in −1…1, y and x multiples of 8."""
        ...
