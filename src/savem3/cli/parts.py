"""Commands for single steps."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

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
