"""What a run would take, measured on a window of its volume before anything is written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from savem3.distill import StoredStudent, distill, small_cpu
from savem3.forecast import Forecast, Row, forecast
from savem3.grid import Box
from savem3.pipeline import Settings, middle_of
from savem3.plan import Crew, compare, describe, room_for, size_text
from savem3.predict import Draw, choose_backend
from savem3.probe import Probe, kind_of, probe
from savem3.request import Machine, Source, Work
from savem3.resample import look
from savem3.runs.asking import find_witness
from savem3.runs.check import open_checked
from savem3.runs.reconstruct import Choices, crew_of, settings_of
from savem3.shipped import find_model, read_student, read_teacher, scale_of
from savem3.teaching import Teaching, draw_lessons, teach
from savem3.volume import Image, IntensityMap, intensity_of
from savem3.watch import Watch

TAUGHT = 4 * 256 * 256
"""At most this many voxels are shown to a teacher to tell its seconds."""
TRAINING_BYTES, TRAINING_BYTES_A_VOXEL = 1.2e9, 3
"""Peak memory of a training, and of the volume and the map that are learned from. Source: VNC stack 1."""
GLANCE = (8, 512, 512)
"""Voxels in the middle from which a plan takes grey values; a run looks at all."""


def run_plan(
    raw: str, out: Path, *, source: Source, choices: Choices, machine: Machine, work: Work, as_json: bool
) -> Forecast:
    """Tell what `run_reconstruct` would take; nothing is written.

    Parameters
    ----------
    raw, source, choices, machine, work
        See `run_reconstruct`.
    out
        Where the run would write: on which disk.
    as_json
        Facts for machines.

    Raises
    ------
    ValueError
        If memory or disk cannot suffice.
    """
    image, _ = open_checked(raw, source=source, watch=Watch(show="nothing"))
    settings, weights = settings_of(choices, machine=machine, work=work)
    settings, glance = replace(settings, prompts=choices.asking.recipe_for(image.grid)), _glance(image)
    settings = replace(settings, scale=scale_of(choices.resample, weights, image.grid))
    seen = look(image, scale=settings.scale)
    witness = None
    if settings.prompts.is_wanted:
        _, device = choose_backend("auto", device=settings.device)
        witness, _ = find_witness(choices.teacher, image, glance, device=device)
    student, threads = (
        StoredStudent(find_model(choices.model).absolute(), weights.sha256),
        work.threads_of_a_worker(machine),
    )
    draw = Draw(seen, student, glance, settings.predict, settings.device, threads)
    measured = probe(draw, settings=settings, witness=witness)
    told = forecast(measured, image.grid, settings=settings, crew=crew_of(work, machine))
    if choices.adapt:
        told = replace(told, rows=(*told.rows[:2], *learning_rows(seen, choices, settings), *told.rows[2:]))
    room = room_for(out)
    console = Console(highlight=False)
    if as_json:
        facts = facts_of(told, measured)
        console.out(
            json.dumps({**facts, "free_memory_bytes": room.memory_bytes, "free_disk_bytes": room.disk_bytes}),
            highlight=False,
        )
    else:
        show(told, measured, image, console=console)
        if not settings.scale.is_identity:
            console.print(settings.scale.describe(image.grid))
    sentence = compare(told.needs, room, folder=out)
    if not as_json:
        console.print(f"It takes {sentence}.", soft_wrap=True)
    return told


def learning_rows(image: Image, choices: Choices, settings: Settings) -> list[Row]:
    """What adapting takes: with auto at most the time there is, else so many steps, measured on a window."""
    memory = TRAINING_BYTES + TRAINING_BYTES_A_VOXEL * image.grid.voxels
    if choices.adapt == "auto":
        return [Row("adapt, at most", 1, choices.adapt_seconds, choices.adapt_seconds * settings.threads, memory)]
    _, device = choose_backend("auto", device=settings.device)
    teacher, _ = read_teacher(choices.teacher, device=device)
    window = image.crop(middle_of(image.grid, TAUGHT))
    alone = Teaching(drawn=0)
    lessons = teach(window, teacher, teaching=alone)

    def learn(steps: int) -> None:
        distill(read_student(choices.model)[0], lessons, recipe=small_cpu(steps=steps), teacher=teacher, device=device)

    looked = _timed(lambda: teach(window, teacher, teaching=alone))
    count = Teaching().drawn_for(image.grid)
    drawn = _timed(lambda: draw_lessons(image.grid, min(count, 1)))
    first, more = _timed(lambda: learn(1)), _timed(lambda: learn(3))
    share = image.grid.voxels / window.grid.voxels
    steps = [first[i] + (choices.adapt - 1) * max(0.0, more[i] - first[i]) / 2 for i in (0, 1)]
    return [
        Row("teach", 1, share * looked[0], share * looked[1], memory),
        Row("draw", count, count * drawn[0], count * drawn[1], memory),
        Row("distill", 1, steps[0], steps[1], memory),
    ]


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all threads."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def _glance(image: Image) -> IntensityMap:
    """An intensity map good enough to measure with."""
    start = tuple(max(0, (n - g) // 2) for n, g in zip(image.grid.shape, GLANCE, strict=True))
    stop = tuple(min(n, a + g) for n, a, g in zip(image.grid.shape, start, GLANCE, strict=True))
    return intensity_of(image.crop(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))))


def facts_of(told: Forecast, measured: Probe) -> dict[str, object]:
    """A forecast as plain values."""
    rows = [
        {
            "stage": row.stage,
            "blocks": row.blocks,
            "seconds": round(row.seconds, 2),
            "cpu_seconds": round(row.cpu_seconds, 2),
            "call_bytes": round(row.call_bytes),
        }
        for row in told.rows
    ]
    return {
        "seconds": round(told.seconds, 1),
        "cpu_seconds": round(told.cpu_seconds, 1),
        **told.needs.facts,
        "stages": rows,
        "probe_seconds": round(measured.seconds, 1),
    }


def show(told: Forecast, measured: Probe, image: Image, *, console: Console) -> None:
    """The table for people."""
    needs = told.needs
    console.print(
        f"{describe(image.grid)}\n{_who(needs.crew)}; measured on a window of it in {measured.seconds:.0f} s\n"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("stage", "blocks", "time", "core time", "memory a call"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in joined(told.rows):
        memory = size_text(row.call_bytes) if row.call_bytes >= 2**20 else "–"
        table.add_row(row.stage, f"{row.blocks}", time_text(row.seconds), time_text(row.cpu_seconds), memory)
    table.add_row("in all", "", time_text(told.seconds), time_text(told.cpu_seconds), "", style="bold")
    console.print(table)
    console.print(f"\nmemory  {_memory(told)}")
    console.print(f"disk    {size_text(needs.kept_bytes)} stay, {size_text(needs.scratch_bytes)} more until the end")
    console.print(f"graph   about {needs.edges:,.0f} contacts between fragments\n")


def joined(rows: Sequence[Row]) -> list[Row]:
    """The levels of each pyramid as one row."""
    kinds: dict[str, Row] = {}
    for row in rows:
        name = kind_of(row.stage).replace(" level", " pyramid")
        before = kinds.get(name, Row(name, 0, 0.0, 0.0, 0.0))
        sums = before.blocks + row.blocks, before.seconds + row.seconds, before.cpu_seconds + row.cpu_seconds
        kinds[name] = Row(name, *sums, max(before.call_bytes, row.call_bytes))
    return list(kinds.values())


def time_text(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``3 min 20 s``, ``5 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, small, size in (("d", "h", 86400), ("h", "min", 3600), ("min", "s", 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size * {'h': 24, 'min': 60, 's': 60}[small] // size} {small}"
    return f"{whole} s"


def _memory(told: Forecast) -> str:
    needs = told.needs
    if needs.crew.place == "threads":
        return f"{size_text(needs.memory_bytes)}, one process"
    where = "" if needs.crew.place == "processes" else ", elsewhere"
    return (
        f"{size_text(needs.worker_bytes)} a worker × {needs.crew.workers}{where}, "
        f"{size_text(needs.whole_bytes)} while one of them joins all, "
        f"{size_text(needs.coordinator_bytes)} for the process that hands out the work"
    )


def _who(crew: Crew) -> str:
    kinds = {"threads": "thread", "processes": "process", "elsewhere": "worker"}
    name = kinds[crew.place]
    plural = {"process": "processes"}.get(name, f"{name}s")
    return f"{crew.workers} {name if crew.workers == 1 else plural}"
