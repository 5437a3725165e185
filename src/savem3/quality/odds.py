"""Log-odds as a sum of straight lines, one a column of evidence: plain numbers, fitted by penalised likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64
from scipy.optimize import minimize

ENDS = (0.01, 0.99)
"""Quantiles of a column beyond which nothing more is read from it."""

RIDGE = 10.0
"""Penalty on the squares of the slopes, of columns in standard deviations, in units of one row's log-likelihood. Chosen
with straight lines against bent ones on kinds of volumes left out of the fit, see docs/how-to-trust.md."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a column adds.

    Parameters
    ----------
    column
        Its name.
    low, high
        Values are read as if they lay between these.
    slope
        Log-odds for each unit of the column.
    """

    column: str
    low: float
    high: float
    slope: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low of '{self.column}' must not be above high {self.high}, got {self.low}")

    def read(self, values: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, " row"]:
        """What of the values is read."""
        return np.clip(values, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Odds:
    """Log-odds of a row of evidence.

    Parameters
    ----------
    intercept
        Log-odds where all lines are 0.
    lines
        One for each column that is read.
    """

    intercept: float
    lines: tuple[Line, ...]

    def of(self, table: Float64[np.ndarray, "row column"], columns: Sequence[str]) -> Float64[np.ndarray, " row"]:
        """The log-odds of each row.

        Parameters
        ----------
        table
            The evidence.
        columns
            The names of its columns; those that no line reads do not matter.

        Raises
        ------
        ValueError
            If a column that is read is missing.
        """
        odds = np.full(len(table), self.intercept)
        for line in self.lines:
            if line.column not in columns:
                raise ValueError(f"columns must hold '{line.column}', got {', '.join(columns)}")
            odds += line.slope * line.read(table[:, list(columns).index(line.column)])
        return odds

    def stretched(self, slope: float, offset: float) -> Odds:
        """Odds that are ``slope`` times as sure, and moved by ``offset``."""
        lines = tuple(replace(line, slope=slope * line.slope) for line in self.lines)
        return Odds(slope * self.intercept + offset, lines)


def chance(log_odds: Float64[np.ndarray, " row"]) -> Float64[np.ndarray, " row"]:
    """The probability of log-odds; never quite 0 or 1."""
    probability: Float64[np.ndarray, " row"] = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
    return probability


def fit_odds(
    table: Float64[np.ndarray, "row column"],
    columns: Sequence[str],
    happened: Bool[np.ndarray, " row"],
    weight: Float64[np.ndarray, " row"],
    *,
    ridge: float = RIDGE,
) -> Odds:
    """The odds under which what happened is likeliest, the flatter the better; deterministic.

    Parameters
    ----------
    table, columns
        The evidence, and the names of its columns, all of which are read.
    happened
        What the probability is of.
    weight
        How much each row counts, at least 0.
    ridge
        See `RIDGE`.

    Raises
    ------
    ValueError
        If it happened in every row or in none.
    """
    rows = weight > 0
    table, happened, weight = table[rows], happened[rows], weight[rows]
    if happened.all() or not happened.any():
        raise ValueError(f"happened must be true for some rows and false for others, got {int(happened.sum())} true")
    low, high = np.quantile(table, ENDS, axis=0)
    read = np.clip(table, low, high)
    centre, spread = read.mean(0), read.std(0)
    spread[spread < 1e-9] = np.inf
    found = _climb((read - centre) / spread, happened, weight, ridge)
    slopes = found[1:] / spread
    ends = zip(columns, low.tolist(), high.tolist(), slopes.tolist(), strict=True)
    return Odds(float(found[0] - centre @ slopes), tuple(Line(*end) for end in ends))


def fit_stretch(
    log_odds: Float64[np.ndarray, " row"], happened: Bool[np.ndarray, " row"], weight: Float64[np.ndarray, " row"]
) -> tuple[float, float]:
    """Slope and offset that make log-odds fit rows that did not shape them; see `Odds.stretched`.

    Source: Platt 1999, of the margins of a support vector machine.
    """
    spread = max(1e-9, float(log_odds.std()))
    offset, slope = _climb((log_odds / spread)[:, None], happened, weight, 1e-3).tolist()
    return slope / spread, offset


def _climb(
    basis: Float64[np.ndarray, "row slope"],
    happened: Bool[np.ndarray, " row"],
    weight: Float64[np.ndarray, " row"],
    ridge: float,
) -> Float64[np.ndarray, " one_more"]:
    """Intercept and slopes of the greatest penalised likelihood."""
    sign = np.where(happened, 1.0, -1.0)
    penalty = np.r_[0.0, np.full(basis.shape[1], ridge)]

    def loss(b: Float64[np.ndarray, " one_more"]) -> tuple[float, Float64[np.ndarray, " one_more"]]:
        said = sign * (b[0] + basis @ b[1:])
        pull = -weight * sign / (1 + np.exp(np.clip(said, -500, 500)))
        value = float(weight @ np.logaddexp(0, -said) + penalty @ b**2)
        return value, np.r_[pull.sum(), pull @ basis] + 2 * penalty * b

    start = np.zeros(basis.shape[1] + 1)
    found: Float64[np.ndarray, " one_more"] = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "maxfun": 4000}
    ).x
    return found
