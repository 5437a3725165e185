"""Commands that teach networks, and ask one for masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.cli.options import AsJson, By, Kept, On, Out, Overwrite, Read, Teacher, app, watch_of
from savem3.request import Keep, Machine, Source, Work


@app.command
def pretrain(
    out: Annotated[Path, Parameter(help="The teacher's weights, OUT.safetensors.")],
    *,
    data: Annotated[Path, Parameter(help="Folder of the datasets' files.")] = Path("."),
    labels: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Annotated datasets: CARD:SPLIT, CARD:SPLIT:FIRST-LAST, synthetic:N."),
    ] = (),
    own: Annotated[
        tuple[tuple[str, str], ...], Parameter(help="Your own annotated volume: RAW LABELS; may be given again.")
    ] = (),
    tests: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Cards that will be scored: refuses to learn from their tissue."),
    ] = (),
    recipe: Annotated[
        Literal["h200_half_hour", "heads_small_cpu", "paper", "small_cpu"], Parameter(help="All other settings.")
    ] = "small_cpu",
    steps: Annotated[int | None, Parameter(help="Training steps; the recipe's own by default.")] = None,
    start: Annotated[str | None, Parameter(help="A teacher to go on from; a fresh one otherwise.")] = None,
    over: Annotated[
        str | None, Parameter(help="The folder of a SAM, HQ-SAM or MobileSAM: heads are taught over it.")
    ] = None,
    kept: Annotated[Path | None, Parameter(help="A folder for what its frozen encoder makes of sections.")] = None,
    frozen: Annotated[bool, Parameter(help="Keep encoder and heads as they are; only prompts are learned.")] = False,
    without_heads: Annotated[bool, Parameter(help="Leave out the boundary's and the distance's loss.")] = False,
    seed: Annotated[int, Parameter(help="Of weights, crops, prompts and augmentation.")] = 0,
    voxel_size: Annotated[
        str | None, Parameter(help="Of your own volumes: Z,Y,X in nm, where a file has none.")
    ] = None,
    machine: On = Machine(),
    resume: Annotated[bool, Parameter(help="Go on with a run that was cut off.")] = False,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Teach a 2D teacher on annotated volumes: membranes, distances, and masks for prompts."""
    from savem3.runs import Schooling, run_pretrain

    schooling = Schooling(
        data, labels, own, tests, recipe, steps, start, over, kept, frozen, without_heads, seed, voxel_size
    )
    run_pretrain(out, schooling=schooling, machine=machine, resume=resume, overwrite=overwrite, watch=watch_of(json))


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
    agreed: Annotated[
        bool, Parameter(help="Cut the teacher's map without labels, and learn the borders of its segments.")
    ] = True,
    drawn: Annotated[
        int | None,
        Parameter(help="Learn from so many drawn volumes with true membranes as well; 16 if isotropic, else none."),
    ] = None,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Teach a student the volume RAW, without labels."""
    from savem3.runs import Lessons, run_distill
    from savem3.teaching import Teaching

    taught = Teaching(agreed=agreed, drawn=drawn)
    lessons = Lessons(teacher=teacher, start=start, student=student, steps=steps, seed=seed, teaching=taught)
    run_distill(raw, out, source=source, lessons=lessons, machine=machine, overwrite=overwrite, watch=watch_of(json))


@app.command
def masks(
    raw: str,
    out: Out,
    *,
    source: Read = Source(),
    teacher: Annotated[
        str, Parameter(help="A shipped teacher, a .safetensors file, or the folder of a SAM or HQ-SAM.")
    ] = "saem2-tiny",
    recipe: Annotated[
        Literal["dense_neuropil", "for_tiny", "sam_defaults"] | None,
        Parameter(help="What is asked and kept; by default what suits the teacher."),
    ] = None,
    side: Annotated[int | None, Parameter(help="Ask on a grid of so many points a side.")] = None,
    fill: Annotated[bool, Parameter(help="Flood what no mask claims, along the teacher's boundary map.")] = False,
    machine: On = Machine(),
    work: By = Work(),
    keep: Kept = Keep(),
    json: AsJson = False,
) -> None:
    """All masks that a teacher finds in each section of RAW; OUT gets labels.zarr and picture.png."""
    from savem3.runs import Masking, run_masks

    masking = Masking(teacher, recipe, side, fill)
    run_masks(raw, out, source=source, masking=masking, machine=machine, work=work, keep=keep, watch=watch_of(json))
