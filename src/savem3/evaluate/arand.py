"""Adapted Rand error: one minus the F-score over pairs of voxels, in the two conventions that published tables use."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from savem3.evaluate.contingency import Contingency


def arand_skimage(table: Contingency) -> float:
    """Error 0–1 over pairs of two different voxels; unsegmented voxels count as the table has it settled.

    Source: ``skimage.metrics.adapted_rand_error``, which takes segment 0 for a segment like any other.
    """
    return 1 - _f_score(table, itself=1)


def arand_cremi(table: Contingency) -> float:
    """Error 0–1 over all pairs, a voxel with itself included; every unsegmented voxel is a segment of its own.

    Source: the definition of the CREMI and SNEMI3D challenges. Their scripts divide the unsegmented voxels once more
    by the number of all voxels; we count each as the one pair it is, which changes about one part in a body's size.
    """
    return 1 - _f_score(replace(table, separate=True), itself=0)


def _f_score(table: Contingency, *, itself: int) -> float:
    """Harmonic mean of precision and recall; ``itself`` is 1 to leave out the pair of a voxel with itself."""
    both = _partners(table, table.overlaps - itself)
    either = _partners(table, table.segment_sizes - itself) + _partners(table, table.body_sizes - itself)
    return 2 * both / either if either else 1.0


def _partners(table: Contingency, partners: NDArray[np.int64]) -> float:
    """Number of ordered pairs, as each voxel of a row has ``partners`` of them."""
    return math.fsum((table.counts.astype(np.float64) * partners).tolist())
