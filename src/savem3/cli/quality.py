"""The command that says how far to trust labels without truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from savem3.cli.options import AsJson, On, Overwrite, Read, app, watch_of
from savem3.request import Machine, Source, Work


@app.command
def quality(
    run: Annotated[str, Parameter(help="A finished run directory, or labels of any tool.")],
    *,
    source: Read = Source(),
    raw: Annotated[
        str | None, Parameter(help="The raw volume, where the run does not name it or it was moved.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="A new folder; RUN/quality by default.")] = None,
    truth: Annotated[
        str | None, Parameter(help="Labels that tell how well the report held; used for nothing else.")
    ] = None,
    block: Annotated[str | None, Parameter(help="Z,Y,X in voxels: the blocks that another tool worked in.")] = None,
    stability: Annotated[
        bool, Parameter(negative="--no-stability", help="Compute the middle again, differently seen; takes longest.")
    ] = True,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """How far to trust RUN without truth: a page, its numbers, and a list of places to look at first."""
    from savem3.runs.quality import run_quality

    run_quality(
        run,
        out,
        raw=raw,
        source=source,
        truth=truth,
        block=Work(block=block).block_shape,
        stability=stability,
        machine=machine,
        overwrite=overwrite,
        watch=watch_of(json),
    )
