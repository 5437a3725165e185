"""From a raw volume to a run directory; what is done in it is never done again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from savem3.blocks import Survey, survey
from savem3.directory import Directory, run_directory
from savem3.distill import StoredStudent, save_student, small_cpu
from savem3.evaluate import Scores, score
from savem3.graphcut import Witness
from savem3.identity import identity_of
from savem3.pipeline import Settings, adapt, settings_for
from savem3.plan import Crew, Plan, compare, plan_of, room_for
from savem3.predict import Draw, Precision
from savem3.probe import bytes_in
from savem3.record import facts_of, record_of, write_pages
from savem3.request import Asking, Keep, Machine, Source, Work
from savem3.runs.asking import Asked, find_witness, read_asked
from savem3.runs.course import go_through
from savem3.runs.distill import card_after
from savem3.shipped import EXAMPLE, STUDENT, TEACHER, find_model, read_student, read_teacher
from savem3.stages import Outputs, stages_of
from savem3.store.weights import Weights
from savem3.volume import Image, Labels
from savem3.watch import Watch


@dataclass(frozen=True, slots=True)
class Choices:
    """How a volume is reconstructed; see the command line for each."""

    model: str = STUDENT
    teacher: str = TEACHER
    adapt_steps: int = 0
    beta: float | None = None
    cutter: str | None = None
    views: Literal["auto", 1, 3] = "auto"
    precision: Literal["auto"] | Precision = "auto"
    truth: str | None = None
    skip_report: bool = False
    asking: Asking = Asking()


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before the first block is computed."""

    image: Image
    seen: Survey
    settings: Settings
    plan: Plan
    models: Mapping[str, Weights]
    witness: Witness | None = None


def run_reconstruct(
    raw: str,
    out: Path,
    *,
    source: Source,
    choices: Choices,
    machine: Machine,
    work: Work,
    keep: Keep,
    watch: Watch,
) -> Scores | None:
    """A run directory: boundary, fragments, graph and labels, the student, run.json, report.html, picture.png."""
    truth = source.open_labels(choices.truth).load() if choices.truth else None
    ready = prepare(raw, out, source=source, choices=choices, machine=machine, work=work, keep=keep, watch=watch)
    identity = identity_of(
        ready.image.grid,
        ready.seen,
        settings=ready.settings,
        models={name: weights.sha256 for name, weights in ready.models.items()},
        adapt_steps=choices.adapt_steps,
    )
    with run_directory(out, identity, resume=keep.resume, overwrite=keep.overwrite, watch=watch) as directory:
        student = _student_of(ready, directory, choices=choices, watch=watch)
        outputs = Outputs(out, ready.image.grid, ready.settings)
        settings, threads = ready.settings, work.threads_of_a_worker(machine)
        draw = Draw(ready.image, student, ready.seen.intensity, settings.predict, settings.device, threads)
        stages = stages_of(draw, outputs, ready.witness)
        go_through(stages, directory, student.sha256, executor=work.executor_on(machine), watch=watch)
        for volume in (outputs.boundary, outputs.fragments, outputs.labels):
            volume.finish()
        return _finish(raw, directory, ready, outputs, choices=choices, source=source, truth=truth, watch=watch)


def run_demo(out: Path, *, machine: Machine, watch: Watch) -> None:
    """The bundled crop, reconstructed, scored and shown; an older demo is replaced."""
    scores = run_reconstruct(
        f"{EXAMPLE}:raw",
        out,
        source=Source(),
        choices=Choices(truth=f"{EXAMPLE}:labels"),
        machine=machine,
        work=Work(),
        keep=Keep(overwrite=True),
        watch=watch,
    )
    assert scores is not None
    text = (
        f"VoI {scores.voi:.3f} bits (split {scores.voi_split:.3f}, merge {scores.voi_merge:.3f}), "
        f"ARand error {scores.arand_skimage:.3f}, against the truth of the crop, no label of which trained the models\n"
        f"Open {out / 'report.html'} in a browser; {out / 'labels.zarr'} holds the neurons."
    )
    watch.say(text, **scores.to_dict())


