"""Results that are kept, one file each: what is finished is not run again; if an input has changed, it is named."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savem3.bench.request import Result
from savem3.identity import differences

Make = Callable[[], tuple[Mapping[str, float], Mapping[str, Any]]]
"""Gives the numbers of a cell, and what they are to be read with."""


def digest_of_values(values: object) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Cells:
    """The finished cells of one suite.

    Parameters
    ----------
    folder
        Where they are kept.
    renew
        Whether a cell whose inputs changed is run again, rather than refused.
    only_tables
        Whether nothing is run.
    results
        What was asked for so far, in its order.
    """

    folder: Path
    renew: bool = False
    only_tables: bool = False
    results: list[Result] = field(default_factory=list)

    def do(self, row: str, column: str, *, of: Mapping[str, Any], make: Make, seed: int = 0) -> Result:
        """A cell, from its file or made now.

        Parameters
        ----------
        row, column, seed
            Where it stands.
        of
            All that its numbers depend on, in plain values: digests of data and models, settings.
        make
            Runs it. A package that is missing leaves the cell empty, and says which.

        Raises
        ------
        ValueError
            If it was run on something else; what changed is named.
        """
        file, plain = self.file_of(row, column, seed), json.loads(json.dumps(dict(of)))
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        if kept is not None and kept["of"] != plain:
            if not self.renew:
                changed = "; ".join(differences(kept["of"], plain))
                raise ValueError(f"{row} on {column} must be of the same inputs, got others ({changed}): pass --renew")
            kept = None
        result = self._read(row, column, seed, kept) if kept else self._make(row, column, seed, plain, make, file)
        self.results.append(result)
        return result

    def leave_out(self, row: str, column: str, why: str) -> None:
        """A cell that cannot be run here."""
        self.results.append(Result(row, column, says={"not run": why}))

    def file_of(self, row: str, column: str, seed: int) -> Path:
        """Where a cell is kept; a name that is not plain text gets a digest, so that no two share a file."""
        name = "--".join(re.sub(r"[^\w.]+", "-", part).strip("-")[:60] for part in (row, column))
        mark = hashlib.sha256(f"{row}\0{column}".encode()).hexdigest()[:8]
        return self.folder / f"{name}--{mark}--{seed}.json"

    def _read(self, row: str, column: str, seed: int, kept: Mapping[str, Any]) -> Result:
        return Result(row, column, kept["values"], seed, kept["says"])

    def _make(self, row: str, column: str, seed: int, of: Mapping[str, Any], make: Make, file: Path) -> Result:
        if self.only_tables:
            return Result(row, column, seed=seed, says={"not run": "only tables were asked for"})
        begun = time.process_time()
        try:
            values, says = make()
        except ModuleNotFoundError as error:
            return Result(row, column, seed=seed, says={"not run": str(error)})
        kept = {"row": row, "column": column, "seed": seed, "of": of, "values": dict(values), "says": dict(says)}
        kept["cpu_seconds"] = round(time.process_time() - begun, 2)
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(file)
        return self._read(row, column, seed, json.loads(file.read_text(encoding="utf-8")))
