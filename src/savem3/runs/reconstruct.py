"""From a raw volume to a run directory; what is done in it is never done again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from savem3.adaptation import JUDGES, AdaptRecipe, Course, adapt, adapt_if_it_helps, judge_on
from savem3.blocks import Survey, survey
from savem3.check import Checked, wall
from savem3.directory import Directory, run_directory
from savem3.distill import StoredStudent, save_student, small_cpu
from savem3.evaluate import Scores, score
from savem3.graphcut import Witness
from savem3.identity import identity_of
from savem3.pipeline import Settings, choose_beta, settings_for
from savem3.plan import Crew, Plan, compare, plan_of, room_for
from savem3.predict import Draw, Precision
from savem3.probe import bytes_in
from savem3.record import facts_of, record_of, write_pages
from savem3.request import Asking, Keep, Machine, Source, Work
from savem3.resample import Scale, look, mark_seen
from savem3.runs.asking import Asked, find_witness, read_asked
from savem3.runs.check import facts_of_check, open_checked
from savem3.runs.course import go_through
from savem3.runs.distill import card_after
from savem3.runs.learning import show_learning
from savem3.shipped import EXAMPLE, STUDENT, TEACHER, find_model, read_student, read_teacher, scale_of
from savem3.stages import Outputs, predict_stages, stages_of
from savem3.store import absolute
from savem3.store.weights import Weights
from savem3.view import Learning
from savem3.volume import BoundaryMap, Image, Labels
from savem3.watch import Watch

HINT = (
    f"Thick sections are not what {STUDENT} knows best: --adapt auto lets it learn from this volume first, and keeps "
    "that only where it seems to help"
)


@dataclass(frozen=True, slots=True)
class Choices:
    """How a volume is reconstructed; see the command line for each."""

    model: str = STUDENT
    teacher: str = TEACHER
    adapt: int | Literal["auto"] = 0
    adapt_seconds: float = 300.0
    beta: float | Literal["auto"] | None = None
    cutter: str | None = None
    views: Literal["auto", 1, 3] = "auto"
    precision: Literal["auto"] | Precision = "auto"
    truth: str | None = None
    skip_report: bool = False
    asking: Asking = Asking()
    resample: Literal["auto", "off"] = "auto"

    def calibrates(self, weights: Weights) -> bool:
        """Whether where to cut is chosen on the volume: if asked for, and where the student's card cannot know it.

        Its β is that of its own cutter, before it was adapted.
        """
        if self.beta is not None:
            return self.beta == "auto"
        return bool(self.adapt) or self.cutter not in (None, str(weights.card.get("cutter", "multicut")))


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before the first block is computed."""

    image: Image
    seen: Survey
    settings: Settings
    plan: Plan
    models: Mapping[str, Weights]
    checked: Checked
    calibrates: bool
    witness: Witness | None = None

    @property
    def looked_at(self) -> Image:
        """The image as the student sees it."""
        return look(self.image, scale=self.settings.scale)


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
        adapt_steps=choices.adapt if choices.adapt != "auto" else f"auto, {choices.adapt_seconds:g} s",
        calibrates=ready.calibrates,
    )
    with run_directory(out, identity, resume=keep.resume, overwrite=keep.overwrite, watch=watch) as directory:
        directory.note(raw=absolute(raw))
        student = _student_of(ready, directory, choices=choices, watch=watch)
        outputs = Outputs(out, ready.image.grid, ready.settings)
        settings, threads = ready.settings, work.threads_of_a_worker(machine)
        draw = Draw(ready.looked_at, student, ready.seen.intensity, settings.predict, settings.device, threads)
        finish = partial(wall, lost=ready.checked.lost)
        stages = stages_of(draw, outputs, ready.witness, finish=finish)
        if ready.calibrates:
            drawn = predict_stages(draw, outputs, finish=finish)
            go_through(drawn, directory, student.sha256, executor=work.executor_on(machine), watch=watch)
            ready = replace(ready, settings=_settle_beta(directory, outputs, watch=watch))
            outputs = replace(outputs, settings=ready.settings)
            stages = stages_of(draw, outputs, ready.witness, finish=finish)[len(drawn) :]
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
    if choices.adapt == "auto":
        AdaptRecipe(seconds=choices.adapt_seconds)  # refuses a time that is none before anything is read
    image, checked = open_checked(raw, source=source, watch=watch)
    settings, weights = settings_of(choices, machine=machine, work=work)
    scale = scale_of(choices.resample, weights, image.grid)
    settings = replace(settings, prompts=choices.asking.recipe_for(image.grid), scale=scale)
    models = {choices.model: weights}
    if choices.adapt or settings.prompts.is_wanted:
        models[choices.teacher] = read_teacher(choices.teacher)[1]
    plan = plan_of(image, settings=settings, crew=crew_of(work, machine))
    room, present = room_for(out), bytes_in(out) if keep.resume else 0
    watch.say(plan.text, **plan.facts, free_memory_bytes=room.memory_bytes, free_disk_bytes=room.disk_bytes)
    if choices.model == STUDENT and not (choices.adapt or image.grid.is_isotropic):
        watch.say(HINT, hint="adapt")
    compare(plan.needs, room, folder=out, present_bytes=present)
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
    witness = None
    if settings.prompts.is_wanted:
        witness, _ = find_witness(choices.teacher, image, seen.intensity, device=plan.device)
    return Prepared(image, seen, settings, plan, models, checked, choices.calibrates(weights), witness)


