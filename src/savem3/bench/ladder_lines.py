"""What the ladder has found so far: lines of JSON in a folder, one for each rung and seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from savem3.bench.cutting import CUTTERS, Scored

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
            raise ValueError(f"the folder must be of {of}, got {first}: take another")
        return cls(file, of, lines)

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """Whatever lines there are, of whatever teacher; none in a folder that holds none."""
        file = folder / "scores.jsonl"
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        return cls(file, lines[0] if lines else {}, lines[1:])

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


def summary_of(kept: Kept, rung: str, part: str) -> list[tuple[int, dict[str, float], dict[str, str]]]:
    """Of each seed of a rung: its numbers by cutter, and the β that were chosen without labels."""
    found = []
    for line in kept.lines:
        if line["rung"] != rung:
            continue
        values: dict[str, float] = {}
        betas: dict[str, str] = {}
        for cutter in CUTTERS:
            scored = line["cutters"][cutter]
            beta = scored["chosen"][part]
            split, merge, arand = scored["errors"][part][str(beta)]
            values |= {f"{cutter}_voi": split + merge, f"{cutter}_arand": arand}
            values[f"{cutter}_best_voi"] = min(sum(e[:2]) for e in scored["errors"][part].values())
            betas[cutter] = f"{beta:g}"
        found.append((line["seed"], values, betas))
    return found


def numbers(kept: Kept) -> Iterator[list[object]]:
    """Every number: a line for each rung, seed, cutter, β and part."""
    yield ["rung", "seed", "cutter", "beta", "chosen", "part", "voi_split", "voi_merge", "arand_skimage"]
    for line in kept.lines:
        for cutter, found in line["cutters"].items():
            for part, errors in found["errors"].items():
                for beta, values in errors.items():
                    chosen = float(beta) == found["chosen"][part]
                    yield [line["rung"], line["seed"], cutter, beta, chosen, part, *values]
