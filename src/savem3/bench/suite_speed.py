"""Speed: every stage as a ratio to its peers in one run, the machine's own floor, and the whole way as processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from savem3 import __version__, bank
from savem3.bench.cells import Cells
from savem3.bench.chain import COLUMN, Made, run_chain
from savem3.bench.floor import by_turns, floors, rate_of, ratio_of, seconds_of
from savem3.bench.manifest import digest_of_file, load_of_machine
from savem3.bench.request import Bench, Result
from savem3.bench.sheet import Sheet
from savem3.bench.stages import STAGES, Call, Pair, Scene, scene_of
from savem3.bench.tables import NOT_RUN, Table, cell_of, pick, spread
from savem3.bench.volumes import VOLUMES, files_of
from savem3.grid import Box
from savem3.pipeline import settings_for
from savem3.shipped import STUDENT, find_model, read_student
from savem3.watch import Watch

BOX, SMALL = Box((130, 0, 0), (226, 250, 250)), Box((130, 80, 80), (146, 176, 176))
REPEATS = 5
FLOOR = "the machine"
SAYS = (
    "Seconds are CPU time; all calls of a stage are timed by turns, and a ratio is the median over turns of what the "
    "peer took to what ours took in the same turn. Compiled loops and networks are made ready before the first turn."
)


def run_speed(bench: Bench, *, watch: Watch) -> Sheet:
    """Stages, floor and the whole way."""
    stages, chain = (Cells(bench.out / f"cells-{n}", bench.renew, bench.only_tables) for n in ("speed", "chain"))
    inputs = _run_stages(bench, stages, watch=watch)
    inputs += run_chain(bench, chain, watch=watch)
    results = [*stages.results, *chain.results]
    return Sheet("speed", "Speed", SAYS, _tables(stages.results, chain.results), results, inputs)


def _run_stages(bench: Bench, cells: Cells, *, watch: Watch) -> list[Path]:
    card = bank.DATASETS[VOLUMES["FIB-25"].card]
    if not bank.is_here(card, bench.data):
        cells.leave_out("stages", FLOOR, f"{card.name} is not in the folder")
        return []
    files, student = files_of(card.name, bench.data), find_model(STUDENT)
    of = {
        "savem3": __version__,
        "volume": {file.name: digest_of_file(file) for file in files},
        "student": digest_of_file(student),
        "threads": bench.threads,
        "quick": bench.quick,
    }
    scene: list[Scene] = []
    for name, stage in STAGES.items():

        def make(stage: Callable[..., Pair] = stage) -> Made:
            scene[:] = scene or [_scene(bench)]
            ours, peers = stage(scene[0], threads=bench.threads)
            return _time(ours, peers, bench, voxels=scene[0].image.grid.voxels)

        result = cells.do(name, FLOOR, of=of, make=make)
        watch.say(f"{name}: {dict(result.values)}", row=name, values=result.values)
    return [*files, student]


def _scene(bench: Bench) -> Scene:
    import torch

    torch.set_num_threads(bench.threads)
    box = SMALL if bench.quick else BOX
    sample = bank.load_sample(bank.DATASETS[VOLUMES["FIB-25"].card], bench.data, "all")
    student, weights = read_student(STUDENT)
    settings = settings_for(weights, device="cpu", threads=bench.threads)
    return scene_of(sample.image.crop(box), sample.labels.crop(box), student, settings)


def _time(ours: Call, peers: Mapping[str, Call], bench: Bench, *, voxels: int) -> Made:
    """Seconds of ours, of each peer and of the floors in the same turns; and the ratios."""
    small = {"edge": 256, "copied": 2**20} if bench.quick else {}
    base = floors(**small)
    turns = by_turns({"ours": ours, **peers, **base}, repeats=1 if bench.quick else REPEATS)
    values = {"ours": seconds_of(turns["ours"]), "mvox_a_second": voxels / seconds_of(turns["ours"]) / 1e6}
    for name in peers:
        values[f"seconds of {name}"] = seconds_of(turns[name])
        values[f"times {name}"] = ratio_of(turns[name], turns["ours"])
    for name in base:
        rate, unit = rate_of(name, seconds_of(turns[name]), **small)
        values[f"{name}, {unit}"] = rate
    values["copies of this volume"] = _copies(values, voxels)
    return values, {"voxels": voxels, "busy": round(load_of_machine(), 2)}


def _copies(values: Mapping[str, float], voxels: int) -> float:
    """How often the volume's voxels, one byte read and one written, could have been copied in the time of ours."""
    return values["ours"] * values["copy, GB/s"] * 1e9 / (2 * voxels)


