"""Placing: accepted masks take the place of what they were drawn for; nobody loses a pixel that it still claims."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt64

from savem3.engine.redrawing import Redrawn


def place(section: UInt64[np.ndarray, "y x"], accepted: Iterable[Redrawn]) -> UInt64[np.ndarray, "y x"]:
    """A section in which parts of labels have the pixels that were drawn for them.

    A part first gives up what is not in its new mask. Then each takes, the best score first, what nobody has: no label
    loses a pixel that it still claims, be it drawn anew or not. Of equal scores the smaller label goes first.

    Parameters
    ----------
    section
        Labels; is not changed.
    accepted
        In any order; the order changes nothing.

    Notes
    -----
    Source: METHOD §3 says that old pixels are cleared and no other label's pixel is taken. That what one part gave up
    may go to another is our choice: in volumes without background between cells, no label could grow otherwise.
    """
    after, ranked = section.copy(), sorted(accepted, key=_rank)
    for part in ranked:
        after[part.box][part.old & ~part.new] = 0
    for part in ranked:
        crop = after[part.box]
        crop[part.new & (crop == 0)] = np.uint64(part.label)
    return after


def _rank(redrawn: Redrawn) -> tuple[float, int, int, int, bytes]:
    """The best score first, then the smaller label, then the part that begins first."""
    return -redrawn.score, redrawn.label, redrawn.y, redrawn.x, redrawn.old.tobytes()
