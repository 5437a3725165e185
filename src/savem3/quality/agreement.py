"""How much of each body another segmentation of the same tissue keeps together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64, UInt64

KEPT = 0.5
"""Share that a body must at least have in common with its best match to count as kept."""


def kept_share(
    bodies: UInt64[np.ndarray, " pair"], others: UInt64[np.ndarray, " pair"], counts: Int64[np.ndarray, " pair"]
) -> tuple[UInt64[np.ndarray, " body"], Int64[np.ndarray, " body"], Float64[np.ndarray, " body"]]:
    """Intersection over union of each body with the one that matches it best in another segmentation.

    Parameters
    ----------
    bodies, others, counts
        Voxels that each body shares with each body of the other segmentation; each pair once. 0 is none.

    Returns
    -------
    The bodies, their voxels, and the share of each.
    """
    names, rows = np.unique(bodies, return_inverse=True)
    _, columns = np.unique(others, return_inverse=True)
    sizes, of_others = (np.bincount(at, weights=counts).astype(np.int64) for at in (rows, columns))
    iou = np.where((bodies != 0) & (others != 0), counts / (sizes[rows] + of_others[columns] - counts), 0.0)
    best = np.zeros(len(names))
    np.maximum.at(best, rows, iou)
    known = names != 0
    return names[known], sizes[known], best[known]
