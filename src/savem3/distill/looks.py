"""What teachers see in the crops of a step: looked at now, or read from where it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from savem3.teacher import Teacher


@dataclass(frozen=True, slots=True)
class Maps:
    """What one teacher sees in the sections of crops of z × y × x voxels.

    Parameters
    ----------
    distance
        Truncated distance to the boundary, 0–1; absent if the teacher has no such head.
    feature
        HQ feature, one vector for 2 × 2 voxels of a section.
    embedding
        Image embedding, one vector for 8 × 8 voxels of a section.
    """

    distance: Float32[np.ndarray, "batch 1 z y x"] | None
    feature: Float32[np.ndarray, "batch channel z half_y half_x"]
    embedding: Float32[np.ndarray, "batch wide z eighth_y eighth_x"]


def look_at_crops(teachers: Sequence[Teacher], crops: Float32[np.ndarray, "batch z y x"]) -> tuple[Maps, ...]:
    """Each teacher's maps of crops; every section is looked at once."""
    count, sections = crops.shape[:2]
    looks = [teacher.look_at(crops.reshape(count * sections, *crops.shape[2:])) for teacher in teachers]

    def in_crops(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        return maps.reshape(count, sections, *maps.shape[1:]).swapaxes(1, 2)

    return tuple(
        Maps(
            None if look.distance is None else in_crops(look.distance[:, None]),
            in_crops(look.feature),
            in_crops(look.embedding),
        )
        for look in looks
    )