def settings_of(choices: Choices, *, machine: Machine, work: Work) -> tuple[Settings, Weights]:
    """All settings of a run, and the student that some of them come from."""
    _, weights = read_student(choices.model)
    settings = settings_for(
        weights,
        beta=None if choices.beta == "auto" else choices.beta,
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


def _settle_beta(directory: Directory, outputs: Outputs, *, watch: Watch) -> Settings:
    """The settings with the β that is chosen on the boundary map of the run."""
    boundary = BoundaryMap(outputs.boundary.levels[0].voxels, outputs.grid)
    with watch.stage("calibrate") as counter:
        found = choose_beta(boundary, settings=outputs.settings, progress=counter)
    directory.note(calibration={"beta": found.choice, "instability": found.curve})
    watch.say(f"cut at β = {found.choice:g}, chosen on this volume without labels", beta=found.choice)
    return replace(outputs.settings, beta=found.choice)


def _student_of(ready: Prepared, directory: Directory, *, choices: Choices, watch: Watch) -> StoredStudent:
    """The student in the run directory: the model as it is, or taught on this volume first."""
    path, noted = directory.folder / "student.safetensors", directory.record.get("student")
    if noted is None or _digest_of(path) != noted:
        if choices.adapt:
            noticed = directory.record.get("adaptation")
            before = None if noticed is None else Course.of(noticed)
            course = _teach(ready, path, before, choices=choices, watch=watch)
            directory.note(adaptation=asdict(before or course))
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


def _teach(ready: Prepared, path: Path, before: Course | None, *, choices: Choices, watch: Watch) -> Course:
    """Adapt the student to the volume and write it; as an earlier run did, where one lost it."""
    student, weights = read_student(choices.model)
    teacher, _ = read_teacher(choices.teacher, device=ready.plan.device)
    if choices.adapt == "auto":
        recipe, stop_at = AdaptRecipe(seconds=choices.adapt_seconds), None if before is None else before.steps
        judged = replace(ready.settings, cutter=JUDGES, scale=Scale())
        judge = judge_on(ready.looked_at, intensity=ready.seen.intensity, settings=judged)
        student, course = adapt_if_it_helps(
            ready.looked_at,
            student,
            teacher,
            recipe=recipe,
            judge=judge,
            lost=mark_seen(ready.checked.lost, scale=ready.settings.scale),
            device=ready.plan.device,
            watch=watch,
            stop_at=stop_at,
        )
    else:
        fixed = small_cpu(steps=choices.adapt)
        lost, device = mark_seen(ready.checked.lost, scale=ready.settings.scale), ready.plan.device
        student, course = adapt(ready.looked_at, student, teacher, recipe=fixed, lost=lost, device=device, watch=watch)
    watch.say(course.reason, adapted_steps=course.steps, kept_step=course.kept_step)
    if course.kept_step:
        save_student(student, path, card=card_after(weights, course.kept_step))
    else:
        shutil.copyfile(find_model(choices.model), path)
    return course


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
            facts = replace(facts, learning=_learning_of(directory, ready, choices=choices))
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
    asked_of = None if asked is None else asked.facts
    directory.finish(**record, check=facts_of_check(ready.checked), asked=asked_of)
    return scores


def _learning_of(directory: Directory, ready: Prepared, *, choices: Choices) -> Learning | None:
    """How the student learned the volume, for the report; nothing where it did not."""
    noted = directory.record.get("adaptation")
    if noted is None:
        return None
    teacher, _ = read_teacher(choices.teacher, device=ready.plan.device)
    before, after = (read_student(name)[0] for name in (choices.model, str(directory.folder / "student.safetensors")))
    return show_learning(Course.of(noted), ready.looked_at, teacher, before, after, intensity=ready.seen.intensity)


def _tell_asked(directory: Directory, ready: Prepared, outputs: Outputs, *, watch: Watch) -> Asked | None:
    """Say what was asked, if anything was; how fast only where no earlier run answered a part of it."""
    if not ready.settings.prompts.is_wanted:
        return None
    asked = read_asked(outputs.graph, seconds=None if directory.resumed else watch.seconds.get("ask"))
    watch.say(asked.text, **asked.facts)
    return asked
