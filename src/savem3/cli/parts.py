"""Commands for single steps, scores and pictures."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from savem3.cli.options import (
    AsJson,
    Asks,
    By,
    Cutter,
    Model,
    On,
    Out,
    Overwrite,
    Read,
    Resample,
    Teacher,
    app,
    watch_of,
)
from savem3.evaluate.contingency import Unsegmented
from savem3.request import Asking, Machine, Source, Work


@app.command
def predict(
    raw: str,
    out: Out,
    *,
    source: Read = Source(),
    model: Model = "savem3-fast",
    resample: Resample = "auto",
    machine: On = Machine(),
    work: By = Work(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """The boundary map of RAW: 255 is membrane."""
    from savem3.runs import run_predict

    run_predict(
        raw,
        out,
        source=source,
        model=model,
        resample=resample,
        machine=machine,
        work=work,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@app.command
def oversegment(
    boundary: str,
    out: Out,
    *,
    source: Read = Source(),
    machine: On = Machine(),
    work: By = Work(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Fragments of a boundary map (0–255, or 0–1; high is membrane)."""
    from savem3.runs import run_oversegment

    run_oversegment(boundary, out, source=source, machine=machine, work=work, overwrite=overwrite, watch=watch_of(json))


@app.command
def cut(
    fragments: str,
    boundary: str,
    out: Out,
    *,
    source: Read = Source(),
    beta: Annotated[
        float | Literal["auto"],
        Parameter(help="Where to cut, 0 to 1, lower joins more; auto chooses on BOUNDARY without labels."),
    ] = 0.5,
    cutter: Cutter = "multicut",
    raw: Annotated[str | None, Parameter(help="The volume itself, for prompts.")] = None,
    teacher: Teacher = "saem2-tiny",
    asking: Asks = Asking(),
    machine: On = Machine(),
    work: By = Work(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Join fragments to neurons, by the mean boundary on their contacts, and by prompts if any are asked."""
    from savem3.runs import run_cut

    run_cut(
        fragments,
        boundary,
        out,
        source=source,
        beta=beta,
        cutter=cutter,
        raw=raw,
        teacher=teacher,
        asking=asking,
        machine=machine,
        work=work,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@app.command
def score(
    segmentation: str,
    truth: str,
    *,
    source: Read = Source(),
    truth_sections: Annotated[
        str | None, Parameter(help="Sections of the truth, where they are numbered otherwise.")
    ] = None,
    relabel: Annotated[bool, Parameter(help="Number the truth by 6-connected components first, for crops.")] = False,
    fragments: Annotated[str | None, Parameter(help="Fragments, for the best that could be made of them.")] = None,
    unsegmented: Annotated[Unsegmented, Parameter(help="What voxels with label 0 count as.")] = "segment",
    json: AsJson = False,
) -> None:
    """VoI and ARand of SEGMENTATION against TRUTH; where the truth is 0, nothing is compared."""
    from savem3.runs import score_files

    scores = score_files(
        segmentation,
        truth,
        source=source,
        truth_sections=truth_sections,
        relabel=relabel,
        fragments=fragments,
        unsegmented=unsegmented,
    )
    _print_scores(scores, as_json=json)


def _print_scores(scores: dict[str, float | int | str], *, as_json: bool) -> None:
    console = Console(highlight=False)
    if as_json:
        console.out(json_text.dumps(scores), highlight=False)
        return
    for name, value in scores.items():
        console.print(f"{name:<20} {value:.4f}" if isinstance(value, float) else f"{name:<20} {value}")
