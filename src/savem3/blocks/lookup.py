"""Numbers in a volume replaced by what a table says, without the copies of numpy's own indexing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer

from savem3.kernel import kernel


def look_up(
    labels: Integer[np.ndarray, "z y x"], table: Integer[np.ndarray, " label"], *, first: int = 1
) -> Integer[np.ndarray, "z y x"]:
    """What a table says of each label; 0 stays 0.

    Parameters
    ----------
    labels
        Each 0, or named by the table: the caller has made sure.
    table
        What stands for the labels ``first``, ``first`` + 1, …
    first
        At least 1.
    """
    result = np.empty(labels.shape, table.dtype)
    _replace(np.ascontiguousarray(labels).reshape(-1), np.ascontiguousarray(table), first, result.reshape(-1))
    return result


def ends_of(labels: Integer[np.ndarray, "z y x"]) -> tuple[int, int]:
    """The smallest and the largest label but 0; 1 and 0 where there is none."""
    smallest, largest = _ends(np.ascontiguousarray(labels).reshape(-1))
    return (int(smallest), int(largest)) if largest else (1, 0)


@kernel
def _replace(
    labels: Integer[np.ndarray, " voxel"],
    table: Integer[np.ndarray, " label"],
    first: int,
    result: Integer[np.ndarray, " voxel"],
) -> None:
    for i in range(len(labels)):
        result[i] = table[np.int64(labels[i]) - first] if labels[i] else 0


@kernel
def _ends(labels: Integer[np.ndarray, " voxel"]) -> tuple[int, int]:
    smallest = largest = labels[0]
    for label in labels:
        if label and (label < smallest or smallest == 0):
            smallest = label
        largest = max(largest, label)
    return smallest, largest
