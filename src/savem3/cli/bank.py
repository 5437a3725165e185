"""Commands for public datasets: which there are, what they are, whether a folder holds them, where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from savem3.cli.options import AsJson, app, watch_of

bank = App(name="bank", help="Public datasets: which there are, on what terms, and whether a folder holds them.")
app.command(bank)

Folder = Annotated[Path, Parameter(help="Folder of the datasets' files.")]
Own = Annotated[Path | None, Parameter(help="Folder of the datasets' files, and of your own card.toml.")]


@bank.command(name="list")
def list_datasets(*, folder: Own = None, json: AsJson = False) -> None:
    """All datasets, a line each; with --folder also whether their files are there."""
    from savem3.runs.bank import run_list

    run_list(folder, as_json=json)


@bank.command
def show(name: Annotated[str, Parameter(help="Of a dataset.")], /, *, folder: Own = None, json: AsJson = False) -> None:
    """All that is known of a dataset: origin, terms, blocks, citation, and the files that are expected."""
    from savem3.runs.bank import run_show

    run_show(name, folder, as_json=json)


@bank.command
def check(
    name: Annotated[str, Parameter(help="Of a dataset, or all.")], folder: Folder, /, *, json: AsJson = False
) -> int:
    """Whether FOLDER holds a dataset as it should be: exit 0 if so, 2 if anything is missing or different.

    With all, a dataset of which nothing is there is left out.
    """
    from savem3.runs.bank import run_check

    return run_check(name, folder, as_json=json)


@bank.command
def fetch(name: Annotated[str, Parameter(help="Of a dataset.")], folder: Folder, /, *, json: AsJson = False) -> None:
    """Fetch a dataset's files into FOLDER, where they may be had without asking; goes on from what is there."""
    from savem3.runs.bank import run_fetch

    run_fetch(name, folder, watch=watch_of(json))
