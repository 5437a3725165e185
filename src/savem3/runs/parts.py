"""Single steps of the way: prediction, oversegmentation, the cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from savem3.blocks import Stage, survey
from savem3.check import wall
from savem3.distill import StoredStudent
from savem3.graphcut import Witness
from savem3.pipeline import Settings, choose_beta, settings_for
from savem3.plan import plan_of
from savem3.predict import Draw, choose_backend
from savem3.request import Asking, Machine, Source, Work
from savem3.resample import look
from savem3.runs.asking import find_witness, read_asked
from savem3.runs.check import open_checked
from savem3.runs.output import make_volume, refuse_unwritable
from savem3.shipped import TEACHER, find_model, read_student, scale_of
from savem3.stages import Outputs, cut_stages, oversegment_stages, predict_stages
from savem3.store import PyramidFile
from savem3.volume import BoundaryMap, Labels
from savem3.watch import Watch


def run_predict(
    raw: str,
    out: Path,
    *,
    source: Source,
    model: str,
    machine: Machine,
    work: Work,
    overwrite: bool,
    watch: Watch,
    resample: Literal["auto", "off"] = "auto",
) -> None:
    """A boundary map, on the volume's own grid."""
    refuse_unwritable(out, overwrite=overwrite)
    image, checked = open_checked(raw, source=source, watch=watch)
    _, weights = read_student(model)
    settings = settings_for(weights, device=machine.device, threads=machine.workers, block=work.block_shape)
    settings = replace(settings, scale=scale_of(resample, weights, image.grid))
    plan = plan_of(image, settings=settings)
    watch.say(plan.text, **plan.facts)
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
    student = StoredStudent(find_model(model).absolute(), weights.sha256)
    threads = work.threads_of_a_worker(machine)
    seen_image = look(image, scale=settings.scale)
    draw = Draw(seen_image, student, seen.intensity, settings.predict, settings.device, threads)

    make_volume(
        out,
        image.grid,
        settings,
        lambda outputs: predict_stages(draw, outputs, finish=lambda made: wall(made, checked.lost)),
        lambda outputs: outputs.boundary,
        machine=machine,
        work=work,
        overwrite=overwrite,
        watch=watch,
    )


def run_oversegment(
    boundary: str, out: Path, *, source: Source, machine: Machine, work: Work, overwrite: bool, watch: Watch
) -> None:
    """Fragments."""
    refuse_unwritable(out, overwrite=overwrite)
    membranes = source.open_boundary(boundary)
    make_volume(
        out,
        membranes.grid,
        _settings(work),
        lambda outputs: oversegment_stages(outputs, membranes),
        lambda outputs: outputs.fragments,
        machine=machine,
        work=work,
        overwrite=overwrite,
        watch=watch,
    )


def run_cut(
    fragments: str,
    boundary: str,
    out: Path,
    *,
    source: Source,
    beta: float | Literal["auto"],
    cutter: str,
    machine: Machine,
    work: Work,
    overwrite: bool,
    watch: Watch,
    raw: str | None = None,
    teacher: str = TEACHER,
    asking: Asking = Asking(),
) -> None:
    """Neurons from fragments and a boundary map; with prompts, a teacher looks at the raw volume as well."""
    refuse_unwritable(out, overwrite=overwrite)
    pieces, membranes = source.open_labels(fragments), source.open_boundary(boundary)
    if pieces.grid.shape != membranes.grid.shape:
        raise ValueError(f"boundary must have the shape of fragments {pieces.grid.shape}, got {membranes.grid.shape}")
    settings = replace(_settings(work), cutter=cutter, prompts=asking.recipe_for(pieces.grid))
    settings = replace(settings, beta=_beta_of(membranes, settings, watch=watch) if beta == "auto" else beta)
    witness = None
    if settings.prompts.is_wanted:
        witness = _witness_of(raw, teacher, pieces, source=source, machine=machine, watch=watch)

    def stages(outputs: Outputs) -> list[Stage]:
        return cut_stages(outputs, pieces, membranes, witness)

    def result(outputs: Outputs) -> PyramidFile:
        if settings.prompts.is_wanted:
            asked = read_asked(outputs.graph, seconds=watch.seconds.get("ask"))
            watch.say(asked.text, **asked.facts)
        return outputs.labels

    make_volume(
        out, pieces.grid, settings, stages, result, machine=machine, work=work, overwrite=overwrite, watch=watch
    )


def _beta_of(boundary: BoundaryMap, settings: Settings, *, watch: Watch) -> float:
    """Where to cut, chosen on the boundary map alone, whatever the fragments are."""
    with watch.stage("calibrate") as counter:
        found = choose_beta(boundary, settings=settings, progress=counter)
    watch.say(f"cut at β = {found.choice:g}, chosen on this volume without labels", beta=found.choice)
    return found.choice


def _witness_of(
    raw: str | None, teacher: str, fragments: Labels, *, source: Source, machine: Machine, watch: Watch
) -> Witness:
    """Who is asked about the volume that the fragments are of."""
    if raw is None:
        raise ValueError("--raw must name the volume that prompts are asked about, got none")
    image, _ = open_checked(raw, source=source, watch=watch)
    if image.grid.shape != fragments.grid.shape:
        raise ValueError(f"--raw must have the shape of fragments {fragments.grid.shape}, got {image.grid.shape}")
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
    _, device = choose_backend("auto", device=machine.device)
    return find_witness(teacher, image, seen.intensity, device=device)[0]


def _settings(work: Work) -> Settings:
    """Settings of the steps that no student decides."""
    settings = Settings(0.5)
    return replace(settings, block=work.block_shape or settings.block)
