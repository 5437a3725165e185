"""The 2D table: IoU and boundary IoU of answers to prompts, by dataset, kind of prompt and method (METHOD §8, §9).

Asked about are the connected instances of at least 60 pixels of held-out sections at about 8 nm. Prompts: the tight
box; one point, likelier deep inside; ten points; the true mask moved, swollen or shrunk, and frayed. All but the box
are drawn anew for each seed. Results are kept section by section.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from savem3 import saem2
from savem3.bench.answering import Looks, Method, rivals_of, saem2_method, sam_method
from savem3.bench.held_out import (
    SMALLEST,
    Line,
    Mask,
    Volume,
    add_line,
    datasets_in,
    file_of,
    held_out,
    read_lines,
    seen_by,
)
from savem3.bench.published import TABLE_2
from savem3.bench.request import Bench, Result
from savem3.bench.sheet import Sheet
from savem3.bench.tables import NOT_RUN, Table, cell_of, grid_of, pick
from savem3.bench.volumes import files_of
from savem3.evaluate import boundary_iou, depth_of, iou
from savem3.prompt import BoxPrompt, Prompt
from savem3.saem2.drawing import box_edges, points_on
from savem3.shipped import TEACHER
from savem3.watch import Watch

BAND = 2
"""Depth of the thin band, pixels."""
QUICK_SECTIONS, QUICK_INSTANCES = 1, 6
METRICS = ("iou", "biou_2_per_cent", "biou_2_px")
EXPECTED = ("SAM", "HQ-SAM", "Micro-SAM")
"""Rows that the table has, run or not."""
SAYS = (
    "Asked about are connected instances of at least 60 pixels of held-out sections at about 8 nm; "
    "the band of bIoU is 2 % of the section's diagonal deep, or 2 pixels. Boxes are the same for every seed."
)


def draw_tight_box(truth: Mask, rng: np.random.Generator) -> BoxPrompt:
    """The tight box."""
    return BoxPrompt(0, *(float(n) for axis in (1, 0) for n in box_edges(truth, axis=axis)))


KINDS: Mapping[str, Callable[[Mask, np.random.Generator], Prompt]] = {
    "box": draw_tight_box,
    "1 point": saem2.draw_point,
    "10 points": lambda truth, rng: points_on(truth, rng, number=10),
    "noisy mask": saem2.draw_mask,
}


def run_2d(bench: Bench, *, watch: Watch) -> Sheet:
    """Ask whom there is to ask on every dataset that is here."""
    import torch

    torch.set_num_threads(bench.threads)
    torch.set_flush_denormal(True)
    methods = methods_of(bench)
    columns = {name: volumes for name in datasets_in(bench.data) if (volumes := held_out(name, bench.data))}
    results: list[Result] = []
    counts: dict[str, int] = {}
    for name, volumes in columns.items():
        for method in methods:
            lines = [line for volume in volumes for line in run(method, volume, bench)]
            results += results_of(lines, method, volumes[0], bench)
            counts[name] = max(counts.get(name, 0), count_of(lines))
            watch.say(f"{name}: {method.name}: done", row=method.name, column=name)
    inputs = [file for name in columns for file in files_of(datasets_in(bench.data)[name].card, bench.data)]
    inputs += [file for method in methods for file in method.files]
    tables = _tables(results, columns, counts, list(datasets_in(bench.data)))
    pictures = {"box_iou": "IoU, box prompts", "1_point_iou": "IoU, one point"}
    return Sheet("2d", "Prompts", SAYS, tables, results, inputs, pictures)


def methods_of(bench: Bench) -> list[Method]:
    """Rivals, then teachers, then SAMs."""
    teachers = bench.teachers or (TEACHER,)
    own = [saem2_method(given, base=bench.base) for given in teachers]
    return [*rivals_of(TEACHER), *own, *map(sam_method, bench.sams)]


def run(method: Method, volume: Volume, bench: Bench) -> list[Line]:
    """All results of a method on a volume; what is missing in the folder is asked for.

    Raises
    ------
    ValueError
        If the results that are kept are of other weights or another volume.
    """
    path = file_of(bench.out / "cells-2d", volume.name, volume.block or "", method.name)
    of = {"volume": volume.describe(), "method": method.identity, "smallest": SMALLEST, "band": BAND}
    if bench.quick:
        of["quick"] = QUICK_INSTANCES
    if bench.renew and path.exists() and not _is_of(path, of):
        path.unlink()
    lines = read_lines(path, of=of)
    done = {(line["z"], line["kind"], line["seed"]) for line in lines}
    looks: Looks | None = None
    for z in () if bench.only_tables else volume.sections[: QUICK_SECTIONS if bench.quick else None]:
        if not (wanted := [task for task in tasks(method, bench.seeds) if (z, *task) not in done]):
            continue
        looks = looks or method.open(volume)
        truths, answers = volume.instances(z)[: QUICK_INSTANCES if bench.quick else None], looks(volume.read(z)[0])
        for kind, seed in wanted:
            rng = np.random.default_rng([seed, z, list(KINDS).index(kind)])
            masks = answers([KINDS[kind](truth, rng) for truth in truths]) if truths else []
            lines.append({"z": z, "kind": kind, "seed": seed, **score_masks(masks, truths)})
            add_line(path, lines[-1])
    asked = set(tasks(method, bench.seeds))
    return [line for line in lines if (line["kind"], line["seed"]) in asked]


def tasks(method: Method, seeds: int) -> list[tuple[str, int]]:
    """Kinds of prompts and seeds; a box is the same for every seed."""
    kinds = method.kinds or tuple(KINDS)
    return [(kind, seed) for kind in kinds for seed in range(1 if kind == "box" else seeds)]


def score_masks(masks: Sequence[Mask], truths: Sequence[Mask]) -> dict[str, list[float]]:
    """Each metric of each answer."""
    pairs = list(zip(masks, truths, strict=True))
    deep = depth_of(truths[0].shape) if truths else 1
    scores = [[iou(*p) for p in pairs], *([boundary_iou(*p, depth=d) for p in pairs] for d in (deep, BAND))]
    return {name: [round(s, 4) for s in column] for name, column in zip(METRICS, scores, strict=True)}


def results_of(lines: Sequence[Line], method: Method, volume: Volume, bench: Bench) -> list[Result]:
    """For each seed the mean over instances of each kind of prompt."""
    seen = "none" if method.card is None else seen_by(method.card, volume)
    found = []
    for seed in range(bench.seeds):
        values = {}
        for kind in KINDS:
            own = [line for line in lines if line["kind"] == kind and line["seed"] == seed]
            for metric in METRICS:
                scores = [score for line in own for score in line[metric]]
                if scores:
                    values[f"{kind.replace(' ', '_')}_{metric}"] = float(np.mean(scores))
        if values or seed == 0:
            found.append(Result(method.name, volume.name, values, seed, {"labels": seen}))
    return found


def count_of(lines: Sequence[Line]) -> int:
    """Instances that were asked about."""
    return sum(len(line["iou"]) for line in lines if line["kind"] == "box" and line["seed"] == 0)


def _tables(
    results: Sequence[Result], columns: Mapping[str, Sequence[Volume]], counts: Mapping[str, int], known: Sequence[str]
) -> list[Table]:
    named = {r.row for r in results}
    rows = [*results, *(Result(name, column) for name in EXPECTED if name not in named for column in known)]
    asked = " ".join(f"{name}: {volumes[0].describe()}, {counts[name]} instances." for name, volumes in columns.items())
    boxes = grid_of(
        [r for r in rows if not r.values or "box_iou" in r.values],
        ("box_iou", "box_biou_2_per_cent"),
        title="Box prompts: IoU / bIoU (2 %)",
        says=asked,
        columns=known,
        published=TABLE_2,
    )
    return [boxes, *(_table_of(name, rows) for name in columns)]


def _table_of(name: str, rows: Sequence[Result]) -> Table:
    """All kinds of prompts on one dataset."""
    cells = []
    for kind in KINDS:
        keys = [f"{kind.replace(' ', '_')}_{metric}" for metric in METRICS]
        for row in dict.fromkeys(r.row for r in rows):
            found = [r for r in pick(rows, row, name) if keys[0] in r.values]
            expected = row in EXPECTED and not found
            if found:
                cells.append((kind, row, *(cell_of(found, (key,)) for key in keys), str(found[0].says["labels"])))
            elif expected:
                cells.append((kind, row, NOT_RUN, "", "", ""))
    head = ("prompt", "who answers", "IoU", "bIoU (2 %)", "bIoU (2 px)", "its labels")
    return Table(name, "± over seeds of the prompts.", head, tuple(cells))


def _is_of(path: Path, of: Line) -> bool:
    with path.open(encoding="utf-8") as file:
        first: Line = json.loads(file.readline() or "{}")
    return first == of
