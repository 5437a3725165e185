"""Commands of the data engine: labels are cleansed, and unified by a teacher that learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.cli.options import AsJson, By, Kept, On, Out, Read, app, watch_of
from savem3.request import Keep, Machine, Source, Work


@app.command
def cleanse(
    raw: str,
    labels: str,
    out: Out,
    *,
    source: Read = Source(),
    to_nm: Annotated[float | None, Parameter(help="Bring pixels along y and x to 4 or 8 nm (any length).")] = None,
    myelin: Annotated[tuple[int, ...], Parameter(consume_multiple=True, help="Labels that become background.")] = (),
    glia: Annotated[
        tuple[int, ...], Parameter(consume_multiple=True, help="Labels that nothing is to be learned from.")
    ] = (),
    mask: Annotated[str | None, Parameter(help="A volume that is 0 where nothing is to be learned.")] = None,
    erode: Annotated[int, Parameter(help="Take so many pixels from each label's border.")] = 0,
    realign: Annotated[bool, Parameter(help="Move sections that lie off the ones before.")] = False,
    clean: Annotated[bool, Parameter(help="Drop specks, fill holes.")] = False,
    record: Annotated[Path | None, Parameter(help="Do what a cleanse.json says, instead of all these.")] = None,
    machine: On = Machine(),
    work: By = Work(),
    keep: Kept = Keep(),
    json: AsJson = False,
) -> None:
    """Make annotated RAW and LABELS fit to learn from; OUT gets raw.zarr, labels.zarr, mask.zarr and cleanse.json."""
    from savem3.runs.cleanse import Cleaning, run_cleanse

    cleaning = Cleaning(to_nm, myelin, glia, mask, erode, realign, clean, record)
    if record is not None and cleaning != Cleaning(mask=mask, record=record):
        raise ValueError("--record must go without other operations, got some: it says what is done")
    watch = watch_of(json)
    run_cleanse(raw, labels, out, source=source, cleaning=cleaning, machine=machine, work=work, keep=keep, watch=watch)


@app.command
def unify(
    *folders: Annotated[Path, Parameter(help="What cleanse left, or an earlier unify: OUT/NAME.")],
    out: Annotated[Path, Parameter(help="Where the result goes; savem3 review opens it.")],
    teacher: Annotated[
        str, Parameter(help="A shipped teacher, a .safetensors file, or the folder of a SAM (without steps).")
    ] = "saem2-tiny",
    rounds: Annotated[int, Parameter(help="Times that the teacher learns and then draws.")] = 2,
    steps: Annotated[int, Parameter(help="Training steps a round; 0 draws once with the teacher as it is.")] = 1000,
    recipe: Annotated[
        Literal["unification", "refinement"],
        Parameter(help="Replace above IoU 0.7; or, what people drew, above 0.5, asked with eroded masks."),
    ] = "unification",
    erode: Annotated[int | None, Parameter(help="Pixels that mask prompts are eroded by.")] = None,
    prompt: Annotated[Literal["mask", "box"], Parameter(help="What the teacher is asked with.")] = "mask",
    overlap: Annotated[Literal["mask", "box"], Parameter(help="Whose IoU says that masks repeat each other.")] = "mask",
    guard: Annotated[
        bool, Parameter(negative="--no-guard", help="Leave alone what would not move to a stronger membrane.")
    ] = True,
    truth: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Reference labels, one for each folder, to score by.")
    ] = (),
    seed: Annotated[int, Parameter(help="Of training.")] = 0,
    machine: On = Machine(),
    work: By = Work(),
    keep: Kept = Keep(),
    json: AsJson = False,
) -> None:
    """Have a teacher learn from cleansed FOLDERS and draw their masks anew where it agrees; the rest is queued."""
    from savem3.runs.rounds import Unifying, run_rounds

    unifying = Unifying(teacher, rounds, steps, recipe, erode, prompt, overlap, guard, truth, seed)
    watch = watch_of(json)
    run_rounds(folders, out, unifying=unifying, machine=machine, work=work, keep=keep, watch=watch)
