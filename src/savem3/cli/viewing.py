"""Commands to look at what was made: in the browser, and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from savem3.cli.options import ERRORS, Overwrite, Read, app
from savem3.request import Source


@app.command
def view(
    run: Path,
    *,
    raw: Annotated[
        str | None, Parameter(help="The raw volume, where the run does not name it or it was moved.")
    ] = None,
    port: Annotated[int, Parameter(help="Where to listen, on this machine only; 0 takes a free one.")] = 0,
    screenshot: Annotated[
        Path | None, Parameter(help="Draw this PNG instead, with a browser without a window.")
    ] = None,
    browser: Annotated[bool, Parameter(negative="--no-browser", help="Open it in the browser.")] = True,
    overwrite: Overwrite = False,
) -> None:
    """RUN in the browser: sections along three axes and neurons in three dimensions. Nothing leaves this machine."""
    from savem3.runs.view import run_browse

    def say(sentence: str) -> None:
        ERRORS.print(sentence, soft_wrap=True, markup=False)

    run_browse(run, say=say, raw=raw, port=port, screenshot=screenshot, opens_browser=browser, overwrite=overwrite)


@app.command
def pictures(
    labels: str,
    raw: str,
    out: Annotated[Path, Parameter(help="A new folder for PNG sections.")],
    *,
    source: Read = Source(),
    boundary: Annotated[str | None, Parameter(help="A boundary map to show beside.")] = None,
    fragments: Annotated[str | None, Parameter(help="Fragments to show beside.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Pictures of RAW with LABELS in colour: PNG sections; with boundary and fragments also one page."""
    from savem3.runs import run_view

    run_view(labels, raw, out, source=source, boundary=boundary, fragments=fragments, overwrite=overwrite)
