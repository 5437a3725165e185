"""What stands out among many values: medians instead of means, so that what stands out does not hide itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

TO_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""

WINDOW = 8
"""Neighbours on each side that a value of a sequence is compared with."""

FEWEST = 8
"""Values that there must be before any of them can stand out."""

Values = Float64[np.ndarray, " value"]


def deviations(values: Values, *, floor: float) -> Values:
    """How many standard deviations each value lies from the median of all; 0 where there are too few to say.

    Parameters
    ----------
    values
        Of one kind.
    floor
        The least standard deviation that is believed.
    """
    if len(values) < FEWEST:
        return np.zeros(len(values))
    middle = np.median(values)
    sigma = TO_SIGMA * np.median(np.abs(values - middle))
    return (values - middle) / max(float(sigma), floor)


def beyond_neighbours(values: Values, *, floor: float) -> tuple[Values, Values]:
    """How far each value of a sequence lies from the median of those around it: in its unit, and in deviations.

    Parameters
    ----------
    values
        In their order.
    floor
        See `deviations`.
    """
    if len(values) < FEWEST:
        return np.zeros(len(values)), np.zeros(len(values))
    around = [np.r_[values[max(0, i - WINDOW) : i], values[i + 1 : i + 1 + WINDOW]] for i in range(len(values))]
    beyond = values - np.array([np.median(near) for near in around])
    sigma = TO_SIGMA * float(np.median(np.abs(beyond)))
    return beyond, beyond / max(sigma, floor)


def beyond_trend(x: Values, y: Values, *, floor: float) -> Values:
    """How many deviations each y lies from the line that most of them follow in x.

    Source: Theil's incomplete method of 1950: the median of the slopes between values half the list apart.

    Parameters
    ----------
    x, y
        Of the same things, both logarithms as a rule.
    floor
        See `deviations`.
    """
    if len(x) < FEWEST:
        return np.zeros(len(x))
    order, half = np.lexsort((y, x)), len(x) // 2
    low, high = order[:half], order[len(x) - half :]
    apart = x[high] - x[low]
    slopes = (y[high] - y[low])[apart > 0] / apart[apart > 0]
    slope = float(np.median(slopes)) if len(slopes) else 0.0
    return deviations(y - slope * x, floor=floor)
