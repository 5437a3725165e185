"""Anybody's boundary map or affinities, as a `BoundaryMap`: which way round they are is checked, not believed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Num, UInt8
from scipy import ndimage

from savem3.grid import Grid, Nanometres
from savem3.volume import BoundaryMap, Labels

Kind = Literal["boundary", "affinity"]
Polarity = Literal["auto", "membrane_high", "membrane_low"]

LOOKED_AT = 128
"""Voxels along each axis, in the middle of the volume, that the check looks at."""

UNDECIDED = 0.1
"""A share closer to one half than this says nothing; neither do two depths or means closer to each other than this."""


def boundary_from(
    array: Num[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    *,
    voxel_size: Nanometres,
    kind: Kind = "boundary",
    polarity: Polarity = "auto",
    fragments: Labels | None = None,
) -> BoundaryMap:
    """A `BoundaryMap` of numbers that another program has made.

    Parameters
    ----------
    array
        0–1 or 0–255. A boundary map in z, y, x; or affinities in channel, z, y, x, three channels: to the voxel before
        along z, y, x.
    voxel_size
        Edge lengths of one voxel along z, y, x, in nm.
    kind
        ``boundary`` or ``affinity``.
    polarity
        Whether high numbers mean membrane (a cell border) or the inside of cells, as affinities mostly do. ``auto``
        reads it off the numbers and refuses where they leave it open.
    fragments
        If given, they take part in the check: on their borders there should be more boundary than elsewhere.

    Raises
    ------
    ValueError
        If the numbers are out of range, or the array has other axes, or its polarity is open (``auto``), or all that
        the numbers show speaks against the given polarity.

    Warns
    -----
    UserWarning
        If something speaks against the given polarity, but not everything.

    Notes
    -----
    Source: the paper's affinity of two voxels is 1 − max of their boundary values. A voxel's boundary value is here
    the largest that one of its three affinities asks for, so that the value of each face in the region graph is at
    least what its own affinity says. The check is ours: membrane is the smaller part, and the thinner.
    """
    if kind not in get_args(Kind) or polarity not in get_args(Polarity):
        raise ValueError(f"kind and polarity must be of {Kind} and {Polarity}, got {kind} and {polarity}")
    if array.ndim != (axes := 4 if kind == "affinity" else 3) or (axes == 4 and len(array) != 3):
        wanted = "three channels in channel, z, y, x" if axes == 4 else "z, y, x"
        raise ValueError(f"array must have {wanted} for kind {kind}, got shape {array.shape}")
    numbers = _to_uint8(array)
    clues = _clues(numbers, fragments)
    if not _is_membrane_high(clues, polarity=polarity):
        numbers = 255 - numbers
    voxels = numbers if numbers.ndim == 3 else numbers.max(0)
    return BoundaryMap(voxels, Grid(voxels.shape, voxel_size))


@dataclass(frozen=True, slots=True)
class _Clue:
    """Something that shows which way round the numbers are."""

    membrane_high: bool
    text: str


def _to_uint8(array: Num[np.ndarray, "..."] | Bool[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """0–1 or 0–255 as 0–255, rounded; refuses all else."""
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        raise ValueError(f"array must be finite, got {len(bad)} numbers that are not, the first at {tuple(bad[0])}")
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    if low < 0 or high > 255:
        raise ValueError(f"array must lie in 0–1 or 0–255, got {low:g} to {high:g}")
    return np.rint(array * np.float32(255 if high <= 1 else 1)).astype(np.uint8)


def _clues(numbers: UInt8[np.ndarray, "..."], fragments: Labels | None) -> list[_Clue]:
    """What the middle of the volume shows: membrane is the smaller part and the thinner, and it lies on borders."""
    shape = numbers.shape[-3:]
    z, y, x = (slice(max(0, n - LOOKED_AT) // 2, max(0, n - LOOKED_AT) // 2 + LOOKED_AT) for n in shape)
    seen = numbers[..., z, y, x].astype(np.float32)
    seen = seen if seen.ndim == 3 else seen.mean(0)
    high = seen > (np.percentile(seen, 2) + np.percentile(seen, 98)) / 2
    if high.all() or not high.any():
        return []
    share = float(high.mean())
    clues = [_Clue(share < 0.5, f"high numbers take {share:.0%} of the volume")] if abs(share - 0.5) > UNDECIDED else []
    inside_high, inside_low = _depth(high), _depth(~high)
    if abs(np.log(inside_high / inside_low)) > UNDECIDED:
        text = f"regions of high numbers are {inside_high:.1f} pixels deep, those of low numbers {inside_low:.1f}"
        clues.append(_Clue(inside_high < inside_low, text))
    if fragments is not None:
        clues += _border_clue(numbers, fragments)
    return clues


def _depth(mask: Bool[np.ndarray, "z y x"]) -> float:
    """Mean distance of the pixels of a mask to its edge, section by section."""
    depths = [ndimage.distance_transform_edt(section)[section] for section in mask if section.any()]
    return float(np.concatenate(depths).mean())


def _border_clue(numbers: UInt8[np.ndarray, "..."], fragments: Labels) -> list[_Clue]:
    """Whether numbers are higher where two fragments meet in a section; nothing where they hardly differ."""
    labels = fragments.read(fragments.grid.box)
    if labels.shape != numbers.shape[-3:]:
        raise ValueError(f"fragments must have the shape of the array {numbers.shape[-3:]}, got {labels.shape}")
    border = np.zeros(labels.shape, np.bool_)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[:, :, 1:] |= labels[:, :, 1:] != labels[:, :, :-1]
    seen = numbers if numbers.ndim == 3 else numbers.mean(0)
    if not border.any() or border.all():
        return []
    on, off = float(seen[border].mean()), float(seen[~border].mean())
    text = f"they are {on:.0f} of 255 on borders of fragments and {off:.0f} elsewhere"
    return [_Clue(on > off, text)] if abs(on - off) > UNDECIDED * max(on, off) else []


def _is_membrane_high(clues: list[_Clue], *, polarity: Polarity) -> bool:
    """Which way round, by the clues or in spite of some of them."""
    for_high = [clue.membrane_high for clue in clues]
    seen = "; ".join(clue.text for clue in clues) or "the numbers do not differ enough"
    if polarity == "auto":
        if not clues or any(for_high) != all(for_high):
            raise ValueError(f"polarity must be membrane_high or membrane_low here, got auto: {seen}")
        return all(for_high)
    given = polarity == "membrane_high"
    against = [clue for clue in clues if clue.membrane_high != given]
    if clues and len(against) == len(clues):
        raise ValueError(f"polarity must be the other one, got {polarity}: {seen}")
    if against or not clues:
        warnings.warn(f"polarity {polarity} is taken as given, but: {seen}", stacklevel=3)
    return given
