"""What the ladder has found so far: lines in a folder, and tables made of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ladder_scores import CUTTERS, Scored

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """The lines of one experiment.

    Parameters
    ----------
    file
        Where they are kept; one line of JSON for each rung and seed, after a first one that says what they are of.
    of
        What all lines have in common: the teacher, the steps and the batch.
    lines
        Those there are.
    """

    file: Path
    of: Line
    lines: list[Line]

    @classmethod
    def of_folder(cls, folder: Path, **of: object) -> Kept:
        """The lines in a folder.

        Raises
        ------
        ValueError
            If they are of another teacher, or of other steps.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "scores.jsonl"
        if not file.exists():
            file.write_text(json.dumps(of) + "\n", encoding="utf-8")
        first, *lines = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
        if first != of:
            raise ValueError(f"--work must be a folder of {of}, got one of {first}: take another")
        return cls(file, of, lines)

    def has(self, rung: str, seed: int) -> bool:
        """Whether a rung was scored."""
        return any(line["rung"] == rung and line["seed"] == seed for line in self.lines)

    def add(self, rung: str, seed: int, scored: Mapping[str, Scored]) -> None:
        """Keep the scores of a rung."""
        cutters = {name: asdict(found) for name, found in scored.items()}
        line = json.dumps({"rung": rung, "seed": seed, "cutters": cutters})
        self.lines.append(json.loads(line))
        with self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def write_tables(kept: Kept, says: Mapping[str, str], *, out: Path | None) -> str:
    """The table in Markdown; also into a file, with every number beside it as CSV."""
    heads = [f"{cutter}: {what}" for cutter in CUTTERS for what in ("β", "VoI", "ARand", "best VoI")]
    lines = [f"| part | rung | learns from | seeds | {' | '.join(heads)} |", "|---" * (4 + len(heads)) + "|"]
    teachers = [line["rung"] for line in kept.lines if line["rung"].startswith("teacher")]
    for part in ("all", "validation"):
        for rung in (*teachers, *says):
            lines.append(row(kept, rung, says.get(rung, "planes"), part))
    table = "\n".join(lines) + "\n"
    if out is not None:
        out.write_text(table, encoding="utf-8")
        with out.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(numbers(kept))
    return table


def row(kept: Kept, rung: str, says: str, part: str) -> str:
    """One rung: means over seeds, and their standard deviation where there are several."""
    lines = [line for line in kept.lines if line["rung"] == rung]
    if not lines:
        return f"| {part} | {rung} | {says} | not run |" + " |" * 4 * len(CUTTERS)
    cells = []
    for cutter in CUTTERS:
        found = [line["cutters"][cutter] for line in lines]
        at = [f["errors"][part][str(f["chosen"][part])] for f in found]
        best = [min(sum(e[:2]) for e in f["errors"][part].values()) for f in found]
        cells += ["/".join(f"{f['chosen'][part]:g}" for f in found), spread([sum(e[:2]) for e in at])]
        cells += [spread([e[2] for e in at]), spread(best)]
    return f"| {part} | {rung} | {says} | {len(lines)} | {' | '.join(cells)} |"


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    mean = f"{np.mean(values):.3f}"
    return f"{mean} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else mean


def numbers(kept: Kept) -> Iterator[list[object]]:
    """Every number: a line for each rung, seed, cutter, β and part."""
    yield ["rung", "seed", "cutter", "beta", "chosen", "part", "voi_split", "voi_merge", "arand_skimage"]
    for line in kept.lines:
        for cutter, found in line["cutters"].items():
            for part, errors in found["errors"].items():
                for beta, values in errors.items():
                    chosen = float(beta) == found["chosen"][part]
                    yield [line["rung"], line["seed"], cutter, beta, chosen, part, *values]
