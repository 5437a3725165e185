"""Runs: paths in, paths out. Each opens its volumes, calls the pipeline, leaves a whole result or none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from savem3.distill import build_student, save_student, small_cpu
from savem3.evaluate import Scores, score
from savem3.evaluate.contingency import Unsegmented
from savem3.pipeline import (
    Reconstruction,
    Settings,
    adapt,
    cut_fragments,
    draw_boundary,
    make_fragments,
    reconstruct,
    settings_for,
)
from savem3.plan import describe, plan_of
from savem3.record import facts_of, write_pages, write_record
from savem3.request import Machine, Source
from savem3.shipped import EXAMPLE, STUDENT, TEACHER, read_student, read_teacher
from savem3.store import completed, write_boundary, write_labels
from savem3.store.weights import Weights
from savem3.view import ReportFacts, write_pictures
from savem3.watch import Watch


@dataclass(frozen=True, slots=True)
class Choices:
    """How a volume is reconstructed; see the command line for each."""

    model: str = STUDENT
    teacher: str = TEACHER
    adapt_steps: int = 0
    beta: float | None = None
    cutter: str | None = None
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Lessons:
    """How a student is taught; see the command line for each."""

    teacher: str = TEACHER
    start: str | None = None
    student: str = "fast"
    steps: int = 1000
    seed: int = 0


def run_reconstruct(
    raw: str, out: Path, *, source: Source, choices: Choices, machine: Machine, overwrite: bool, watch: Watch
) -> Scores | None:
    """A run directory: boundary, fragments and labels, the student, run.json, report.html, picture.png."""
    refuse_existing(out, overwrite=overwrite)
    image = source.open_image(raw)
    truth = source.open_labels(choices.truth).load() if choices.truth else None
    student, weights = read_student(choices.model)
    settings = settings_for(
        weights, beta=choices.beta, cutter=choices.cutter, device=machine.device, threads=machine.workers
    )
    plan = plan_of(image, settings=settings)
    watch.say(plan.text, **plan.facts)
    models = [(choices.model, weights)]
    if choices.adapt_steps:
        teacher, teacher_weights = read_teacher(choices.teacher, device=plan.device)
        models.append((choices.teacher, teacher_weights))
        student = adapt(
            image, student, teacher, recipe=small_cpu(steps=choices.adapt_steps), device=plan.device, watch=watch
        )
    made = reconstruct(image, student, settings=settings, watch=watch)
    scores = score(made.labels, truth, fragments=made.fragments) if truth is not None else None
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir(parents=True)
        _write_volumes(made, folder, watch=watch)
        save_student(student, folder / "student.safetensors", card=_card_after(weights, choices.adapt_steps))
        facts = facts_of(raw, plan=plan, image=image, settings=settings, models=models, scores=scores, watch=watch)
        with watch.stage("report"):
            write_pages(
                folder,
                facts=facts,
                image=image,
                boundary=made.boundary,
                fragments=made.fragments,
                labels=made.labels,
                truth=truth,
            )
        write_record(folder / "run.json", facts=facts, plan=plan, settings=settings, choices=choices, source=source)
    return scores


def run_demo(out: Path, *, machine: Machine, watch: Watch) -> None:
    """The bundled crop, reconstructed, scored and shown; an older demo is replaced."""
    scores = run_reconstruct(
        f"{EXAMPLE}:raw",
        out,
        source=Source(),
        choices=Choices(truth=f"{EXAMPLE}:labels"),
        machine=machine,
        overwrite=True,
        watch=watch,
    )
    assert scores is not None
    text = (
        f"VoI {scores.voi:.3f} bits (split {scores.voi_split:.3f}, merge {scores.voi_merge:.3f}), "
        f"ARand error {scores.arand_skimage:.3f}, against the truth of the crop, no label of which trained the models\n"
        f"Open {out / 'report.html'} in a browser; {out / 'labels.zarr'} holds the neurons."
    )
    watch.say(text, **scores.to_dict())


def run_distill(
    raw: str, out: Path, *, source: Source, lessons: Lessons, machine: Machine, overwrite: bool, watch: Watch
) -> None:
    """A student's weights, taught on a volume without labels."""
    refuse_existing(out, overwrite=overwrite)
    image = source.open_image(raw).load()
    plan = plan_of(image, settings=Settings(0.5, device=machine.device, threads=machine.workers))
    watch.say(plan.text, **plan.facts)
    teacher, teacher_weights = read_teacher(lessons.teacher, device=plan.device)
    student = build_student(lessons.student)
    card: dict[str, object] = {}
    if lessons.start:
        student, weights = read_student(lessons.start)
        card = _card_after(weights, lessons.steps)
    recipe = small_cpu(steps=lessons.steps, seed=lessons.seed)
    student = adapt(image, student, teacher, recipe=recipe, device=plan.device, watch=watch)
    card = {
        **card,
        "raw": [*_listed(card.get("raw")), Path(raw).name],
        "recipe": asdict(recipe),
        "teacher": teacher_weights.sha256,
    }
    with completed(out, overwrite=overwrite) as file:
        save_student(student, file, card=card)