def _tables(stages: Sequence[Result], chain: Sequence[Result]) -> list[Table]:
    return [_whole_way(chain), _stage_table(stages), _floor_table(stages)]


def _whole_way(chain: Sequence[Result]) -> Table:
    """Whole processes, and how many times what ours took."""
    metrics = ("seconds", "cpu_seconds", "peak_gib", "voi", "arand_skimage")
    rows = []
    for row in dict.fromkeys(r.row for r in chain):
        found = pick(chain, row, COLUMN)
        cells = [cell_of(found, (metric,), digits=1 if "seconds" in metric else 3) for metric in metrics]
        rows.append((row, *cells, _ratio(chain, row, "seconds"), _ratio(chain, row, "cpu_seconds")))
    says = (
        "Whole processes, start and reading included, ours with its files written and without its report, by turns. "
        "The assembled chain is torch, a sliding window (MONAI's where it is installed), scikit-image's watershed and "
        "WaterZ in memory, with the same network; where it cuts was chosen by labels of sections 100–119, where ours "
        "cuts is what its card says. VoI and ARand of z 130–249, where the network saw no label. ± over runs; ratios "
        "are the median over runs of what the chain took to what ours took beside it, with as many views."
    )
    head = ("way", "s", "CPU s", "peak GiB", "VoI", "ARand", "× by the clock", "× CPU")
    return Table(f"The whole way, {COLUMN}", says, head, tuple(rows))


def _ratio(chain: Sequence[Result], row: str, metric: str) -> str:
    own = {
        r.seed: r.values[metric]
        for r in pick(chain, row.replace("assembled chain", "savem3 reconstruct"), COLUMN)
        if r.was_run
    }
    other = {r.seed: r.values[metric] for r in pick(chain, row, COLUMN) if r.was_run}
    ratios = sorted(other[seed] / own[seed] for seed in own if seed in other)
    return f"{ratios[len(ratios) // 2]:.1f}" if ratios else NOT_RUN


def _stage_table(stages: Sequence[Result]) -> Table:
    """A line for each peer of each stage."""
    rows: list[tuple[str, ...]] = []
    for r in stages:
        if not r.was_run:
            rows.append((r.row, NOT_RUN, "", "", "", ""))
            continue
        own = (r.row, "ours", f"{r.values['ours']:.3f}", f"{r.values['mvox_a_second']:.1f}", "1.0")
        rows.append((*own, f"{r.values['copies of this volume']:.0f}"))
        for name in (key.removeprefix("times ") for key in r.values if key.startswith("times ")):
            seconds, times = r.values[f"seconds of {name}"], r.values[f"times {name}"]
            rows.append((r.row, name, f"{seconds:.3f}", f"{r.says['voxels'] / seconds / 1e6:.1f}", f"{times:.1f}", ""))
    says = "The last column: how often the volume could have been read and written in the time that ours took."
    return Table("Stages", says, ("stage", "who", "CPU s", "Mvox/s", "× ours", "copies"), tuple(rows))


def _floor_table(stages: Sequence[Result]) -> Table:
    """What the machine did in the same turns, the median over stages."""
    names = [key for r in stages[:1] for key in r.values if key.endswith(("GB/s", "GFLOP/s"))]
    rows = [(name, spread([r.values[name] for r in stages if name in r.values], digits=1)) for name in names]
    return Table("The machine's floor in the same turns", "Mean ± over stages.", ("what", "rate"), tuple(rows))
