"""Tables of results: Markdown for people, every number as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from savem3.bench.request import Result

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Table:
    """A table in Markdown.

    Parameters
    ----------
    title
        One line above it.
    says
        Sentences on how to read it.
    head
        Names of the columns.
    rows
        Cells; each row as long as the head.
    """

    title: str
    says: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """As text."""
        lines = [f"## {self.title}", "", self.says, ""] if self.says else [f"## {self.title}", ""]
        lines += [_line(self.head), "|---" * len(self.head) + "|", *map(_line, self.rows)]
        return "\n".join(lines) + "\n"


def grid_of(
    results: Sequence[Result],
    metrics: Sequence[str],
    *,
    title: str,
    says: str,
    digits: int = 3,
    published: Mapping[str, Mapping[str, str]] | None = None,
    columns: Sequence[str] = (),
) -> Table:
    """Methods down, volumes across, some metrics in each cell, joined by strokes.

    Parameters
    ----------
    results
        All seeds of all methods.
    metrics
        Names of numbers.
    title, says, digits
        Of the table.
    published
        Rows of other people by name: what stands in each of their columns. They are marked as theirs.
    columns
        Those that stand in the table whatever was run, first.
    """
    other = published or {}
    names = list(dict.fromkeys([*columns, *(r.column for r in results), *(c for row in other.values() for c in row)]))
    rows = list(dict.fromkeys(r.row for r in results))
    own = [(row, *(cell_of(pick(results, row, name), metrics, digits=digits) for name in names)) for row in rows]
    theirs = [
        (f"*{row}* (published)", *(f"*{c.get(n, '')}*" if n in c else "" for n in names)) for row, c in other.items()
    ]
    return Table(title, says, ("method", *names), (*own, *theirs))


def pick(results: Iterable[Result], row: str, column: str) -> list[Result]:
    """All seeds of one cell."""
    return [r for r in results if (r.row, r.column) == (row, column)]


def cell_of(results: Sequence[Result], metrics: Sequence[str], *, digits: int = 3) -> str:
    """Means over seeds, with their standard deviation where there are several."""
    ran = [r for r in results if r.was_run]
    if not ran:
        return NOT_RUN
    return " / ".join(spread([r.values.get(metric, np.nan) for r in ran], digits=digits) for metric in metrics)


def spread(values: Sequence[float], *, digits: int = 3) -> str:
    """Mean ± standard deviation over seeds; the mean alone where there is one; a dash where there is none."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return "–"
    mean = f"{np.mean(known):.{digits}f}"
    return f"{mean} ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else mean


def write_tables(
    tables: Sequence[Table], results: Sequence[Result], *, title: str, says: str, folder: Path
) -> list[Path]:
    """Write results.md and results.csv; where they are."""
    text = f"# {title}\n\n{says}\n\n" + "\n".join(table.markdown() for table in tables)
    markdown, numbers = folder / "results.md", folder / "results.csv"
    markdown.write_text(text, encoding="utf-8")
    with numbers.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(_numbers(results))
    return [markdown, numbers]


def _numbers(results: Sequence[Result]) -> Iterable[list[object]]:
    """Every number on a line of its own, and a line for what was not run."""
    yield ["method", "volume", "seed", "metric", "value", "says"]
    for r in results:
        says = "; ".join(f"{key}: {value}" for key, value in r.says.items())
        if not r.was_run:
            yield [r.row, r.column, r.seed, NOT_RUN, "", says]
        for metric, value in r.values.items():
            yield [r.row, r.column, r.seed, metric, repr(round(value, 6)), says]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
