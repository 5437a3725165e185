"""Prompt evidence: what the observations of all sections say about a pair, in sums that add up exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt64
from numpy.typing import NDArray

from savem3.blocks import Tables
from savem3.graphcut.contacts import find_pairs
from savem3.graphcut.reading import Reading

ONE = 2**14
"""An overlap or a weight of 1 in fixed point; sums of integers are the same in every order."""

SUMS = ("count", "weight", "spread", "total", "squares")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Observations of pairs of fragments, summed; pairs are sorted, and each stands once.

    Parameters
    ----------
    pairs
        Fragments (u, v), u < v; they need not touch.
    count
        Observations of each pair.
    weight
        Sum of their weights, in fixed point: the product of the two predicted IoUs.
    spread
        Sum of their squared weights, in fixed point.
    total, squares
        Sums of weight · overlap and of weight · overlap², in fixed point.
    """

    pairs: UInt64[np.ndarray, "pair 2"]
    count: Int64[np.ndarray, " pair"]
    weight: Int64[np.ndarray, " pair"]
    spread: Int64[np.ndarray, " pair"]
    total: Int64[np.ndarray, " pair"]
    squares: Int64[np.ndarray, " pair"]

    @property
    def overlap(self) -> Float64[np.ndarray, " pair"]:
        """Mean overlap of each pair, 0–1, its observations weighted; no number where nothing was seen."""
        return np.where(self.weight > 0, self.total / (np.maximum(self.weight, 1) * ONE), np.nan)

    def of_pairs(self, pairs: UInt64[np.ndarray, "some 2"]) -> Evidence:
        """The evidence about some pairs, in their order; nothing about those that were not observed."""
        place = find_pairs(pairs, self.pairs)
        sums = [np.where(place >= 0, np.r_[getattr(self, name), 0][place], 0) for name in SUMS]
        return Evidence(pairs, *sums)


def sum_observations(
    pairs: UInt64[np.ndarray, "row 2"], weights: Int64[np.ndarray, " row"], overlaps: Int64[np.ndarray, " row"]
) -> Mapping[str, NDArray[Any]]:
    """A table of observations summed by pair; those without weight are left out."""
    seen = weights > 0
    weight, overlap = weights[seen], overlaps[seen]
    ones = np.ones(len(weight), np.int64)
    sums = np.stack([ones, weight, weight**2, weight * overlap, weight * overlap**2], 1)
    return _add_up(pairs[seen], sums)


def join_evidence(tables: Tables) -> Evidence:
    """The evidence of all sections; the order of the tables does not matter."""
    parts = [tables[i] for i in range(len(tables))]
    pairs = np.concatenate([np.zeros((0, 2), np.uint64), *(table["pairs"][:] for table in parts)])
    sums = [np.stack([table[name][:] for name in SUMS], 1) for table in parts]
    return Evidence(**_add_up(pairs, np.concatenate([np.zeros((0, len(SUMS)), np.int64), *sums])))


def weigh_evidence(evidence: Evidence, reading: Reading) -> Float64[np.ndarray, " pair"]:
    """What prompts say about each pair, in log-odds for joining: n / (n + 1) of what its overlap is read as.

    n is the sum of the observations' weights: their number, where prompts are believed in; where nothing was seen, 0.
    """
    seen = evidence.weight / ONE
    return reading.read(evidence.overlap) * (seen / (seen + 1))


def trust_of(evidence: Evidence) -> float:
    """How far the observations of one pair agree, 0–1: what to multiply all evidence by.

    It is the share of the overlaps' variance that lies between pairs, not among the observations of one pair, less
    two standard errors. Evidence that is drawn by chance gets 0 and changes nothing.

    Notes
    -----
    Source: intraclass correlation of one-way analysis of variance, here with weights; its standard error for groups
    of equal size (Fisher). That it scales the evidence is our choice; evidence that is wrong in the same way each time
    is trusted nevertheless.
    """
    often = evidence.count > 1
    groups = int(often.sum())
    if groups < 3:
        return 0.0
    weight, spread = evidence.weight[often] / ONE, evidence.spread[often] / ONE**2
    mean = evidence.total[often] / ONE**2 / weight
    within = (evidence.squares[often] / ONE**3 - weight * mean**2).clip(0).sum()
    chance = float(within / np.maximum(weight - spread / weight, 0).sum())
    whole, middle = weight.sum(), (weight * mean).sum() / weight.sum()
    between = (weight * (mean - middle) ** 2).sum() - chance * ((spread / weight).sum() - spread.sum() / whole)
    own = float(between / (whole - (weight**2).sum() / whole))
    return _less_two_errors(own, chance, groups=groups, size=float((weight**2 / spread).mean()))


def _less_two_errors(own: float, chance: float, *, groups: int, size: float) -> float:
    if own <= 0:
        return 0.0
    share = own / (own + chance)
    error = (1 - share) * (1 + (size - 1) * share) * math.sqrt(2 / (size * (size - 1) * (groups - 1)))
    return max(0.0, share - 2 * error)


def _add_up(pairs: UInt64[np.ndarray, "row 2"], sums: Int64[np.ndarray, "row sum"]) -> dict[str, NDArray[Any]]:
    """Rows of equal pairs added up."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, sums = pairs[order], sums[order]
    first = np.flatnonzero(np.r_[True, (pairs[1:] != pairs[:-1]).any(1)][: len(pairs)])
    added = np.add.reduceat(sums, first, axis=0) if len(pairs) else sums
    return {"pairs": pairs[first], **{name: added[:, i].copy() for i, name in enumerate(SUMS)}}
