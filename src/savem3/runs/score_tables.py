"""Scores as tables: a line a score with its unit and intervals, a line a body of the truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from savem3.evaluate import Contingency, per_body
from savem3.store import completed

COLUMNS = ("score", "value", "unit", "bodies_low", "bodies_high", "blocks_low", "blocks_high")
"""Of the table of scores; the last four are 95 % intervals, where bodies or blocks were drawn anew."""


def unit_of(score: str) -> str:
    """The unit of a score by its name; nothing for counts, and for errors and shares from 0 to 1."""
    name = score.removeprefix("oracle_")
    if name.endswith("_um"):
        return "µm"
    if name.endswith("_nm"):
        return "nm"
    return "bits" if name in ("voi", "voi_split", "voi_merge") else ""


def write_scores(found: Mapping[str, Any], path: Path, *, overwrite: bool) -> None:
    """All scores as CSV."""
    drawn = found.get("intervals", {})
    with completed(path, overwrite=overwrite) as place, place.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for score, value in found.items():
            if score != "intervals":
                ends = [drawn.get(over, {}).get(score, ("", "")) for over in ("bodies", "blocks")]
                rows.writerow([score, value, unit_of(score), *ends[0], *ends[1]])


def write_bodies(table: Contingency, path: Path, *, overwrite: bool) -> None:
    """What became of each body of the truth, as CSV; the columns are those of `savem3.evaluate.BodyErrors`."""
    errors = per_body(table)
    names = [column.name for column in fields(errors)]
    with completed(path, overwrite=overwrite) as place, place.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["body" if name == "bodies" else name for name in names])
        rows.writerows(zip(*(getattr(errors, name).tolist() for name in names), strict=True))
