"""Sections at a coarser pixel: grey values by their mean, masks by majority, labels by their mode. z is untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Num, Shaped, UInt8, UInt64
from numpy.typing import NDArray


def bin_grey(grey: UInt8[np.ndarray, "z y x"], *, factor: int) -> UInt8[np.ndarray, "z height width"]:
    """The mean of every ``factor`` × ``factor`` pixels of a section, rounded; an incomplete rest is cut off."""
    return np.rint(_patches(grey, factor).mean(axis=-1)).astype(np.uint8)


def bin_mask(mask: Num[np.ndarray, "z y x"], *, factor: int) -> UInt8[np.ndarray, "z height width"]:
    """1 where at least half of ``factor`` × ``factor`` pixels are nonzero, else 0."""
    return (_patches(mask != 0, factor).mean(axis=-1) >= 0.5).astype(np.uint8)


def bin_labels(labels: UInt64[np.ndarray, "z y x"], *, factor: int) -> UInt64[np.ndarray, "z height width"]:
    """The label that most of ``factor`` × ``factor`` pixels have; among equals the first in reading order."""
    patches = _patches(labels, factor)
    votes = np.stack(
        [(patches == patches[..., i : i + 1]).sum(axis=-1) for i in range(factor**2)],
        axis=-1,
    )
    return np.take_along_axis(patches, votes.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _patches(voxels: Shaped[np.ndarray, "z y x"], factor: int) -> NDArray[Any]:
    """Every ``factor`` × ``factor`` pixels of a section along a last axis, in reading order."""
    sections, rows, columns = voxels.shape
    y, x = rows // factor, columns // factor
    cut = voxels[:, : y * factor, : x * factor].reshape(sections, y, factor, x, factor)
    return cut.transpose(0, 1, 3, 2, 4).reshape(sections, y, x, factor**2)