def run_predict(
    raw: str, out: Path, *, source: Source, model: str, machine: Machine, overwrite: bool, watch: Watch
) -> None:
    """A boundary map."""
    refuse_existing(out, overwrite=overwrite)
    image = source.open_image(raw)
    student, weights = read_student(model)
    settings = settings_for(weights, device=machine.device, threads=machine.workers)
    plan = plan_of(image, settings=settings)
    watch.say(plan.text, **plan.facts)
    with watch.stage("predict") as counter:
        boundary = draw_boundary(image, student, settings=settings, progress=counter)
    with watch.stage("write") as counter:
        write_boundary(boundary, out, overwrite=overwrite, progress=counter)


def run_oversegment(
    boundary: str, out: Path, *, source: Source, machine: Machine, overwrite: bool, watch: Watch
) -> None:
    """Fragments."""
    refuse_existing(out, overwrite=overwrite)
    settings = Settings(0.5, threads=machine.workers)
    with watch.stage("oversegment") as counter:
        fragments = make_fragments(source.open_boundary(boundary), settings=settings, progress=counter)
    with watch.stage("write") as counter:
        write_labels(fragments, out, overwrite=overwrite, progress=counter)


def run_cut(
    fragments: str,
    boundary: str,
    out: Path,
    *,
    source: Source,
    beta: float,
    cutter: str,
    machine: Machine,
    overwrite: bool,
    watch: Watch,
) -> None:
    """Neurons from fragments and a boundary map."""
    refuse_existing(out, overwrite=overwrite)
    settings = Settings(beta, cutter=cutter, threads=machine.workers)
    pieces, membranes = source.open_labels(fragments), source.open_boundary(boundary)
    with watch.stage("cut") as counter:
        _, labels = cut_fragments(pieces, membranes, settings=settings, progress=counter)
    with watch.stage("write") as counter:
        write_labels(labels, out, overwrite=overwrite, progress=counter)


def score_files(
    segmentation: str,
    truth: str,
    *,
    source: Source,
    truth_sections: str | None,
    relabel: bool,
    fragments: str | None,
    unsegmented: Unsegmented,
) -> dict[str, float | int | str]:
    """Every metric, as plain values."""
    of_truth = replace(source, sections=truth_sections or source.sections)
    pieces = source.open_labels(fragments) if fragments else None
    named = of_truth.open_labels(truth, relabel=relabel)
    return score(source.open_labels(segmentation), named, fragments=pieces, unsegmented=unsegmented).to_dict()


def run_view(
    labels: str, raw: str, out: Path, *, source: Source, boundary: str | None, fragments: str | None, overwrite: bool
) -> None:
    """PNG sections in a folder; with boundary and fragments also report.html and picture.png."""
    refuse_existing(out, overwrite=overwrite)
    image, neurons = source.open_image(raw), source.open_labels(labels)
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir(parents=True)
        write_pictures(folder, image=image, labels=neurons)
        if boundary and fragments:
            facts = ReportFacts(Path(labels).name, {"path": raw, "volume": describe(image.grid)})
            membranes, pieces = source.open_boundary(boundary), source.open_labels(fragments)
            write_pages(folder, facts=facts, image=image, boundary=membranes, fragments=pieces, labels=neurons)


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Refuse before any work what could not be written after it.

    Raises
    ------
    FileExistsError
        If the output exists and may not be replaced.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"output must not exist yet, got '{out}': choose another name or pass --overwrite")


def _card_after(weights: Weights, steps: int) -> dict[str, object]:
    """The card of a student that went on learning: scores of the one before are not its own."""
    kept = {name: value for name, value in weights.card.items() if not (steps and name == "scores")}
    return {**kept, "adapted": steps}


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _write_volumes(made: Reconstruction, folder: Path, *, watch: Watch) -> None:
    with watch.stage("write") as counter:
        write_boundary(made.boundary, folder / "boundary.zarr")
        write_labels(made.fragments, folder / "fragments.zarr")
        write_labels(made.labels, folder / "labels.zarr", progress=counter)
