"""How evidence is read: from a likeness between 0 and 1 to log-odds for joining."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

CLIP = 3.0
"""Evidence never says more than this, in log-odds."""

CERTAIN = 0.01
"""Likenesses are kept this far from 0 and 1: beyond, their log-odds would be noise."""

STEPS = 50


@dataclass(frozen=True, slots=True)
class Reading:
    """A likeness s is read as slope · (log-odds of s − log-odds of the middle), at most ±3.

    More likeness never speaks more for cutting, since a slope is not negative.

    Parameters
    ----------
    middle
        The likeness that says nothing, above 0 and below 1.
    slope
        How much the log-odds count; 0 says nothing at all.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    middle: float = 0.5
    slope: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.middle < 1:
            raise ValueError(f"middle must lie above 0 and below 1, got {self.middle}")
        if not 0 <= self.slope < float("inf"):
            raise ValueError(f"slope must be at least 0, got {self.slope}")

    def read(self, likeness: Float64[np.ndarray, " pair"]) -> Float64[np.ndarray, " pair"]:
        """Log-odds for joining, −3 … 3; 0 where the likeness is no number."""
        odds = self.slope * (log_odds(likeness) - log_odds(np.array([self.middle])))
        return np.where(np.isfinite(likeness), np.clip(odds, -CLIP, CLIP), 0.0)


def learn_reading(likeness: Float64[np.ndarray, " pair"], costs: Float64[np.ndarray, " pair"]) -> Reading:
    """The reading under which likeness says what the boundary says on the same pairs, in the mean; no labels.

    Each pair votes for joining with the chance 1 / (1 + e^−cost) that its boundary gives it. A logistic regression of
    these votes on the log-odds of the likeness has a slope, of which two standard errors are taken off, and a place
    where it says no more than all votes together: the middle. Likeness that has nothing to do with boundaries, drawn
    by chance or wrong in the same way each time, gets the slope 0.

    Parameters
    ----------
    likeness
        Of pairs, 0–1; those that are no number are left out.
    costs
        Of the same pairs, from their boundary alone.

    Notes
    -----
    Our choice. Votes are less sure than truths would be, so the slope errs towards 0.
    """
    known = np.isfinite(likeness)
    x, votes = log_odds(likeness[known]), 1 / (1 + np.exp(-np.clip(costs[known], -40, 40)))
    if len(x) < 3 or not 0 < votes.mean() < 1 or np.ptp(x) == 0:
        return Reading(slope=0.0)
    start, slope, error = _regress(x, votes)
    if slope <= 2 * error:
        return Reading(slope=0.0)
    middle = (float(np.log(votes.mean() / (1 - votes.mean()))) - start) / slope
    return Reading(float(1 / (1 + np.exp(-np.clip(middle, -4, 4)))), slope - 2 * error)


def log_odds(likeness: Float64[np.ndarray, " pair"]) -> Float64[np.ndarray, " pair"]:
    """log(s / (1 − s)), s kept away from 0 and 1."""
    certain = np.clip(likeness, CERTAIN, 1 - CERTAIN)
    return np.log(certain / (1 - certain))


def _regress(x: Float64[np.ndarray, " pair"], votes: Float64[np.ndarray, " pair"]) -> tuple[float, float, float]:
    """Intercept, slope and the slope's standard error of a logistic regression, by Newton's steps.

    Sums are numpy's own, which are the same on any number of threads; those of a matrix product need not be.
    """
    start, slope = 0.0, 0.0
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(start + slope * x)))
        weight, missing = chance * (1 - chance), votes - chance
        a, b, c = float(weight.sum()) + 1e-6, float((weight * x).sum()), float((weight * x**2).sum()) + 1e-6
        determinant, up, right = a * c - b * b, float(missing.sum()), float((missing * x).sum())
        start, slope = start + (c * up - b * right) / determinant, slope + (a * right - b * up) / determinant
    return start, slope, float(np.sqrt(a / determinant))
