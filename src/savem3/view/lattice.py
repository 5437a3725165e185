"""A small cube of samples out of a volume of any size and any voxels: what is shown in three dimensions."""

from __future__ import annotations

from typing import Any

import fastremap
import numpy as np
from jaxtyping import Shaped, UInt16, UInt64
from numpy.typing import NDArray

from savem3.view.planes import Shown, middles, shown_box, slabs_of

LATTICE = 176
"""Samples along the longest side."""
TOO_LARGE = 0.04
"""Share of the samples above which a neuron would hide the others."""


def sample_evenly(volume: Shown, *, longest: int = LATTICE) -> Shaped[np.ndarray, "z y x"]:
    """Voxels at points equally far apart along z, y and x, of the middle of a volume.

    Points lie never nearer to each other than voxels do. Read slab by slab.

    Parameters
    ----------
    volume
        Labels or grey values.
    longest
        Samples along the longest side.
    """
    box = shown_box(volume.grid)
    extent = np.array(box.shape) * volume.grid.voxel_size
    spacing = max(extent.max() / longest, min(volume.grid.voxel_size))
    z, y, x = (middles(n, max(1, round(length / spacing))) for n, length in zip(box.shape, extent, strict=True))
    lattice = np.zeros((len(z), len(y), len(x)), volume.dtype)
    for slab in slabs_of(box):
        first, stop = slab.start[0] - box.start[0], slab.stop[0] - box.start[0]
        here = (z >= first) & (z < stop)
        if here.any():
            lattice[here] = volume.read(slab)[np.ix_(z[here] - first, y, x)]
    return lattice


def keep_largest(
    lattice: UInt64[np.ndarray, "z y x"], *, count: int, too_large: float = TOO_LARGE
) -> tuple[UInt64[np.ndarray, " name"], UInt16[np.ndarray, "z y x"]]:
    """The labels of the largest neurons, and the lattice with their numbers 1, 2, … in place of them, 0 elsewhere.

    Parameters
    ----------
    lattice
        Labels.
    count
        How many are kept.
    too_large
        Share 0–1 of the lattice; neurons that fill more are left out, unless all do.
    """
    names, sizes = fastremap.unique(lattice, return_counts=True)
    names, sizes = names[names != 0], sizes[names != 0]
    fitting = sizes <= too_large * lattice.size
    if fitting.any():
        names, sizes = names[fitting], sizes[fitting]
    kept = np.sort(names[np.argsort(-sizes.astype(np.int64), kind="stable")[:count]])
    return kept, _number(lattice, kept)


def _number(lattice: NDArray[Any], kept: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Position from 1 of each label in ``kept``, which is sorted; 0 for what is not in it."""
    if not len(kept):
        return np.zeros(lattice.shape, np.uint16)
    at = np.searchsorted(kept, lattice).clip(max=len(kept) - 1)
    return np.where(kept[at] == lattice, at + 1, 0).astype(np.uint16)
