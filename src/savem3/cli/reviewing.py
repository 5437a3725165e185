"""Commands for the person in the loop: settle a queue of masks on a page, and make labels of what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.cli.options import ERRORS, AsJson, Overwrite, app, watch_of


@app.command
def review(
    folder: Annotated[Path, Parameter(help="A review folder, as cleanse and unify leave it.")],
    *,
    reviewer: Annotated[str | None, Parameter(help="Whose log is gone on with; your user name if absent.")] = None,
    dataset: Annotated[tuple[str, ...], Parameter(help="Show its items alone; may be given several times.")] = (),
    port: Annotated[int, Parameter(help="Where to listen, on this machine only; 0 takes a free one.")] = 0,
    browser: Annotated[bool, Parameter(negative="--no-browser", help="Open it in the browser.")] = True,
) -> None:
    """Look through the queue of FOLDER in the browser: keep the old mask, take the new one, neither, or draw one."""
    from savem3.runs.review import run_review

    def say(sentence: str) -> None:
        ERRORS.print(sentence, soft_wrap=True, markup=False)

    run_review(folder, say=say, reviewer=reviewer, datasets=dataset, port=port, opens_browser=browser)


@app.command
def settle(
    folder: Annotated[Path, Parameter(help="A review folder with the logs of those who looked through it.")],
    out: Annotated[Path, Parameter(help="A new folder for labels and settled.json.")],
    *,
    logs: Annotated[tuple[str, ...], Parameter(help="Reviewers whose logs count; all if absent.")] = (),
    on_conflict: Annotated[
        Literal["refuse", "old", "newest"],
        Parameter(help="What settles items on which reviewers differ: nothing, the old mask, what was said last."),
    ] = "refuse",
    referee: Annotated[str | None, Parameter(help="A reviewer whose verdicts go before those of the others.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Make labels of what reviewers said of FOLDER; items on which they differ are listed and refused."""
    from savem3.runs.review import run_settle, table_of

    watch = watch_of(json)
    options = {"reviewers": logs, "on_conflict": on_conflict, "referee": referee, "overwrite": overwrite}
    merged = run_settle(folder, out, watch=watch, **options)  # type: ignore[arg-type]
    if merged.conflicts:
        ERRORS.print(table_of(merged))
