"""Measures of sections → findings: each section against the sections around it.

Source: medians and their absolute deviations over a window are a textbook way to find what stands out; the window and
every limit are our choice, made on FIB-25 sample 1 and the second ssTEM stack of fly nerve cord; those of contrast,
duplicates and shifts were revised on FIB-25 validation and ISBI 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from savem3.check.finding import KINDS, Finding
from savem3.check.measures import Measures
from savem3.grid import Grid

WINDOW = 8
"""Sections on each side that a section is compared with."""

FEWEST = 3
"""Sections that a section must at least be compared with, before how much they differ is known."""

JITTERS, STEPS = 4.0, 6.0
"""Standard deviations of a volume's own unrest along y or x: by which a section lies off, and a step goes on."""

BRIGHTER = 3.0
"""Standard deviations that a mean must exceed: fewer than elsewhere, as means have few outliers of their own."""

SURE = 8.0
"""How far the best match of two sections must stand out for a step to be believed that nothing takes back."""

TO_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is wrong. Each grows with how much a volume's own sections differ.

    Parameters
    ----------
    flat
        Share of one grey value above the neighbours'.
    faint
        Spread of the grey values over the neighbours'; below it a section counts as empty.
    copied
        Share of the neighbours' dissimilarity below which a section is a copy.
    moved
        Voxels along y or x.
    band
        Extent of a band above the neighbours', as a share of a tile's edge.
    brighter
        Change of the mean, in spreads of the neighbours.
    harsher
        Natural logarithm of the change of the spread.
    clipped
        Share of black and white voxels above the neighbours'.
    softer
        Natural logarithm of the loss of fine details.
    deviations
        Standard deviations among the neighbours that a change must exceed as well.
    """

    flat: float = 0.25
    faint: float = 0.25
    copied: float = 0.5
    moved: float = 4.0
    band: float = 0.4
    brighter: float = 0.9
    harsher: float = 0.4
    clipped: float = 0.1
    softer: float = 0.4
    deviations: float = 4.0


def limits_for(grid: Grid) -> Limits:
    """The limits for a volume: where sections are far apart, tissue itself moves by up to their distance."""
    return Limits(moved=max(Limits().moved, grid.voxel_size[0] / min(grid.voxel_size[1:])))


def judge(measures: Measures, *, limits: Limits = Limits()) -> list[Finding]:
    """Say what is wrong with which section, at most one thing each, in the order of `KINDS`.

    Parameters
    ----------
    measures
        Of all sections.
    limits
        From where on something is wrong.
    """
    sections = len(measures.mean)
    bad = np.zeros(sections, np.bool_)
    findings: list[Finding] = []
    for find in (_black, _contrast, _folded, _duplicated, _shifted, _blurred):
        found = [finding for finding in find(measures, bad, limits) if not bad[finding.section]]
        bad[[finding.section for finding in found if finding.kind != "jump"]] = True
        findings += found
    return sorted(findings, key=lambda finding: (finding.section, list(KINDS).index(finding.kind)))


def _black(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    flat, spread = _Around.of(measures.flat, bad), _Around.of(measures.spread, bad)
    for z in range(len(bad)):
        if measures.flat[z] > flat.middle[z] + limits.flat:
            yield Finding(z, "black", float(measures.flat[z]), float(flat.middle[z] + limits.flat))
        elif measures.spread[z] < limits.faint * spread.middle[z]:
            yield Finding(z, "black", float(1 - measures.spread[z] / spread.middle[z]), 1 - limits.faint)


def _contrast(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    """Another mean, another spread, or cut-off greys; not the paleness of a section that is blurred."""
    usual, soft = (
        _Around.of(measures.spread, bad).middle,
        {finding.section for finding in _blurred(measures, bad, limits)},
    )
    mean = _Around.of(measures.mean / usual, bad)
    spread = _Around.of(np.log(np.maximum(measures.spread, 1e-3)), bad)
    clipped = _Around.of(measures.clipped, bad)
    usually = (min(limits.deviations, BRIGHTER), limits.deviations, limits.deviations)
    floors = (limits.brighter, limits.harsher, limits.clipped)
    for z in map(int, np.flatnonzero(~bad)):
        for around, floor, deviations in zip((mean, spread, clipped), floors, usually, strict=True):
            limit = around.limit(z, floor, deviations=deviations)
            pale = around is spread and spread.beyond[z] < 0 and z in soft
            if abs(around.beyond[z]) > limit and not pale:
                yield Finding(z, "contrast", float(abs(around.beyond[z])), limit)
                break


def _duplicated(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    unsure = bad | _after(bad)
    alike, change = _Around.of(measures.alike, unsure), _Around.of(measures.change, unsure)
    for z in map(int, np.flatnonzero(~unsure)):
        limit = float(1 - limits.copied * (1 - alike.middle[z]))
        if measures.alike[z] > limit and change.beyond[z] < (limits.copied - 1) * change.middle[z]:
            yield Finding(z, "duplicated", float(measures.alike[z]), limit)


def _shifted(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    """A section that lies off both neighbours, there and back; or a step that stays."""
    unsure = bad | _after(bad) | np.isnan(measures.offset[:, 0])
    step = np.where(unsure[:, None], np.nan, measures.offset)
    back = np.concatenate([step[1:], np.full((1, 2), np.nan)])
    alone, stays = _beyond((step - back) / 2), _beyond(step)
    for z in range(1, len(bad)):
        off, limit = alone.length[z], max(limits.moved, JITTERS * alone.sigma[z])
        if off > limit and _lies_off(step[z], back[z], off) and off >= np.nanmax(alone.length[z - 1 : z + 2]):
            yield Finding(z, "shifted", float(off), float(limit))
            continue
        far, limit = stays.length[z], max(limits.moved, STEPS * stays.sigma[z])
        around = np.r_[stays.length[max(0, z - 2) : z], stays.length[z + 1 : z + 3]]
        if far > limit and measures.agreement[z] > SURE and not (around > limit / 2).any():
            yield Finding(z, "jump", float(far), float(limit))


def _lies_off(step: Float64[np.ndarray, "2"], back: Float64[np.ndarray, "2"], off: float) -> bool:
    """Whether a section's way there and the way back are both long, and opposite."""
    there, again = (float(np.hypot(*way)) for way in (step, back))
    return bool(min(there, again) > off / 2 and float(step @ back) < -0.5 * there * again)