def prepare(
    raw: str,
    out: Path,
    *,
    source: Source,
    choices: Choices,
    machine: Machine,
    work: Work,
    keep: Keep,
    watch: Watch,
) -> Prepared:
    """Open the volume, settle all choices, look whether there is room, and read it once; nothing is written."""
    image = source.open_image(raw)
    settings, weights = settings_of(choices, machine=machine, work=work)
    settings = replace(settings, prompts=choices.asking.recipe_for(image.grid))
    models = {choices.model: weights}
    if choices.adapt_steps or settings.prompts.is_wanted:
        models[choices.teacher] = read_teacher(choices.teacher)[1]
    plan = plan_of(image, settings=settings, crew=crew_of(work, machine))
    room, present = room_for(out), bytes_in(out) if keep.resume else 0
    watch.say(plan.text, **plan.facts, free_memory_bytes=room.memory_bytes, free_disk_bytes=room.disk_bytes)
    compare(plan.needs, room, folder=out, present_bytes=present)
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
    witness = None
    if settings.prompts.is_wanted:
        witness, _ = find_witness(choices.teacher, image, seen.intensity, device=plan.device)
    return Prepared(image, seen, settings, plan, models, witness)


def settings_of(choices: Choices, *, machine: Machine, work: Work) -> tuple[Settings, Weights]:
    """All settings of a run, and the student that some of them come from."""
    _, weights = read_student(choices.model)
    settings = settings_for(
        weights,
        beta=choices.beta,
        cutter=choices.cutter,
        device=machine.device,
        threads=machine.workers,
        block=work.block_shape,
    )
    recipe = replace(settings.predict, views=choices.views)
    if choices.precision != "auto":
        recipe = replace(recipe, precision=choices.precision)
    return replace(settings, predict=recipe), weights


def crew_of(work: Work, machine: Machine) -> Crew:
    """Who works, as far as a plan must know."""
    places: dict[str, Literal["threads", "processes"]] = {"local": "threads", "processes": "processes"}
    return Crew(work.workers or machine.workers, places.get(work.executor, "elsewhere"))


def _student_of(ready: Prepared, directory: Directory, *, choices: Choices, watch: Watch) -> StoredStudent:
    """The student in the run directory: the model as it is, or taught on this volume first."""
    path, noted = directory.folder / "student.safetensors", directory.record.get("student")
    if noted is None or _digest_of(path) != noted:
        if choices.adapt_steps:
            _teach(ready, path, choices=choices, watch=watch)
        else:
            shutil.copyfile(find_model(choices.model), path)
        if noted not in (None, _digest_of(path)):
            raise ValueError(f"student must be the one that the run began with, {noted}, got {_digest_of(path)}")
        noted = _digest_of(path)
        directory.note(student=noted)
    return StoredStudent(path.absolute(), str(noted))


def _digest_of(path: Path) -> str | None:
    """The digest of the student in a file; ``None`` where there is none or it is damaged."""
    try:
        return read_student(str(path))[1].sha256
    except (OSError, ValueError):
        return None


def _teach(ready: Prepared, path: Path, *, choices: Choices, watch: Watch) -> None:
    """Adapt the student to the volume and write it."""
    student, weights = read_student(choices.model)
    teacher, _ = read_teacher(choices.teacher, device=ready.plan.device)
    recipe = small_cpu(steps=choices.adapt_steps)
    student = adapt(ready.image, student, teacher, recipe=recipe, device=ready.plan.device, watch=watch)
    save_student(student, path, card=card_after(weights, choices.adapt_steps))


def _finish(
    raw: str,
    directory: Directory,
    ready: Prepared,
    outputs: Outputs,
    *,
    choices: Choices,
    source: Source,
    truth: Labels | None,
    watch: Watch,
) -> Scores | None:
    """Score where there is truth, draw the pages, and call the run finished."""
    made = outputs.open()
    scores = score(made.labels, truth, fragments=made.fragments) if truth is not None else None
    models = list(ready.models.items())
    facts = facts_of(
        raw, plan=ready.plan, image=ready.image, settings=ready.settings, models=models, scores=scores, watch=watch
    )
    asked = _tell_asked(directory, ready, outputs, watch=watch)
    if asked is not None:
        facts = replace(facts, run={**facts.run, "prompts": asked.text})
    if not choices.skip_report:
        with watch.stage("report"):
            write_pages(
                directory.folder,
                facts=facts,
                image=ready.image,
                boundary=made.boundary,
                fragments=made.fragments,
                labels=made.labels,
                truth=truth,
            )
    record = record_of(facts, plan=ready.plan, settings=ready.settings, choices=choices, source=source, watch=watch)
    directory.finish(**record, asked=None if asked is None else asked.facts)
    return scores


def _tell_asked(directory: Directory, ready: Prepared, outputs: Outputs, *, watch: Watch) -> Asked | None:
    """Say what was asked, if anything was; how fast only where no earlier run answered a part of it."""
    if not ready.settings.prompts.is_wanted:
        return None
    asked = read_asked(outputs.graph, seconds=None if directory.resumed else watch.seconds.get("ask"))
    watch.say(asked.text, **asked.facts)
    return asked
