"""The whole way from raw to neurons beside the assembled chain: whole processes, the same volume, the same network."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3 import __version__, bank
from savem3.bench.assembled import flood
from savem3.bench.cells import Cells
from savem3.bench.manifest import digest_of_file, load_of_machine
from savem3.bench.request import Bench
from savem3.bench.volumes import VOLUMES, files_of
from savem3.evaluate import relabel_components, score
from savem3.graphcut import agglomerate_by_waterz
from savem3.grid import Box, Grid
from savem3.shipped import STUDENT, find_model
from savem3.store import open_labels, write_image
from savem3.volume import BoundaryMap, Labels
from savem3.watch import Watch

COLUMN = "FIB-25 sample 2, 250³"
SCORED, CHOSEN = (130, 249), (100, 119)
THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 20))
QUICK = Box((100, 77, 77), (150, 173, 173))
"""Sections for choosing and for scoring, a little of each."""


def run_chain(bench: Bench, cells: Cells, *, watch: Watch) -> list[Path]:
    """Ours and theirs by turns, with one view and with three; what was read."""
    card = VOLUMES["FIB-25"].card
    if not bank.is_here(bank.DATASETS[card], bench.data):
        cells.leave_out("the whole way", COLUMN, f"{card} is not in the folder")
        return []
    student, files = find_model(STUDENT), files_of(card, bench.data)
    of = {
        "savem3": __version__,
        "volume": {file.name: digest_of_file(file) for file in files},
        "student": digest_of_file(student),
        "threads": bench.threads,
        "quick": bench.quick,
        "monai": find_spec("monai") is not None,
    }
    place = raw_of(bench)
    for seed in range(1 if bench.quick else bench.seeds):
        for views in (1, 3) if seed == 0 else (1,):
            for who, run in (("savem3 reconstruct", ours), ("assembled chain", theirs)):
                row = f"{who}, {views} view{'s' if views > 1 else ''}"
                made = partial(run, place, student, bench, views)
                result = cells.do(row, COLUMN, of=of, seed=seed, make=made)
                watch.say(f"{row}, run {seed}: {dict(result.values)}", row=row, values=result.values)
    return [*files, student]


def raw_of(bench: Bench) -> str:
    """The volume that both read, as a file of its own."""
    file = bench.out / "raw.h5"
    if not file.exists():
        image = bank.load_image(bank.DATASETS[VOLUMES["FIB-25"].card], bench.data)
        write_image(image.crop(QUICK) if bench.quick else image, file)
    return str(file)


Made = tuple[dict[str, float], dict[str, Any]]


def ours(raw: str, student: Path, bench: Bench, views: int) -> Made:
    """``savem3 reconstruct`` without its report."""
    out = bench.out / f"ours-{views}"
    command = [sys.executable, "-m", "savem3", "reconstruct", raw, str(out), "--model", str(student)]
    command += ["--views", str(views), "--threads", str(bench.threads), "--skip-report", "--overwrite", "--json"]
    cost = measure(command)
    labels = open_labels(out / "labels.zarr").load()
    return {**cost, **_errors(np.asarray(labels.voxels), bench)}, {"busy": round(load_of_machine(), 2)}


def theirs(raw: str, student: Path, bench: Bench, views: int) -> Made:
    """The assembled chain; where it cuts is chosen by labels of sections 100–119 afterwards, in no one's time.

    Raises
    ------
    ModuleNotFoundError
        If scikit-image or waterz is not installed.
    """
    for package in ("skimage", "waterz"):
        if find_spec(package) is None:
            raise ModuleNotFoundError(f'the chain needs the package {package}: pip install "savem3[bench]"')
    boundary, labels = bench.out / f"boundary-{views}.npy", bench.out / f"theirs-{views}.npy"
    command = [sys.executable, "-m", "savem3.bench.assembled", raw, str(student), str(boundary), str(labels)]
    cost = measure([*command, "--threads", str(bench.threads), "--views", str(views)])
    threshold, found = choose_threshold(np.load(boundary), bench)
    window = "MONAI" if find_spec("monai") else "a plain sliding window of the same overlap and blending"
    says = {"threshold": threshold, "window": window, "busy": round(load_of_machine(), 2)}
    return {**cost, **_errors(found, bench)}, says


def measure(command: Sequence[str]) -> dict[str, float]:
    """Seconds by the clock, seconds of CPU and the most memory of a whole process and all that it starts.

    Raises
    ------
    RuntimeError
        If it fails; with the end of what it said.
    """
    threads = {"OMP_NUM_THREADS": _threads_of(command), "PYTHONWARNINGS": "ignore"}
    begun, before = time.monotonic(), os.times()
    done = subprocess.run(
        [*_TIMED, *command], capture_output=True, text=True, check=False, env={**os.environ, **threads}
    )
    if done.returncode:
        raise RuntimeError(f"{command[2]} must run to its end, got code {done.returncode}: {done.stderr[-400:]}")
    after = os.times()
    seconds = time.monotonic() - begun
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    peak = int(done.stderr.rsplit("peak-kib ", 1)[1].split()[0])
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_gib": round(peak / 2**20, 3)}


_TIMED = (
    sys.executable,
    "-c",
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "print('peak-kib', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(code)",
)
"""A small process in between, whose only child is the one that is measured."""


def _threads_of(command: Sequence[str]) -> str:
    return command[command.index("--threads") + 1]


def choose_threshold(boundary: NDArray[np.uint8], bench: Bench) -> tuple[float, NDArray[np.uint64]]:
    """Where WaterZ stops with the least VoI on sections 100–119, and what it makes of the volume there."""
    grid = Grid(boundary.shape, bank.DATASETS[VOLUMES["FIB-25"].card].voxel_size)
    whole = BoundaryMap(boundary, grid)
    fragments = Labels(flood(boundary.astype(np.float32) / np.float32(255)), grid)
    above = QUICK.start[0] if bench.quick else 0
    part = Box((CHOSEN[0] - above, 0, 0), (CHOSEN[1] + 1 - above, *boundary.shape[1:]))
    few, map_of_few = fragments.crop(part), whole.crop(part)

    def error(threshold: float) -> float:
        joined = agglomerate_by_waterz(map_of_few, few, threshold)
        return _errors(np.asarray(joined.voxels), bench, sections=CHOSEN)["voi"]

    best = min(THRESHOLDS, key=error)
    return best, np.asarray(agglomerate_by_waterz(whole, fragments, best).voxels)


def _errors(voxels: NDArray[np.uint64], bench: Bench, *, sections: tuple[int, int] = SCORED) -> Mapping[str, float]:
    """VoI and ARand of some sections of the volume, or of labels of these alone; truth numbered by components."""
    truth = _truth(bench.data)
    whole = QUICK if bench.quick else truth.grid.box
    z = slice(max(sections[0], whole.start[0]), min(sections[1] + 1, whole.stop[0]))
    part = np.asarray(truth.voxels)[z, whole.slices[1], whole.slices[2]]
    own = voxels if voxels.shape == part.shape else voxels[z.start - whole.start[0] : z.stop - whole.start[0]]
    grid = Grid(part.shape, truth.grid.voxel_size)
    scores = score(Labels(np.ascontiguousarray(own), grid), relabel_components(Labels(part, grid)))
    return {"voi": scores.voi, "arand_skimage": scores.arand_skimage}


@cache
def _truth(folder: Path) -> Labels:
    return bank.load_sample(bank.DATASETS[VOLUMES["FIB-25"].card], folder, "all").labels
