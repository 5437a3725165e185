"""What a suite leaves: tables, results, the files it read, the pictures to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from savem3.bench.request import Result
from savem3.bench.tables import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """A suite's result.

    Parameters
    ----------
    suite
        Its name.
    title, says
        Above its tables.
    tables
        In their order.
    results
        Every number.
    inputs
        Files and folders that it read.
    pictures
        Numbers that are drawn, and what their axis is called.
    """

    suite: str
    title: str
    says: str
    tables: Sequence[Table]
    results: Sequence[Result]
    inputs: Sequence[Path]
    pictures: Mapping[str, str] = field(default_factory=dict)
