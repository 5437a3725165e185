"""Proof, on the user's own machine or cluster, that blocks, their order, kills and damage change no byte."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from savem3.blocks import Executor, Failure, Finished, Ledger, Threads, held, run_stages
from savem3.blocks.outcome import Item, Result
from savem3.distill import StoredStudent
from savem3.grid import Box, Grid, Shape
from savem3.predict import Draw
from savem3.request import Machine, Work
from savem3.runs.planning import time_text
from savem3.runs.reconstruct import Choices, settings_of
from savem3.shipped import find_model, read_example
from savem3.stages import Outputs, stages_of
from savem3.store import VoxelFile
from savem3.volume import Image, intensity_of
from savem3.watch import Watch

CROP: Shape = (64, 96, 96)
"""Voxels of the bundled example that are reconstructed again and again."""
BLOCK: Shape = (32, 48, 48)
"""Small blocks: 8 of them."""
CHOICES = Choices(views=1)
"""One direction to look along, to save time."""
KILL_AFTER = 5
"""Blocks that a run has done when it is killed."""
PATIENCE_S = 600.0
"""A run that takes longer than this has failed: jobs of a cluster may wait a while."""


@dataclass(frozen=True, slots=True)
class Shuffled:
    """An executor that is given its items in another order; answers carry their true numbers."""

    workers: Executor
    seed: int = 0

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Executor.run`."""
        order = list(range(len(items)))
        random.Random(self.seed).shuffle(order)
        for outcome in self.workers.run(function, [items[index] for index in order]):
            yield replace(outcome, index=order[outcome.index])


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of coming to the same result.

    Parameters
    ----------
    name
        What was done.
    digests
        SHA-256 of each volume.
    seconds
        By the clock.
    redone
        Blocks that were done and intact, and were done again; absent where nothing was stopped.
    problem
        Why there is no result, in a sentence.
    """

    name: str
    digests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    redone: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and what is reconstructed.

    Parameters
    ----------
    folder
        Holds everything; gone afterwards.
    image
        A crop, also in ``raw.zarr`` there.
    machine, work
        Who works.
    """

    folder: Path
    image: Image
    machine: Machine
    work: Work

    def outputs(self, name: str, *, block: Shape = BLOCK) -> Outputs:
        """Of a run of this name."""
        settings, _ = settings_of(CHOICES, machine=self.machine, work=self.work)
        return Outputs(self.folder / name, self.image.grid, replace(settings, block=block))

    def command(self, name: str) -> list[str]:
        """The command line that reconstructs the crop in small blocks."""
        work, machine = self.work, self.machine
        options = {
            "voxel-size": ",".join(f"{size:g}" for size in self.image.grid.voxel_size),
            "block": ",".join(map(str, BLOCK)),
            "views": CHOICES.views,
            "device": machine.device,
            "threads": machine.threads,
            "executor": work.executor,
            "workers": work.workers,
            "memory": work.memory,
            "walltime": work.walltime,
            **({"queue": work.queue} if work.queue else {}),
        }
        words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
        raw, out = str(self.folder / "raw.zarr"), str(self.folder / name)
        return [sys.executable, "-m", "savem3", "reconstruct", raw, out, *words, "--skip-report", "--json"]


def run_selfcheck(folder: Path | None, *, machine: Machine, work: Work, as_json: bool) -> bool:
    """Reconstruct a small crop in five ways and compare; whether all results are the same, byte for byte.

    Parameters
    ----------
    folder
        Where to work; workers on other machines must see it. Nothing is left there.
    machine, work
        Who works in the runs that are compared with a run of one block in this process.
    as_json
        Facts for machines.
    """
    console = Console(highlight=False)
    begun, trials = time.monotonic(), list[Trial]()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="savem3-selfcheck-", dir=folder) as place:
        bench = Bench(Path(place).absolute(), _crop(), machine, work)
        _write(bench.image, bench.folder / "raw.zarr")
        with nullcontext() if as_json else console.status("") as status:
            for trial in (in_one_block, in_small_blocks, killed_and_resumed, damaged_and_resumed):
                if status is not None:
                    status.update(f"{(trial.__doc__ or '').splitlines()[0]}")
                trials.append(_attempt(trial, bench))
    facts = facts_of(trials, work=work, seconds=time.monotonic() - begun)
    if as_json:
        console.out(json.dumps(facts), highlight=False)
    else:
        _show(facts, console=console)
    return bool(facts["passed"])


