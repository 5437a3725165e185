"""How well what was fitted on one kind of volume holds on each other kind.

    python experiments/trust_pairs.py --work CASES --out FOLDER

Reads the cases that `trust_cases.py` made; FOLDER gets pairs.md and pairs.csv. FIB-25 z 130–249 is not among them:
`trust.py test` looks at it once, with the calibration that ships.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from trust import fit
from trust_cases import FITTED
from trust_told import held_rows, markdown, write_tables
from trust_truth import Judged, kind_of, read_cases

from savem3.bench.manifest import load_of_machine, sentence_of
from savem3.quality.calibration import Calibration
from savem3.quality.estimate import estimate_voi

CONSOLE = Console(highlight=False, width=170)
OTHERS = "FIB-25, two other students"
"""Of a kind that is fitted: for all kinds together only."""

TESTED = {"VNC 16–19": "VNC", "ISBI 20–29": "ISBI", "FIB-25 z 0–99": OTHERS}
"""Beside the kinds that are fitted."""

ALL = "all three"


def tested_cases(work: Path) -> dict[str, list[Judged]]:
    """Of each kind what is undamaged, in all five cuts: by the shipped student, and by two that learned elsewhere."""
    found: dict[str, list[Judged]] = {}
    for judged in read_cases(work, (*FITTED, *TESTED)):
        case = judged.case
        name = TESTED.get(case.place, kind_of(case.place))
        if case.damage == "none" and (case.student == "shipped" or name == OTHERS):
            found.setdefault(name, []).append(judged)
    return found


def pair_rows(work: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How probabilities and the estimate of VoI of each fit hold on what did not fit it."""
    cases, tested = read_cases(work, FITTED), tested_cases(work)
    kinds = sorted({kind_of(judged.case.place) for judged in cases})
    held: list[dict[str, Any]] = []
    vois: list[dict[str, Any]] = []
    for kind in (*kinds, ALL):
        calibration = fit([j for j in cases if kind in (kind_of(j.case.place), ALL)])
        for name, found in tested.items():
            if name in ((*kinds,) if kind == ALL else (kind, OTHERS)):
                continue
            held += [{"fitted on": kind, **row} for row in held_rows(name, calibration, found)]
            vois += voi_rows(kind, name, calibration, found)
    return held, vois


def voi_rows(kind: str, name: str, calibration: Calibration, cases: Sequence[Judged]) -> Iterable[dict[str, Any]]:
    """The mean and the spread of how far the estimate is off, over the cuts."""
    said = [estimate_voi(calibration, j.case.graph, j.case.segment_of, j.case.graph.sizes) for j in cases]
    true = [j.case.scores().voi for j in cases]
    off = np.log([voi / one.voi for voi, one in zip(true, said, strict=True)])
    inside = sum(one.low <= voi <= one.high for voi, one in zip(true, said, strict=True))
    yield {
        "fitted on": kind,
        "volume": name,
        "cases": len(cases),
        "log of true / estimated": f"{off.mean():+.2f} ± {off.std():.2f}",
        "inside the interval": f"{inside} of {len(cases)}",
    }


def main() -> None:
    """All tables, told and kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the cases")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    held, vois = pair_rows(options.work)
    tables = {"Probabilities": held, "Estimates of VoI": vois}
    write_tables(tables, options.out / "pairs.csv")
    text = "# Fitted on one kind of volume, tested on another\n\n"
    text += f"`experiments/trust_pairs.py`, {sentence_of(load_of_machine())}\n"
    text += "".join(f"\n## {name}\n\n{markdown(table)}" for name, table in tables.items())
    (options.out / "pairs.md").write_text(text, encoding="utf-8")
    CONSOLE.print(text)


if __name__ == "__main__":
    main()