@dataclass(frozen=True, slots=True)
class _Ways:
    """How long ways along y and x are beyond those around, and how much those differ."""

    length: Float64[np.ndarray, " z"]
    sigma: Float64[np.ndarray, " z"]


def _beyond(ways: Float64[np.ndarray, "z 2"]) -> _Ways:
    y, x = (_Around.of(ways[:, axis], np.isnan(ways[:, axis])) for axis in (0, 1))
    return _Ways(np.hypot(y.beyond, x.beyond), np.maximum(y.sigma, x.sigma))


def _folded(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    around = _Around.of(measures.band, bad)
    for z in map(int, np.flatnonzero(~bad)):
        limit = around.limit(z, limits.band, deviations=limits.deviations)
        if around.beyond[z] > limit:
            yield Finding(z, "folded", float(measures.band[z]), float(around.middle[z] + limit))


def _blurred(measures: Measures, bad: Bool[np.ndarray, " z"], limits: Limits) -> Iterator[Finding]:
    fine, middle = _Around.of(measures.fine, bad), _Around.of(measures.middle, bad)
    for z in map(int, np.flatnonzero(~bad)):
        for around in (middle, fine):
            limit = around.limit(z, limits.softer, deviations=limits.deviations)
            if -around.beyond[z] > limit:
                yield Finding(z, "blurred", float(-around.beyond[z]), limit)
                break


def _after(bad: Bool[np.ndarray, " z"]) -> Bool[np.ndarray, " z"]:
    """Sections behind a bad one: what is measured against the section before says nothing of them."""
    return np.concatenate([[False], bad[:-1]])


@dataclass(frozen=True, slots=True)
class _Around:
    """Median and spread of a measure over the sections around each one, and how far each one lies beyond."""

    middle: Float64[np.ndarray, " z"]
    sigma: Float64[np.ndarray, " z"]
    beyond: Float64[np.ndarray, " z"]

    @staticmethod
    def of(values: Float64[np.ndarray, " z"], bad: Bool[np.ndarray, " z"]) -> _Around:
        known = np.where(bad, np.nan, values)
        middle, sigma = np.empty(len(values)), np.empty(len(values))
        for z in range(len(values)):
            window = np.r_[known[max(0, z - WINDOW) : z], known[z + 1 : z + 1 + WINDOW]]
            window = window[~np.isnan(window)]
            middle[z] = np.median(window) if len(window) else values[z]
            sigma[z] = TO_SIGMA * np.median(np.abs(window - middle[z])) if len(window) >= FEWEST else np.inf
        return _Around(middle, sigma, values - middle)

    def limit(self, z: int, floor: float, *, deviations: float) -> float:
        """What a change must exceed at a section: a fixed amount, or what the neighbours differ by anyway."""
        return float(max(floor, deviations * self.sigma[z]))
