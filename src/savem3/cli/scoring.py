"""The command that compares labels with a truth."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from savem3.cli.options import AsJson, Read, app, watch_of
from savem3.evaluate.contingency import Unsegmented
from savem3.evaluate.wanted import Draws, Known, Tables, Traces
from savem3.request import Source

Flat = Parameter(name="*")


@app.command
def score(
    segmentation: str,
    truth: str | None = None,
    *,
    source: Read = Source(),
    truth_sections: Annotated[
        str | None, Parameter(help="Sections of the truth, where they are numbered otherwise.")
    ] = None,
    fragments: Annotated[str | None, Parameter(help="Fragments, for the best that could be made of them.")] = None,
    unsegmented: Annotated[Unsegmented, Parameter(help="What voxels with label 0 count as.")] = "segment",
    known: Annotated[Known, Flat] = Known(),
    traces: Annotated[Traces, Flat] = Traces(),
    draws: Annotated[Draws, Flat] = Draws(),
    tables: Annotated[Tables, Flat] = Tables(),
    workers: Annotated[int, Parameter(help="Threads.")] = 1,
    json: AsJson = False,
) -> None:
    """VoI, ARand and more of SEGMENTATION against TRUTH, and run lengths on skeletons; truth 0 is not compared."""
    from savem3.runs import score_files

    watch_of(json)
    scores = score_files(
        segmentation,
        truth,
        source=source,
        truth_sections=truth_sections,
        fragments=fragments,
        unsegmented=unsegmented,
        known=known,
        traces=traces,
        draws=draws,
        tables=tables,
        workers=workers,
    )
    if json:
        Console(highlight=False).out(json_text.dumps(scores), highlight=False)
    else:
        _print_scores(scores)


def _print_scores(scores: dict[str, Any]) -> None:
    """A line a score: its unit, and its intervals where there are any."""
    from savem3.runs.score_tables import unit_of

    console = Console(highlight=False)
    drawn = scores.get("intervals", {})
    for name, value in scores.items():
        if name == "intervals":
            shown = f"95 %, {value['draws']} draws of bodies and of blocks, seed {value['seed']}"
        else:
            shown = f"{value:.4f}" if isinstance(value, float) else f"{value}"
        ends = [
            f"{over} {drawn[over][name][0]:.4f}–{drawn[over][name][1]:.4f}"
            for over in ("bodies", "blocks")
            if name in drawn.get(over, {})
        ]
        line = f"{name:<20} {shown} {unit_of(name)}".rstrip() + (f" ({', '.join(ends)})" if ends else "")
        console.print(line, soft_wrap=True, markup=False)
