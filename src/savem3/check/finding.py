"""What can be wrong with a section: the kinds, and one finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can be wrong with a section.

    Parameters
    ----------
    sentence
        What is wrong, about ``section Z``.
    measure
        What the value of a finding is.
    is_lost
        Whether nothing of the section should be believed, so that its neighbours stand in for it.
    """

    sentence: str
    measure: str
    is_lost: bool


KINDS = {
    "black": Kind("is empty, or most of it is", "share of one grey value", True),
    "contrast": Kind("is much darker, brighter, paler or harsher than its neighbours", "change", True),
    "folded": Kind("is crossed by a fold or tear", "longest band, share of a tile", True),
    "duplicated": Kind("is the section before it once more", "correlation of the finest details", True),
    "shifted": Kind("lies beside its neighbours", "voxels", True),
    "jump": Kind("and all after it lie beside those before", "voxels", False),
    "blurred": Kind("is less sharp than its neighbours", "loss of fine details, natural logarithm", False),
}
"""Kinds of findings; where a section has several, the first one stands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one section.

    Parameters
    ----------
    section
        Its number, from 0.
    kind
        One of `KINDS`.
    value
        What was measured; see `Kind.measure`.
    limit
        What it had to stay below among its neighbours.
    """

    section: int
    kind: str
    value: float
    limit: float

    @property
    def is_lost(self) -> bool:
        """Whether neighbours should stand in for the section."""
        return KINDS[self.kind].is_lost

    @property
    def text(self) -> str:
        """One sentence."""
        kind = KINDS[self.kind]
        measured = f"{kind.measure} {self.value:.3g}, limit {self.limit:.3g}"
        return f"section {self.section} {kind.sentence} ({self.kind}: {measured})"


def lost_sections(findings: Sequence[Finding], *, sections: int) -> Bool[np.ndarray, " z"]:
    """Which sections of a volume should not be believed.

    Parameters
    ----------
    findings
        Of the volume.
    sections
        How many it has.
    """
    lost = np.zeros(sections, np.bool_)
    lost[[finding.section for finding in findings if finding.is_lost]] = True
    return lost