def in_one_block(bench: Bench) -> Trial:
    """One block, in this process."""
    outputs = bench.outputs("one", block=bench.image.grid.shape)
    _go_through(bench, outputs, Threads(1))
    return Trial("one block, in this process", digests_of(outputs))


def in_small_blocks(bench: Bench) -> Trial:
    """Small blocks, in shuffled order, by the workers asked for."""
    outputs = bench.outputs("blocks")
    with held(bench.work.executor_on(bench.machine)) as workers:
        _go_through(bench, outputs, Shuffled(workers))
    return Trial("small blocks, shuffled", digests_of(outputs))


def killed_and_resumed(bench: Bench) -> Trial:
    """A run that is killed, and gone on with."""
    outputs = bench.outputs("killed")
    child = subprocess.Popen(bench.command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    with child:
        while child.poll() is None and len(records_in(outputs.folder)) < KILL_AFTER and time.monotonic() < deadline:
            time.sleep(0.02)
        alive = child.poll() is None
        child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        said = child.stderr.read() if child.stderr and not alive else ""
    if not alive:
        raise RuntimeError(_last_line(said) or "the run ended before it could be killed")
    before = records_in(outputs.folder)
    _resume(bench, "killed")
    return Trial("killed and resumed", digests_of(outputs), redone=len(changed(before, outputs.folder)))


def damaged_and_resumed(bench: Bench) -> Trial:
    """One block deleted, one corrupted, and the run gone on with."""
    outputs = bench.outputs("killed")
    before = records_in(outputs.folder)
    deleted = _first_block(outputs.fragments.levels[0])
    deleted.unlink()
    corrupted = _first_block(outputs.labels.levels[0])
    corrupted.write_bytes(bytes(byte ^ 0xFF for byte in corrupted.read_bytes()))
    _resume(bench, "killed")
    again = changed(before, outputs.folder) - {"fragments/0.json", "labels/0.json"}
    return Trial("deleted, corrupted, resumed", digests_of(outputs), redone=len(again))


def digests_of(outputs: Outputs) -> dict[str, str]:
    """SHA-256 of the voxels of each volume, whatever its blocks."""
    volumes = {"boundary": outputs.boundary, "fragments": outputs.fragments, "labels": outputs.labels}
    return {name: volume.levels[0].digest(_box(outputs.grid)) for name, volume in volumes.items()}


def records_in(run: Path) -> dict[str, int]:
    """When each record of a run was written, by its place; a block that is done anew gets a new one."""
    records = {}
    for path in (run / "done").glob("*/*.json"):
        try:
            records[path.relative_to(run / "done").as_posix()] = path.stat().st_mtime_ns
        except FileNotFoundError:  # taken back meanwhile
            continue
    return records


def changed(before: dict[str, int], run: Path) -> set[str]:
    """Records that were there before and have been written anew."""
    now = records_in(run)
    return {place for place, written in before.items() if place in now and now[place] != written}


def facts_of(trials: Sequence[Trial], *, work: Work, seconds: float) -> dict[str, object]:
    """What the trials showed, as plain values; a trial passes where its volumes are those of the first."""
    expected = trials[0].digests
    rows = []
    for trial in trials:
        same = {name: bool(digest) and trial.digests.get(name) == digest for name, digest in expected.items()}
        passed = bool(same) and all(same.values()) and not trial.redone and not trial.problem
        row = {"trial": trial.name, "passed": passed, "same": same, "done_twice": trial.redone}
        rows.append({**row, "seconds": round(trial.seconds, 1), "problem": trial.problem})
    return {
        "passed": all(row["passed"] for row in rows),
        "executor": work.executor,
        "sha256": expected,
        "trials": rows,
        "seconds": round(seconds, 1),
    }


def _attempt(trial: Callable[[Bench], Trial], bench: Bench) -> Trial:
    """A trial with its time; one that fails is a trial with a problem."""
    begun = time.monotonic()
    try:
        made = trial(bench)
    except (RuntimeError, ValueError, OSError, subprocess.TimeoutExpired) as error:
        made = Trial((trial.__doc__ or "").splitlines()[0].rstrip(".").lower(), problem=str(error))
    return replace(made, seconds=time.monotonic() - begun)


def _go_through(bench: Bench, outputs: Outputs, executor: Executor) -> None:
    """All stages, as any run goes through them; scratch stays."""
    settings, weights = settings_of(CHOICES, machine=bench.machine, work=bench.work)
    student = StoredStudent(find_model(CHOICES.model).absolute(), weights.sha256)
    threads = bench.work.threads_of_a_worker(bench.machine)
    image = _stored(bench)
    draw = Draw(image, student, intensity_of(bench.image), settings.predict, settings.device, threads)
    ledger = Ledger(outputs.folder / "done", configuration="", input="")
    run_stages(stages_of(draw, outputs), ledger=ledger, executor=executor, showing=Watch().stage)


def _resume(bench: Bench, name: str) -> None:
    """Go on with a run in a process of its own, by the command line."""
    command = [*bench.command(name), "--resume"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=dict(os.environ))
    if ended.returncode:
        raise RuntimeError(_last_line(ended.stderr) or f"the resumed run must end with 0, got {ended.returncode}")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def _crop() -> Image:
    """A corner of the bundled example."""
    image, _ = read_example()
    z, y, x = (min(a, b) for a, b in zip(CROP, image.grid.shape, strict=True))
    crop = image.crop(Box((0, 0, 0), (z, y, x)))
    return Image(crop.voxels, Grid((z, y, x), image.grid.voxel_size))


def _write(image: Image, folder: Path) -> None:
    file = VoxelFile(folder, image.grid.shape, "uint8", image.grid.shape)
    file.create()
    file.write(_box(image.grid), image.read(_box(image.grid)))


def _stored(bench: Bench) -> Image:
    """The crop on the disk, which all workers can read."""
    grid = bench.image.grid
    return Image(VoxelFile(bench.folder / "raw.zarr", grid.shape, "uint8", grid.shape).voxels, grid)


def _box(grid: Grid) -> Box:
    return Box((0, 0, 0), grid.shape)


def _first_block(file: VoxelFile) -> Path:
    return file.folder / "c" / "0" / "0" / "0"


def _show(facts: dict[str, object], *, console: Console) -> None:
    """A table with ticks, and what it means."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("", "boundary", "fragments", "labels", "done twice", "time"):
        table.add_column(name, justify="left" if not name else "right" if name in ("time", "done twice") else "center")
    rows = list(facts["trials"])  # type: ignore[call-overload]
    for row in rows:
        same = [row["same"].get(name) for name in ("boundary", "fragments", "labels")]
        twice = "–" if row["done_twice"] is None else f"{row['done_twice']}"
        table.add_row(row["trial"], *map(_tick, same), twice, time_text(row["seconds"]))
    console.print(table)
    for row in rows:
        if row["problem"]:
            console.print(f"[red]✗[/] {row['trial']}: {row['problem']}", soft_wrap=True)
    verdict = "[green]all the same, byte for byte[/]" if facts["passed"] else "[red]not all the same[/]"
    console.print(f"\n{verdict}; executor {facts['executor']}, {time_text(float(str(facts['seconds'])))}")


def _tick(same: object) -> str:
    return "[green]✓[/]" if same else "[red]✗[/]"
