"""Scoring files against each other."""

from __future__ import annotations

from dataclasses import replace

from savem3.evaluate import score
from savem3.evaluate.contingency import Unsegmented
from savem3.request import Source


def score_files(
    segmentation: str,
    truth: str,
    *,
    source: Source,
    truth_sections: str | None,
    relabel: bool,
    fragments: str | None,
    unsegmented: Unsegmented,
) -> dict[str, float | int | str]:
    """Every metric, as plain values."""
    of_truth = replace(source, sections=truth_sections or source.sections)
    pieces = source.open_labels(fragments) if fragments else None
    named = of_truth.open_labels(truth, relabel=relabel)
    return score(source.open_labels(segmentation), named, fragments=pieces, unsegmented=unsegmented).to_dict()
