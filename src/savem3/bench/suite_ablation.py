"""The ablation: the ladder of the distillation on both label-free experiments, as far as its parts are here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from savem3 import bank
from savem3.bench.cutting import CUTTERS
from savem3.bench.held_out import labels_in
from savem3.bench.ladder import EXPERIMENTS, RUNGS, World, climb
from savem3.bench.ladder_lines import Kept, summary_of
from savem3.bench.published import ABLATION
from savem3.bench.request import Bench, Result, split_name
from savem3.bench.sheet import Sheet
from savem3.bench.tables import Table, cell_of, grid_of
from savem3.bench.volumes import files_of
from savem3.grid import Box
from savem3.request import Machine
from savem3.runs import Schooling, run_pretrain
from savem3.saem2 import load_teacher
from savem3.shipped import TEACHER, find_model
from savem3.store.weights import read_weights
from savem3.watch import Watch

STEPS, BATCH = 400, 2
SMALL, QUICK_RUNGS = Box((0, 0, 0), (18, 160, 160)), ("bdy", "+embed")
TAUGHT = {"sstem_to_fib": ("vnc_stack1:train", "isbi2012_train:train"), "fib_to_sstem": None}
"""Whose labels the teacher of each experiment may know; absent where the shipped one knows no other."""
PARTS = ("all", "validation")
SAYS = (
    "VoI in bits / ARand error (scikit-image's convention), mean ± standard deviation over seeds of the students. "
    "Where to cut is chosen without labels on the volume itself. Students of one seed begin with the same weights and "
    "take as many steps; differences below 0.2 bits between single runs are noise."
)


def run_ablation(bench: Bench, *, watch: Watch) -> Sheet:
    """Both experiments, what is there already not again."""
    results: list[Result] = []
    inputs: list[Path] = []
    tables: list[Table] = []
    for name, experiment in EXPERIMENTS.items():
        cards = [bank.DATASETS[card] for card in experiment.raw]
        missing = [card.name for card in cards if not bank.is_here(card, bench.data)]
        found: list[Result] = []
        if missing and not bench.only_tables:
            found.append(Result("all", name, says={"not run": f"{', '.join(missing)} not in the folder"}))
        else:
            kept, files = _kept(name, bench, watch=watch)
            found, inputs = _results(name, kept), [*inputs, *files]
        results += found
        tables += [_table(name, part, found) for part in PARTS]
    tables.append(grid_of([], (), title="Published", says="Other people's, on their data.", published=ABLATION))
    return Sheet("ablation", "What each term of the distillation brings", SAYS, tables, results, inputs)


def _kept(name: str, bench: Bench, *, watch: Watch) -> tuple[Kept, list[Path]]:
    """The lines of an experiment, after what is missing was run; and the files that it read."""
    folder = bench.out / name
    if bench.only_tables:
        kept = Kept.read(folder)
        return kept, [kept.file]
    file = _teacher(name, bench, watch=watch)
    teacher, weights = load_teacher(file)
    steps = 2 if bench.quick else bench.steps or STEPS
    kept = Kept.of_folder(folder, teacher=weights.sha256, steps=steps, batch=BATCH)
    small = SMALL if bench.quick else None
    world = World(
        EXPERIMENTS[name], teacher, weights.sha256, bench.data, folder, steps, BATCH, bench.seeds, bench.threads, small
    )
    climb(world, kept, QUICK_RUNGS if bench.quick else tuple(RUNGS), watch=watch)
    return kept, [file, kept.file, *(path for card in EXPERIMENTS[name].raw for path in files_of(card, bench.data))]


def _teacher(name: str, bench: Bench, *, watch: Watch) -> Path:
    """The teacher that was named for an experiment, or the shipped one, or one that is taught now.

    Raises
    ------
    ValueError
        If it has learned from tissue that its students are scored on.
    """
    given = dict(split_name(teacher) for teacher in bench.teachers)
    labels = TAUGHT[name]
    if name in given or labels is None:
        file = find_model(given.get(name, TEACHER))
        _refuse_kin(file, name)
        return file
    out = bench.out / f"teacher-{name}.safetensors"
    if not out.exists():
        recipe, steps = ("heads_small_cpu", 2) if bench.quick else ("small_cpu", None)
        schooling = Schooling(data=bench.data, labels=labels, tests=EXPERIMENTS[name].raw, recipe=recipe, steps=steps)
        machine = Machine("cpu", bench.threads)
        run_pretrain(out, schooling=schooling, machine=machine, resume=True, overwrite=False, watch=watch)
    return out


def _refuse_kin(file: Path, name: str) -> None:
    known = {label.split(":")[0] for label in labels_in(read_weights(file).card)} & set(bank.DATASETS)
    tests = [bank.DATASETS[card] for card in EXPERIMENTS[name].raw]
    bank.refuse_leakage([bank.DATASETS[label] for label in known], tests)


def _results(name: str, kept: Kept) -> list[Result]:
    """A line for each rung, part, cutter and seed."""
    teachers = sorted({line["rung"] for line in kept.lines if line["rung"].startswith("teacher")})
    found = []
    for rung in (*teachers, *RUNGS):
        for part in PARTS:
            if rung in RUNGS and RUNGS[rung].labels and part == "all":
                continue
            seeds = summary_of(kept, rung, part)
            if not seeds:
                found.append(Result(rung, f"{name}, {part}", says={"not run": "not there yet"}))
            found += [Result(rung, f"{name}, {part}", values, seed, betas) for seed, values, betas in seeds]
    return found


def _table(name: str, part: str, results: Sequence[Result]) -> Table:
    """Both cutters at the β that was chosen, and the least VoI of all β, which only the truth can tell."""
    own = [r for r in results if r.column == f"{name}, {part}"]
    rows = []
    for rung in dict.fromkeys(r.row for r in own):
        seeds = [r for r in own if r.row == rung and r.was_run]
        cells = []
        for cutter in CUTTERS:
            cells += [cell_of(seeds, (f"{cutter}_voi", f"{cutter}_arand")), cell_of(seeds, (f"{cutter}_best_voi",))]
        about = RUNGS[rung].says if rung in RUNGS else "planes"
        rows.append((rung, about, str(len(seeds)), *cells))
    heads = [head for cutter in CUTTERS for head in (f"{cutter}: VoI / ARand", f"{cutter}: VoI at the best β")]
    title = f"{name}, {_named(name, part)}"
    return Table(title, "", ("rung", "learns from", "seeds", *heads), tuple(rows))


def _named(name: str, part: str) -> str:
    experiment = EXPERIMENTS[name]
    if part == "all":
        return f"all of {experiment.raw[-1]}"
    return f"sections {experiment.validation[0]}–{experiment.validation[1]}, which no reference learned from"
