"""How well each section's labels go on in the next one: where they do not, a section is lost, or lies off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.grid import Shape
from savem3.quality.place import Place
from savem3.quality.robust import beyond_neighbours
from savem3.quality.tracing import Trace

LEAST_IOU = 0.01
"""Standard deviation of the likeness of sections that is always believed."""

DROPPED = 6.0
"""Deviations below its neighbours from which a step from one section to the next is listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Continuity:
    """How sections go on.

    Parameters
    ----------
    iou
        Of each section but the last: intersection over union of all bodies with themselves in the next one.
    union
        Voxels of all unions.
    beyond, deviations
        How far each lies above those around it, and the same in standard deviations.
    bodies, of_bodies
        Each body that is in at least two sections, and the same measure over all its sections.
    """

    iou: Float64[np.ndarray, " step"]
    union: Int64[np.ndarray, " step"]
    beyond: Float64[np.ndarray, " step"]
    deviations: Float64[np.ndarray, " step"]
    bodies: UInt64[np.ndarray, " body"]
    of_bodies: Float64[np.ndarray, " body"]

    @property
    def dropped(self) -> list[int]:
        """Sections behind which labels do not go on as they do around."""
        return np.flatnonzero(self.deviations < -DROPPED).tolist()


def continuity(trace: Trace) -> Continuity:
    """How the bodies of a volume go on from section to section."""
    steps = max(trace.sections - 1, 0)
    area = np.bincount(trace.section, weights=trace.area, minlength=trace.sections).astype(np.int64)
    from_section = trace.section[trace.links[:, 0]]
    overlap = np.bincount(from_section, weights=trace.shared, minlength=trace.sections).astype(np.int64)[:steps]
    union = area[:steps] + area[1 : steps + 1] - overlap
    iou = overlap / np.maximum(union, 1)
    beyond, sigmas = beyond_neighbours(iou, floor=LEAST_IOU)
    return Continuity(iou, union, beyond, sigmas, *_of_bodies(trace))


def section_places(found: Continuity, shape: Shape) -> list[Place]:
    """The steps between sections over which labels do not go on."""
    return [
        Place(
            "section",
            (z + 0.5, shape[1] / 2, shape[2] / 2),
            (),
            float("nan"),
            float(-found.beyond[z] * found.union[z]),
            f"from section {z} to {z + 1} labels go on for {found.iou[z]:.0%}, "
            f"{-found.deviations[z]:.0f} deviations less than around",
        )
        for z in found.dropped
    ]


def _of_bodies(trace: Trace) -> tuple[UInt64[np.ndarray, " body"], Float64[np.ndarray, " body"]]:
    """Bodies in at least two sections, and intersection over union over all pairs of sections that each is in."""
    bodies, number = np.unique(trace.body, return_inverse=True)
    many = len(bodies)
    codes, places = np.unique(trace.section * many + number, return_inverse=True)
    areas = np.bincount(places, weights=trace.area, minlength=len(codes))
    after = np.searchsorted(codes, codes + many)
    goes_on = np.flatnonzero(codes[np.minimum(after, len(codes) - 1)] == codes + many)
    both = np.bincount(codes[goes_on] % many, weights=areas[goes_on] + areas[after[goes_on]], minlength=many)
    overlap = np.bincount(number[trace.links[:, 0]], weights=trace.shared, minlength=many)
    known = both > 0
    return bodies[known], overlap[known] / (both - overlap)[known]
