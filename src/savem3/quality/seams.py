"""Whether borders pile up on planes: those of blocks and patches, which tissue knows nothing of, or any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from savem3.quality.place import Place
from savem3.quality.profile import Profile
from savem3.quality.robust import beyond_neighbours

AXES = "zyx"

LEAST_SHARE = 0.002
"""Standard deviation of a plane's share of borders that is always believed: 2 faces in 1000."""

PILED_UP = 5.0
"""Deviations beyond its neighbours from which a set of planes counts as a seam, if no shifted set reaches as far."""

ALONE = 9.0
"""Deviations from which a single plane across y or x counts as a seam, wherever it lies."""

LISTED = 5
"""Planes that are listed of a seam."""


@dataclass(frozen=True, slots=True)
class Seam:
    """What was found of one set of planes.

    Parameters
    ----------
    name
        Whose planes: of blocks, of patches, or single ones.
    axis
        0 is z, 1 is y, 2 is x.
    planes
        The first voxels behind them.
    excess
        Mean share of borders on them beyond that of their neighbours.
    deviations
        The same in standard deviations of the mean of so many planes.
    chance
        Share of the shifted sets of planes, this one counted too, that reach as far.
    is_found
        Whether that is a seam.
    """

    name: str
    axis: int
    planes: tuple[int, ...]
    excess: float
    deviations: float
    chance: float
    is_found: bool


def find_seams(profile: Profile, grids: Mapping[str, tuple[Sequence[int], Sequence[int], Sequence[int]]]) -> list[Seam]:
    """Test each set of planes against the same set shifted, and single planes across y and x against all others.

    Parameters
    ----------
    profile
        Of the labels.
    grids
        Name → the first voxels behind planes across z, y and x; a set without planes is left out.
    """
    found = []
    for axis in range(3):
        share = profile.border_share(axis)
        beyond, sigmas = beyond_neighbours(share, floor=LEAST_SHARE)
        for name, planes in grids.items():
            inner = sorted({int(plane) for plane in planes[axis] if 0 < plane <= len(share)})
            if inner:
                found.append(_test(name, axis, inner, beyond, sigmas))
        if axis > 0:
            found += [
                Seam("a single plane", axis, (int(k) + 1,), float(beyond[k]), float(sigmas[k]), float("nan"), True)
                for k in np.flatnonzero(sigmas > ALONE)
            ]
    return found


def seam_places(profile: Profile, seams: Sequence[Seam]) -> list[Place]:
    """The planes of the seams that were found, at the middle of each."""
    places = []
    for seam in seams:
        if not seam.is_found:
            continue
        others = [n for axis, n in enumerate(profile.shape) if axis != seam.axis]
        for plane in seam.planes[:LISTED]:
            at = [n / 2 for n in profile.shape]
            at[seam.axis] = float(plane)
            why = f"borders pile up on the plane {AXES[seam.axis]} = {plane} ({seam.name})"
            harm = max(0.0, seam.excess) * others[0] * others[1]
            places.append(Place("seam", (at[0], at[1], at[2]), (), float("nan"), harm, why))
    return places


def _test(
    name: str,
    axis: int,
    planes: list[int],
    beyond: Float64[np.ndarray, " plane"],
    sigmas: Float64[np.ndarray, " plane"],
) -> Seam:
    """A set of planes against itself, shifted by less than the way from one plane to the next."""
    behind = np.array(planes) - 1
    period = int(np.diff(behind).min()) if len(behind) > 1 else len(beyond)
    own = float(sigmas[behind].mean())
    shifted = [float(sigmas[(behind + shift) % len(sigmas)].mean()) for shift in range(1, period)]
    chance = (1 + sum(other >= own for other in shifted)) / (1 + len(shifted))
    together = own * len(planes) ** 0.5
    is_found = together > PILED_UP and all(other < own for other in shifted)
    return Seam(name, axis, tuple(planes), float(beyond[behind].mean()), together, chance, is_found)
