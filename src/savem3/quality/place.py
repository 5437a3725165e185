"""A place that a person should look at, and the order in which to look."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("merge", "split", "orphan", "endings", "crossing", "inside", "glia", "seam", "section")
"""What may be wrong at a place: two neurons in one body; one neuron in two bodies; a body that touches no face of the
volume; one with too many endings; one whose parts meet and part again; one that lies within another; one shaped like
glia; borders on a plane of the grid of blocks or patches; a section that is lost or does not fit its neighbours."""

UNCALIBRATED = 0.5
"""The probability that a place without a calibrated one counts with when places are ranked."""


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the list that says where to look first.

    Parameters
    ----------
    kind
        One of `KINDS`.
    at
        Where, in voxels along z, y, x.
    labels
        The segments concerned: one for a merge, two for a split, none for a section or a seam.
    probability
        That something is wrong there, 0 to 1; nan where nobody calibrated it.
    impact
        Voxels that change hands if something is wrong.
    why
        One short sentence.

    Raises
    ------
    ValueError
        If the kind is unknown, the probability is none or the impact is below 0.
    """

    kind: str
    at: tuple[float, float, float]
    labels: tuple[int, ...]
    probability: float
    impact: float
    why: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got '{self.kind}'")
        if not (math.isnan(self.probability) or 0 <= self.probability <= 1):
            raise ValueError(f"probability must lie between 0 and 1 or be nan, got {self.probability}")
        if not 0 <= self.impact < math.inf:
            raise ValueError(f"impact must be a number of voxels, got {self.impact}")

    @property
    def urgency(self) -> float:
        """Probability times the square root of the impact."""
        return (UNCALIBRATED if math.isnan(self.probability) else self.probability) * math.sqrt(self.impact)


def rank(places: Iterable[Place]) -> list[Place]:
    """The order in which a person should look: the most urgent first.

    Places of one urgency stand by kind and position, so the order depends on nothing but the places.

    Notes
    -----
    Source: ours. By probability alone the list is right most often, about trifles; by probability times voxels the
    large ones stand first, and most are right as they are. The root lies between; on the volumes that calibrated, VoI
    falls fastest by it (docs/how-to-trust.md).
    """
    return sorted(places, key=lambda place: (-place.urgency, KINDS.index(place.kind), place.at, place.labels))
