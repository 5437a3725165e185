"""Coarser levels of a volume: labels by the most frequent number, images by the mean."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import UInt8, UInt64

from savem3.grid import Shape
from savem3.kernel import kernel


def join_labels(labels: UInt64[np.ndarray, "z y x"], *, factor: Shape) -> UInt64[np.ndarray, "Z Y X"]:
    """The most frequent number of each group of voxels, never a number that is not there.

    Of equally frequent numbers the smallest above 0 wins, so that a thin neurite does not vanish into background.
    Groups at the far faces may be smaller.

    Source: our choice; level ``n`` is made from level ``n - 1``, so a coarse voxel holds the mode of modes.
    """
    joined: UInt64[np.ndarray, "Z Y X"] = _most_frequent(np.ascontiguousarray(labels), *factor)
    return joined


def join_grey(voxels: UInt8[np.ndarray, "z y x"], *, factor: Shape) -> UInt8[np.ndarray, "Z Y X"]:
    """The mean of each group of voxels, halves rounded up. Groups at the far faces may be smaller."""
    joined: UInt8[np.ndarray, "Z Y X"] = _mean(np.ascontiguousarray(voxels), *factor)
    return joined


@kernel
@no_type_check
def _most_frequent(labels, by_z, by_y, by_x):
    depth, height, width = labels.shape
    joined = np.empty((-(-depth // by_z), -(-height // by_y), -(-width // by_x)), np.uint64)
    group = np.empty(by_z * by_y * by_x, np.uint64)
    for z in range(joined.shape[0]):
        for y in range(joined.shape[1]):
            for x in range(joined.shape[2]):
                first = labels[z * by_z, y * by_y, x * by_x]
                members = 0
                alike = True
                for a in range(z * by_z, min((z + 1) * by_z, depth)):
                    for b in range(y * by_y, min((y + 1) * by_y, height)):
                        for c in range(x * by_x, min((x + 1) * by_x, width)):
                            group[members] = labels[a, b, c]
                            alike &= group[members] == first
                            members += 1
                joined[z, y, x] = first if alike else _mode(group, members)
    return joined


@kernel
@no_type_check
def _mode(group, members):
    best, most = group[0], 0
    for i in range(members):
        count = 0
        for j in range(members):
            count += group[j] == group[i]
        # Numbers are unsigned: 0 minus 1 is the largest of them, which puts background behind every object in a tie.
        smaller = group[i] - np.uint64(1) < best - np.uint64(1)
        if count > most or (count == most and smaller):
            best, most = group[i], count
    return best


@kernel
@no_type_check
def _mean(voxels, by_z, by_y, by_x):
    depth, height, width = voxels.shape
    joined = np.empty((-(-depth // by_z), -(-height // by_y), -(-width // by_x)), np.uint8)
    for z in range(joined.shape[0]):
        for y in range(joined.shape[1]):
            for x in range(joined.shape[2]):
                total, members = 0, 0
                for a in range(z * by_z, min((z + 1) * by_z, depth)):
                    for b in range(y * by_y, min((y + 1) * by_y, height)):
                        for c in range(x * by_x, min((x + 1) * by_x, width)):
                            total += voxels[a, b, c]
                            members += 1
                joined[z, y, x] = (2 * total + members) // (2 * members)
    return joined
