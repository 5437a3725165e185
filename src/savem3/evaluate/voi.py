"""Variation of information: how many bits about a voxel's label are lost by splits and by merges."""

from __future__ import annotations

import math

import numpy as np

from savem3.evaluate.contingency import Contingency


def voi_split(table: Contingency) -> float:
    """H(segmentation | truth) in bits: how far bodies are cut into several segments; 0 is perfect.

    Source: METHOD §8. Summed with a single rounding, so that the order of the labels does not show.
    """
    share = np.log2(table.body_sizes / table.overlaps) * table.counts
    return math.fsum(share.tolist()) / table.voxels


def voi_merge(table: Contingency) -> float:
    """H(truth | segmentation) in bits: how far segments cover several bodies; 0 is perfect."""
    share = np.log2(table.segment_sizes / table.overlaps) * table.counts
    return math.fsum(share.tolist()) / table.voxels


def voi(table: Contingency) -> float:
    """Split and merge together, in bits."""
    return voi_split(table) + voi_merge(table)
