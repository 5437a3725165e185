"""Evidence: how much membrane a teacher sees along the outline of a mask. It needs no truth."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8

from savem3.engine.redrawing import Redrawn


def strength(evidence: UInt8[np.ndarray, "y x"], mask: Bool[np.ndarray, "y x"]) -> float | None:
    """Mean boundary value along a mask's outline, 0–255: of each face between it and what is not it, the larger value.

    The array's edge is no outline; `None` where there is none.

    Parameters
    ----------
    evidence
        255 is certainly membrane.
    mask
        Of the same shape.

    Notes
    -----
    Source: a face counts as it does in `savem3.regions`.
    """
    total, faces = 0, 0
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        outline = mask[before] != mask[after]
        values = np.maximum(evidence[before], evidence[after])[outline]
        total, faces = total + int(values.sum(dtype=np.int64)), faces + len(values)
    return total / faces if faces else None


def gain_of(redrawn: Redrawn, evidence: UInt8[np.ndarray, "y x"]) -> float | None:
    """By how much the boundary along a new outline is stronger than along the old one, of 255.

    Parameters
    ----------
    redrawn
        A part before and after.
    evidence
        Of the whole section.

    Returns
    -------
    gain
        `None` where one of the masks has no outline in the section.
    """
    rows, columns = redrawn.box
    y, x = max(0, rows.start - 1), max(0, columns.start - 1)
    crop = evidence[y : rows.stop + 1, x : columns.stop + 1]
    before = (rows.start - y, columns.start - x)
    pads = [(b, n - b - m) for b, n, m in zip(before, crop.shape, redrawn.old.shape, strict=True)]
    old, new = (strength(crop, np.pad(mask, pads)) for mask in (redrawn.old, redrawn.new))
    return None if old is None or new is None else new - old
