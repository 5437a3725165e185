"""The command line: one verb a command, paths in, paths out."""

from __future__ import annotations

import json as json_text
import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from savem3 import __version__
from savem3.blocks import DISK_FULL, BlocksFailed, Terminated
from savem3.evaluate.contingency import Unsegmented
from savem3.request import Keep, Machine, Source, Work
from savem3.store.errors import MissingVoxelSize
from savem3.watch import Watch

app = App(
    name="savem3",
    version=__version__,
    help="Neurons from a volume-electron-microscopy stack that nobody has labelled.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
ERRORS = Console(stderr=True, highlight=False)

VIEWS: dict[str, Literal["auto", 1, 3]] = {"auto": "auto", "1": 1, "3": 3}

Out = Annotated[Path, Parameter(help="Where the result goes; must not exist yet.")]
Read = Annotated[Source, Parameter(name="*")]
On = Annotated[Machine, Parameter(name="*")]
By = Annotated[Work, Parameter(name="*")]
Kept = Annotated[Keep, Parameter(name="*")]
Overwrite = Annotated[bool, Parameter(help="Replace an older result once the new one is complete.")]
AsJson = Annotated[bool, Parameter(help="Lines of JSON for machines.")]
Model = Annotated[str, Parameter(help="A shipped student, or the path of a .safetensors file.")]
Teacher = Annotated[str, Parameter(help="A shipped teacher, or the path of a .safetensors file.")]
Views = Annotated[
    Literal["auto", "1", "3"],
    Parameter(help="Directions looked along and averaged; auto: 3 where voxels are isotropic. Costs time."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    Parameter(help="What the network's products are taken in; auto takes bfloat16 where the CPU has units for it."),
]
Beta = Annotated[float | None, Parameter(help="Where to cut, 0 to 1; the model's own by default. Lower joins more.")]
Cutter = Annotated[
    Literal["gasp_mean", "gasp_sum", "mean", "median", "multicut", "mutex", "quantile"],
    Parameter(help="How fragments are joined."),
]


@app.command
def demo(out: Path = Path("demo"), *, machine: On = Machine(), json: AsJson = False) -> None:
    """Reconstruct the bundled crop of FIB-25 and score it against its truth."""
    from savem3.runs import run_demo

    run_demo(out, machine=machine, watch=_watch(json))


@app.command
def reconstruct(
    raw: str,
    out: Out,
    *,
    source: Read = Source(),
    model: Model = "savem3-fast",
    adapt: Annotated[str, Parameter(help="off, or how many steps to train on this volume first.")] = "off",
    teacher: Teacher = "saem2-tiny",
    beta: Beta = None,
    cutter: Annotated[
        Literal["gasp_mean", "gasp_sum", "mean", "median", "multicut", "mutex", "quantile"] | None,
        Parameter(help="How fragments are joined; the model's own by default."),
    ] = None,
    views: Annotated[
        Literal["auto", "1", "3"],
        Parameter(help="Directions looked along and averaged; auto: 3 where voxels are isotropic. Costs time."),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Parameter(help="What the network's products are taken in; auto takes bfloat16 where the CPU has units for it."),
    ] = "auto",
    truth: Annotated[str | None, Parameter(help="Labels to score against, for the report.")] = None,
    skip_report: Annotated[
        bool, Parameter(help="Leave out report.html and picture.png, which take some 10 s.")
    ] = False,
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
        adapt_steps=_steps(adapt),
        beta=beta,
        cutter=cutter,
        views=VIEWS[views],
        precision=precision,
        truth=truth,
        skip_report=skip_report,
    )
    run_reconstruct(
        raw,
        out,
        source=source,
        choices=choices,
        machine=machine,
        work=work,
        keep=keep,
        watch=_watch(json),
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
    machine: On = Machine(),
    work: By = Work(),
    json: AsJson = False,
) -> None:
    """Time, memory and disk that RAW would take, measured on a window of it; exit code 2 if they cannot suffice."""
    from savem3.runs import Choices, run_plan

    _watch(json)
    choices = Choices(model=model, views=VIEWS[views], precision=precision)
    run_plan(raw, out, source=source, choices=choices, machine=machine, work=work, as_json=json)


@app.command
def doctor(*, json: AsJson = False) -> int:
    """Look whether all that savem3 needs is here and works; exit code 1 if not."""
    try:
        from savem3.runs import run_doctor
    except ImportError as error:
        return _fail(ImportError(f"savem3 cannot start, {error}: pip install --force-reinstall savem3"), 1)
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

    return 0 if run_verify(run, machine=machine, work=work, watch=_watch(json)) else 5


@app.command
def distill(
    raw: str,
    out: Annotated[Path, Parameter(help="The student's weights, OUT.safetensors.")],
    *,
    source: Read = Source(),
    teacher: Teacher = "saem2-tiny",
    start: Annotated[str | None, Parameter(help="A student to go on from; a fresh one otherwise.")] = None,
    student: Annotated[Literal["fast", "superhuman"], Parameter(help="What a fresh student is.")] = "fast",
    steps: Annotated[int, Parameter(help="Training steps; about 1 s each on one core for fast.")] = 1000,
    seed: Annotated[int, Parameter(help="Of weights, crops and augmentation.")] = 0,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Teach a student the volume RAW, without labels."""
    from savem3.runs import Lessons, run_distill

    lessons = Lessons(teacher=teacher, start=start, student=student, steps=steps, seed=seed)
    run_distill(raw, out, source=source, lessons=lessons, machine=machine, overwrite=overwrite, watch=_watch(json))


@app.command
def predict(
    raw: str,
    out: Out,
    *,
    source: Read = Source(),
    model: Model = "savem3-fast",
    machine: On = Machine(),
    work: By = Work(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """The boundary map of RAW: 255 is membrane."""
    from savem3.runs import run_predict

    run_predict(
        raw, out, source=source, model=model, machine=machine, work=work, overwrite=overwrite, watch=_watch(json)
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

    run_oversegment(boundary, out, source=source, machine=machine, work=work, overwrite=overwrite, watch=_watch(json))


@app.command
def cut(
    fragments: str,
    boundary: str,
    out: Out,
    *,
    source: Read = Source(),
    beta: Annotated[float, Parameter(help="Where to cut, 0 to 1. Lower joins more.")] = 0.5,
    cutter: Cutter = "multicut",
    machine: On = Machine(),
    work: By = Work(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Join fragments to neurons, by the mean boundary on their contacts."""
    from savem3.runs import run_cut

    run_cut(
        fragments,
        boundary,
        out,
        source=source,
        beta=beta,
        cutter=cutter,
        machine=machine,
        work=work,
        overwrite=overwrite,
        watch=_watch(json),
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


@app.command
def view(
    labels: str,
    raw: str,
    out: Annotated[Path, Parameter(help="A folder for PNG sections, or one page, OUT.html.")],
    *,
    source: Read = Source(),
    boundary: Annotated[str | None, Parameter(help="A boundary map to show beside.")] = None,
    fragments: Annotated[str | None, Parameter(help="Fragments to show beside.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Pictures of RAW with LABELS in colour: PNG sections in a folder, or one self-contained page."""
    from savem3.runs import run_view

    run_view(labels, raw, out, source=source, boundary=boundary, fragments=fragments, overwrite=overwrite)


def main() -> None:
    """Run a command; an error is one sentence and an exit code.

    0 done, 2 bad input, 4 output exists, 5 some blocks failed or are damaged, or the disk is full, 130 stopped by
    Ctrl-C, 143 by SIGTERM.
    """
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        answer = app(arguments, result_action="return_value")
    except MissingVoxelSize as question:
        return _ask_for_voxel_size(arguments, question)
    except FileExistsError as error:
        return _fail(error, 4)
    except OSError as error:
        return _fail(error, 5 if error.errno in DISK_FULL else 2)
    except (ValueError, TypeError) as error:
        return _fail(error, 2)
    except BlocksFailed as error:
        return _fail(error, 5)
    except Terminated:
        ERRORS.print("stopped; a run goes on with --resume from what is done")
        return 143
    except KeyboardInterrupt:
        ERRORS.print("stopped; a run goes on with --resume from what is done")
        return 130
    return answer if isinstance(answer, int) else 0


def _ask_for_voxel_size(arguments: list[str], question: MissingVoxelSize) -> int:
    """At a terminal the missing size is asked for, once; elsewhere the question is the error."""
    if not sys.stdin.isatty() or "--voxel-size" in arguments:
        return _fail(question, 2)
    ERRORS.print(escape(str(question)), soft_wrap=True)
    return run([*arguments, "--voxel-size", Prompt.ask("Voxel size in nm, as Z,Y,X", console=ERRORS)])


def _fail(error: Exception, code: int) -> int:
    ERRORS.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
    return code


def _watch(as_json: bool) -> Watch:
    """Shows a run's stages; warnings are sentences, and the run keeps them for its report."""
    watch = Watch(show="lines" if as_json else "bars")

    def show(message: Warning | str, kind: type[Warning], *_: object) -> None:
        if not issubclass(kind, UserWarning):
            return
        watch.warnings.append(str(message))
        ERRORS.print(f"[yellow]warning:[/] {escape(str(message))}", soft_wrap=True)

    warnings.showwarning = show  # type: ignore[assignment]
    return watch


def _steps(adapt: str) -> int:
    if adapt == "off":
        return 0
    if not adapt.isdigit():
        raise ValueError(f"--adapt must be off or a number of training steps, got {adapt!r}")
    return int(adapt)


def _print_scores(scores: dict[str, float | int | str], *, as_json: bool) -> None:
    console = Console(highlight=False)
    if as_json:
        console.out(json_text.dumps(scores), highlight=False)
        return
    for name, value in scores.items():
        console.print(f"{name:<20} {value:.4f}" if isinstance(value, float) else f"{name:<20} {value}")


if __name__ == "__main__":
    main()
