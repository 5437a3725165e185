"""The fragments' oracle: what a cutter that knows the truth would make of the same fragments."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt64

from savem3.evaluate.contingency import Contingency, rename_segments


def join_by_truth(table: Contingency) -> Contingency:
    """The table after each fragment was given to the body that holds most of it.

    What error remains was made before any cut: fragments that cross a membrane, and unsegmented voxels, which stay so.
    Source: METHOD §8 asks for the best score an agglomeration could reach. A majority vote is our choice: it is within
    a hair of the optimum, which nobody can compute.

    Parameters
    ----------
    table
        Pairs of fragments and bodies.
    """
    return rename_segments(table, _majority(table))


def _majority(table: Contingency) -> UInt64[np.ndarray, " pair"]:
    """For each row, the body with most voxels of its fragment, the smaller label if two tie; 0 for fragment 0."""
    order = np.lexsort((table.bodies, -table.counts, table.segments))
    fragments, first = np.unique(table.segments[order], return_index=True)
    chosen = table.bodies[order][first]
    chosen[fragments == 0] = 0
    return chosen[np.searchsorted(fragments, table.segments)]
