"""The command that looks at a volume before anything is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from savem3.cli.options import AsJson, Overwrite, Read, app, watch_of
from savem3.request import Source


@app.command
def check(
    volume: str,
    *,
    source: Read = Source(),
    full: Annotated[bool, Parameter(help="Read more of each section, however many there are.")] = False,
    out: Annotated[Path | None, Parameter(help="A folder for check.json, sections.csv and pictures.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> int:
    """What VOLUME is, and what is wrong with it: exit 0 also with warnings, 2 if it is refused."""
    from savem3.runs.check import run_check

    watch = watch_of(json)
    if json:
        watch.show = "nothing"
    return run_check(
        volume,
        source=source,
        full=full,
        out=out,
        overwrite=overwrite,
        as_json=json,
        watch=watch,
    )
