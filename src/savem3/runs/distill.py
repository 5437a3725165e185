"""Teaching a student on a volume without labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from savem3.adaptation import adapt
from savem3.distill import build_student, save_student, small_cpu
from savem3.pipeline import Settings
from savem3.plan import plan_of
from savem3.request import Machine, Source
from savem3.runs.check import open_checked
from savem3.runs.output import refuse_existing
from savem3.shipped import TEACHER, read_student, read_teacher
from savem3.store import completed
from savem3.store.weights import Weights
from savem3.teaching import Teaching
from savem3.watch import Watch


@dataclass(frozen=True, slots=True)
class Lessons:
    """How a student is taught; see the command line for each."""

    teacher: str = TEACHER
    start: str | None = None
    student: str = "fast"
    steps: int = 1000
    seed: int = 0
    teaching: Teaching = field(default_factory=Teaching)


def run_distill(
    raw: str, out: Path, *, source: Source, lessons: Lessons, machine: Machine, overwrite: bool, watch: Watch
) -> None:
    """A student's weights, taught on a volume without labels."""
    refuse_existing(out, overwrite=overwrite)
    image, checked = open_checked(raw, source=source, watch=watch)
    image = image.load()
    plan = plan_of(image, settings=Settings(0.5, device=machine.device, threads=machine.workers))
    watch.say(plan.text, **plan.facts)
    teacher, teacher_weights = read_teacher(lessons.teacher, device=plan.device)
    student = build_student(lessons.student)
    card: dict[str, object] = {}
    if lessons.start:
        student, weights = read_student(lessons.start)
        card = card_after(weights, lessons.steps)
    recipe = small_cpu(steps=lessons.steps, seed=lessons.seed)
    student, _ = adapt(
        image,
        student,
        teacher,
        recipe=recipe,
        teaching=lessons.teaching,
        lost=checked.lost,
        device=plan.device,
        watch=watch,
    )
    card = {
        **card,
        "raw": [*_listed(card.get("raw")), Path(raw).name],
        "recipe": asdict(recipe),
        "teaching": asdict(lessons.teaching),
        "teacher": teacher_weights.sha256,
    }
    with completed(out, overwrite=overwrite) as file:
        save_student(student, file, card=card)


def card_after(weights: Weights, steps: int) -> dict[str, object]:
    """The card of a student that went on learning: scores of the one before are not its own."""
    kept = {name: value for name, value in weights.card.items() if not (steps and name == "scores")}
    return {**kept, "adapted": steps}


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
