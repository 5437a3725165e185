"""The CREMI score: one number out of variation of information and Rand error."""

from __future__ import annotations

import math

from savem3.evaluate.arand import arand_cremi
from savem3.evaluate.contingency import Contingency
from savem3.evaluate.voi import voi


def cremi_score(table: Contingency) -> float:
    """Geometric mean of VoI in bits and the Rand error in CREMI's convention; 0 is perfect."""
    return math.sqrt(voi(table) * max(0.0, arand_cremi(table)))
