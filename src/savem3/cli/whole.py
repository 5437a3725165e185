"""Commands for the whole way: from a raw volume to neurons, what it will cost, whether all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.cli.options import (
    VIEWS,
    AsJson,
    Asks,
    By,
    Cutter,
    Kept,
    Model,
    On,
    Out,
    Precision,
    Read,
    Resample,
    Teacher,
    Views,
    app,
    fail,
    watch_of,
)
from savem3.request import Asking, Keep, Machine, Source, Work

Adapt = Annotated[
    str,
    Parameter(help="off, how many steps to train on this volume first, or auto: while it seems to help."),
]

OwnCutter = Annotated[Cutter | None, Parameter(help="How fragments are joined; the model's own by default.")]


@app.command
def demo(out: Path = Path("demo"), *, machine: On = Machine(), json: AsJson = False) -> None:
    """Reconstruct the bundled crop of FIB-25 and score it against its truth."""
    from savem3.runs import run_demo

    run_demo(out, machine=machine, watch=watch_of(json))


@app.command
def reconstruct(
    raw: str,
    out: Out,
    *,
    source: Read = Source(),
    model: Model = "savem3-fast",
    adapt: Adapt = "off",
    adapt_seconds: Annotated[
        float, Parameter(help="Time that --adapt auto may take by the clock, the teacher's maps included.")
    ] = 300.0,
    teacher: Teacher = "saem2-tiny",
    beta: Annotated[
        float | Literal["auto"] | None,
        Parameter(
            help="Where to cut, 0 to 1, lower joins more; auto chooses on this volume without labels; "
            "the model's own by default."
        ),
    ] = None,
    cutter: OwnCutter = None,
    views: Views = "auto",
    precision: Precision = "auto",
    resample: Resample = "auto",
    truth: Annotated[str | None, Parameter(help="Labels to score against, for the report.")] = None,
    skip_report: Annotated[
        bool, Parameter(help="Leave out report.html and picture.png, which take some 10 s.")
    ] = False,
    asking: Asks = Asking(),
    machine: On = Machine(),
    work: By = Work(),
    keep: Kept = Keep(),
    json: AsJson = False,
) -> None:
    """Neurons from RAW: predict, oversegment, cut; OUT gets labels.zarr, report.html and all between."""
    from savem3.runs import Choices, run_reconstruct

    choices = Choices(
        model=model,
        teacher=teacher,
        adapt=_steps(adapt),
        adapt_seconds=adapt_seconds,
        beta=beta,
        cutter=cutter,
        views=VIEWS[views],
        precision=precision,
        truth=truth,
        skip_report=skip_report,
        asking=asking,
        resample=resample,
    )
    run_reconstruct(
        raw,
        out,
        source=source,
        choices=choices,
        machine=machine,
        work=work,
        keep=keep,
        watch=watch_of(json),
    )


@app.command
def plan(
    raw: str,
    out: Annotated[Path, Parameter(help="Where the result would go: on which disk.")] = Path(),
    *,
    source: Read = Source(),
    model: Model = "savem3-fast",
    views: Views = "auto",
    precision: Precision = "auto",
    resample: Resample = "auto",
    teacher: Teacher = "saem2-tiny",
    adapt: Adapt = "off",
    adapt_seconds: Annotated[float, Parameter(help="Time that --adapt auto may take.")] = 300.0,
    asking: Asks = Asking(),
    machine: On = Machine(),
    work: By = Work(),
    json: AsJson = False,
) -> None:
    """Time, memory and disk that RAW would take, measured on a window of it; exit code 2 if they cannot suffice."""
    from savem3.runs import Choices, run_plan

    watch_of(json)
    choices = Choices(
        model=model,
        teacher=teacher,
        adapt=_steps(adapt),
        adapt_seconds=adapt_seconds,
        views=VIEWS[views],
        precision=precision,
        asking=asking,
        resample=resample,
    )
    run_plan(raw, out, source=source, choices=choices, machine=machine, work=work, as_json=json)


@app.command
def doctor(*, json: AsJson = False) -> int:
    """Look whether all that savem3 needs is here and works; exit code 1 if not."""
    try:
        from savem3.runs import run_doctor
    except ImportError as error:
        return fail(ImportError(f"savem3 cannot start, {error}: pip install --force-reinstall savem3"), 1)
    return 0 if run_doctor(as_json=json) else 1


@app.command
def selfcheck(
    folder: Annotated[
        Path | None, Parameter(help="Where to work, a place that all workers see; a temporary folder otherwise.")
    ] = None,
    *,
    machine: On = Machine(),
    work: By = Work(executor="processes", workers=2),
    json: AsJson = False,
) -> int:
    """Prove on this machine or cluster, in about a minute, that blocks, kills and damage change no byte."""
    from savem3.runs import run_selfcheck

    return 0 if run_selfcheck(folder, machine=machine, work=work, as_json=json) else 1


@app.command
def verify(
    run: Annotated[Path, Parameter(help="A run directory.")],
    *,
    machine: On = Machine(),
    work: By = Work(),
    json: AsJson = False,
) -> int:
    """Whether all outputs of a run are there, byte for byte as they were written. Changes nothing."""
    from savem3.runs import run_verify

    return 0 if run_verify(run, machine=machine, work=work, watch=watch_of(json)) else 5


def _steps(adapt: str) -> int | Literal["auto"]:
    if adapt == "auto":
        return "auto"
    if adapt == "off":
        return 0
    if not (adapt.isascii() and adapt.isdigit()):
        raise ValueError(f"--adapt must be off or a number of training steps, or auto, got {adapt!r}")
    return int(adapt)
