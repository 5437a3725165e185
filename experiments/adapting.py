"""What `--adapt auto` does to volumes whose truth is known: from the shipped student, within its time, seed by seed.

    python experiments/adapting.py --data DIR --work FOLDER [--volumes fib25 vnc ...] [--seeds 3] [--seconds 300]
        [--out TABLE.md]

Each volume is cut with the student as it ships, by its own cutter and β, and then with the student that adapting keeps.
After adapting β is chosen without labels, as `reconstruct` does. VoI of the student at the end, kept or not, says what
the decision was worth. ssTEM is scored section by section. Time is that of all threads, so that it does not depend on
what else the machine does: 300 s of one core are about 150 s of two. What is there already is not done again.
FIB-25 sample 2 is one that the shipped student learned from, up to its section 99; so its last part is told as well.
"""

from __future__ import annotations

import argparse
import json
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from savem3 import bank
from savem3.adaptation import JUDGES, AdaptRecipe, adapt_if_it_helps, judge_on
from savem3.bench.cutting import keep_sections
from savem3.distill import Student
from savem3.evaluate import relabel_components, score
from savem3.pipeline import Settings, choose_beta, cut_fragments, draw_boundary, make_fragments, settings_for
from savem3.shipped import STUDENT, TEACHER, read_student, read_teacher
from savem3.volume import BoundaryMap, Image, Labels, intensity_of

CONSOLE = Console(highlight=False, width=160)


@dataclass(frozen=True, slots=True)
class Case:
    """A volume with truth: its card, first and last section that are scored, and whether section by section."""

    card: str
    scored: tuple[int, int]
    sectionwise: bool


CASES = {
    "FIB-25 sample 2": Case("fib25_training_sample2", (0, 249), False),
    "FIB-25 sample 2, z 130–249": Case("fib25_training_sample2", (130, 249), False),
    "gala example": Case("gala_fib_example", (0, 49), False),
    "VNC stack 1": Case("vnc_stack1", (0, 19), True),
    "ISBI 2012": Case("isbi2012_train", (0, 29), True),
}


def main() -> None:
    """Adapt to each volume with each seed, and write the table."""
    options = read_options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "scores.jsonl"
    lines: list[dict[str, Any]] = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    for seed in range(options.seeds):
        for name in options.volumes or CASES:
            if not any(line["volume"] == name and line["seed"] == seed for line in lines):
                lines.append({"volume": name, "seed": seed, **adapt_to(CASES[name], options, seed=seed)})
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                CONSOLE.print(lines[-1])
    table = table_of(lines)
    CONSOLE.print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")


def adapt_to(case: Case, options: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """One adaptation: what was decided, what it took, and VoI before, at the end, and of what is kept."""
    truth = bank.load_sample(bank.DATASETS[case.card], options.data, "all")
    image, labels = keep_sections(truth.image, case.scored), keep_sections(truth.labels, case.scored)
    if not case.sectionwise:
        labels = relabel_components(labels)
    student, weights = read_student(STUDENT)
    settings = settings_for(weights, threads=options.threads, device="cpu")
    before = errors_of(draw_boundary(image, student, settings=settings), settings, truth=labels, case=case)
    teacher, _ = read_teacher(TEACHER, device="cpu")
    judge = judge_on(image, intensity=intensity_of(image), settings=replace(settings, cutter=JUDGES))
    recipe = AdaptRecipe(seconds=options.seconds)
    recipe = replace(recipe, training=replace(recipe.training, seed=seed))
    last: list[Student] = []

    def judge_and_keep(network: torch.nn.Module) -> float:
        assert isinstance(network, Student)
        last[:] = [deepcopy(network)]
        return judge(network)

    begun, cpu = time.monotonic(), time.process_time()
    student, course = adapt_if_it_helps(
        image, student, teacher, recipe=recipe, judge=judge_and_keep, clock=time.process_time
    )
    took = {"cpu_seconds": time.process_time() - cpu, "seconds": time.monotonic() - begun}
    found = {
        name: errors_of(*cut_anew(image, network, settings), truth=labels, case=case)
        for name, network in (("kept", student), ("last", last[0].eval()))
    }
    return {"before": before, **found, **took, "steps": course.steps, "kept_step": course.kept_step}


def cut_anew(image: Image, student: Student, settings: Settings) -> tuple[BoundaryMap, Settings]:
    """A student's map, and settings with the β that is chosen without labels."""
    boundary = draw_boundary(image, student, settings=settings)
    settings = replace(settings, cutter=JUDGES)
    return boundary, replace(settings, beta=choose_beta(boundary, settings=settings).choice)


def errors_of(boundary: BoundaryMap, settings: Settings, *, truth: Labels, case: Case) -> tuple[float, float]:
    """VoI and ARand of a map that is cut with these settings; the mean over sections where truth is not linked."""
    depth = boundary.grid.shape[0]
    step = 1 if case.sectionwise else depth
    errors = []
    for first in range(0, depth, step):
        part, true = (keep_sections(v, (first, first + step - 1)) for v in (boundary, truth))
        _, labels = cut_fragments(make_fragments(part, settings=settings), part, settings=settings)
        scores = score(labels, true)
        errors.append((scores.voi, scores.arand_skimage))
    voi, arand = np.mean(errors, axis=0).tolist()
    return voi, arand


def table_of(lines: list[dict[str, Any]]) -> str:
    """Means over seeds ± their standard deviation."""
    heads = ("volume", "seeds", "VoI as shipped", "VoI after --adapt auto", "adapted in", "VoI at the end", "CPU s")
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in CASES:
        own = [line for line in lines if line["volume"] == name]
        if not own:
            rows.append(f"| {name} | not run |" + " |" * (len(heads) - 2))
            continue
        kept = sum(line["kept_step"] > 0 for line in own)
        vois = {key: [line[key][0] for line in own] for key in ("before", "kept", "last")}
        cells = [spread(vois["before"]), spread(vois["kept"]), f"{kept} of {len(own)}", spread(vois["last"])]
        rows.append(f"| {name} | {len(own)} | {' | '.join(cells)} | {np.mean([x['cpu_seconds'] for x in own]):.0f} |")
    return "\n".join(rows) + "\n"


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    mean = f"{np.mean(values):.3f}"
    return f"{mean} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else mean


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True, help="folder where scores are kept")
    parser.add_argument("--volumes", nargs="*", choices=CASES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
