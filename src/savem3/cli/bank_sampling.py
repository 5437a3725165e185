"""Commands that say what training would draw from public datasets, and what their masks are like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from savem3.cli.bank import Folder, bank
from savem3.cli.options import AsJson, Overwrite, watch_of

Seed = Annotated[int, Parameter(help="Draws everything.")]
Names = Annotated[str, Parameter(help="Annotated datasets: CARD:SPLIT, CARD/BLOCK:SPLIT, CARD:SPLIT:FIRST-LAST.")]


@bank.command
def sample(
    folder: Folder,
    /,
    *names: Names,
    seed: Seed = 0,
    epoch: Annotated[int, Parameter(help="From 0.")] = 0,
    position: Annotated[int, Parameter(help="Draws of the epoch that are done; the file has the rest.")] = 0,
    per_imaging: Annotated[int, Parameter(help="Masks of each imaging method.")] = 30_000,
    published: Annotated[bool, Parameter(help="Datasets get the published quotas of an imaging method.")] = False,
    index: Annotated[Path | None, Parameter(help="NAME.safetensors to keep the list of masks in.")] = None,
    out: Annotated[Path | None, Parameter(help="A CSV file of the draws, in their order.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Which masks of datasets in FOLDER an epoch of training draws: equally many of each imaging method."""
    from savem3.bank import Place
    from savem3.runs.bank_sampling import Drawing, run_sample

    drawing = Drawing(Place(seed, epoch, position), per_imaging, published, index)
    run_sample(folder, names, out, drawing=drawing, overwrite=overwrite)


@bank.command
def statistics(
    folder: Folder,
    /,
    *names: Names,
    out: Annotated[Path, Parameter(help="The page, NAME.html; what was measured goes to NAME.csv.")] = Path(
        "statistics.html"
    ),
    most: Annotated[int, Parameter(help="Masks that are measured at most, equally many of each dataset.")] = 20_000,
    seed: Annotated[int, Parameter(help="Chooses them.")] = 0,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """How many masks datasets in FOLDER have, how large, concave and thin they are and where they lie."""
    from savem3.runs.bank_sampling import run_statistics

    run_statistics(folder, names, out, most=most, seed=seed, overwrite=overwrite, watch=watch_of(json))
