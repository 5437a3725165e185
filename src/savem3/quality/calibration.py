"""The calibration that probabilities of error are read with: plain numbers in a JSON file, read strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from savem3.quality.odds import Line, Odds

FORMAT = "savem3-calibration-1"

SHIPPED = Path(__file__).with_name("calibration.json")
"""Fitted by `experiments/trust.py` on volumes whose labels the shipped student never saw."""


@dataclass(frozen=True, slots=True)
class VoiScale:
    """How drawn errors become an estimate of VoI.

    Parameters
    ----------
    split, merge
        What the mean over draws is multiplied by.
    split_floor, merge_floor
        Bits for each face between fragments and voxel: errors below the fragments, which no edge shows.
    by_volume, by_segment
        Standard deviations of the log-odds' common error, of a volume and of a segment.
    width
        Logarithm of the factor by which VoI may lie above or below the estimate.
    held
        Share of the cases of volumes left out whose VoI lay within that.
    """

    split: float
    merge: float
    split_floor: float
    merge_floor: float
    by_volume: float
    by_segment: float
    width: float
    held: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Four models of what is wrong, and the scale of VoI.

    Parameters
    ----------
    joined, parted
        Log-odds that a decision is wrong, from the evidence of its edge.
    merge, missing
        Log-odds that a segment holds another body, and that a part of its body is in another segment, from the evidence
        of the segment.
    voi
        For `estimate_voi`.
    fitted_on
        The volumes, for people.
    """

    joined: Odds
    parted: Odds
    merge: Odds
    missing: Odds
    voi: VoiScale
    fitted_on: tuple[str, ...]


def read_calibration(path: Path = SHIPPED) -> Calibration:
    """A calibration from its file; the shipped one by default.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no calibration, or anything in it is missing, unknown or not a finite number.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"calibration must be a JSON file, got '{path}': {error}") from None
    names = ("format", "joined", "parted", "merge", "missing", "voi", "fitted_on")
    kept = _exactly(found, names, "calibration")
    if kept["format"] != FORMAT:
        raise ValueError(f"format of the calibration must be {FORMAT}, got {kept['format']!r}")
    odds = {name: _odds_in(kept[name], name) for name in names[1:5]}
    voi = _exactly(kept["voi"], tuple(VoiScale.__dataclass_fields__), "voi")
    scale = VoiScale(**{name: _number(value, name) for name, value in voi.items()})
    return Calibration(**odds, voi=scale, fitted_on=tuple(str(name) for name in _list(kept["fitted_on"], "fitted_on")))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """A file that `read_calibration` reads as the same calibration."""
    record = {"format": FORMAT, **asdict(calibration)}
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _odds_in(found: Any, name: str) -> Odds:
    kept = _exactly(found, ("intercept", "lines"), name)
    lines = tuple(_line_in(line, f"line of {name}") for line in _list(kept["lines"], f"lines of {name}"))
    if len({line.column for line in lines}) < len(lines):
        raise ValueError(f"lines of {name} must be of different columns, got {', '.join(x.column for x in lines)}")
    return Odds(_number(kept["intercept"], f"intercept of {name}"), lines)


def _line_in(found: Any, name: str) -> Line:
    kept = _exactly(found, ("column", "low", "high", "slope"), name)
    if not isinstance(kept["column"], str):
        raise ValueError(f"column of a {name} must be a name, got {kept['column']!r}")
    return Line(kept["column"], *(_number(kept[key], key) for key in ("low", "high", "slope")))


def _exactly(found: Any, names: tuple[str, ...], what: str) -> Mapping[str, Any]:
    """A mapping with these keys and no others."""
    if not isinstance(found, Mapping) or set(found) != set(names):
        got = ", ".join(sorted(map(str, found))) if isinstance(found, Mapping) else repr(found)
        raise ValueError(f"{what} must hold {', '.join(names)} and nothing else, got {got}")
    return found


def _list(found: Any, what: str) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError(f"{what} must be a list, got {found!r}")
    return found


def _number(found: Any, what: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"{what} must be a finite number, got {found!r}")
    return float(found)
