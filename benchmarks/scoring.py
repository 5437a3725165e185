"""Whether scoring is bounded in memory, and how it compares with scikit-image: two made volumes of any size.

    python benchmarks/scoring.py [--edges 250 500 1000] [--beside 250] [--runs 3] [--folder FOLDER]

Prints Markdown. First table: `savem3 score` on volumes of edge³ voxels, in a process of its own each: seconds, CPU
seconds, peak memory. Second table: VoI and adapted Rand error of a volume that fits, ours and scikit-image's by turns
in one process: median CPU seconds, their ratio, and the largest difference. Bodies are boxes of 41 × 47 × 37 voxels
and segments of 53 × 31 × 43, of which one in nine is joined to the next: many more pairs than a good result has.
Everything is written to a temporary folder (--folder) and takes little room there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from savem3.evaluate import arand_skimage, compare, voi_merge, voi_split
from savem3.grid import Box, Grid, Shape
from savem3.store import VoxelFile
from savem3.tiles import Blocks
from savem3.volume import Labels

BODIES, SEGMENTS = (41, 47, 37), (53, 31, 43)
BLOCK = (128, 128, 128)


def boxes(box: Box, shape: Shape, cell: Shape) -> NDArray[np.uint32]:
    """Labels of a box of a volume that is cut into cells, numbered from 1."""
    along = [-(-n // c) for n, c in zip(shape, cell, strict=True)]
    z, y, x = (np.arange(a, b) // c for a, b, c in zip(box.start, box.stop, cell, strict=True))
    return (1 + (z[:, None, None] * along[1] + y[:, None]) * along[2] + x).astype(np.uint32)


def segmented(box: Box, shape: Shape) -> NDArray[np.uint32]:
    found = boxes(box, shape, SEGMENTS)
    return found - (found % 9 == 0)


def write(path: Path, shape: Shape, make: Callable[[Box], NDArray[np.uint32]]) -> None:
    file = VoxelFile(path, shape, "uint32", BLOCK)
    file.create()
    for tile in Blocks(shape, BLOCK):
        file.write(tile.write, make(tile.write))


def score(folder: Path, edge: int, workers: int) -> str:
    """Score two volumes; a line of the table."""
    shape = (edge, edge, edge)
    for name, make in (("s", lambda box: segmented(box, shape)), ("t", lambda box: boxes(box, shape, BODIES))):
        if not (folder / f"{name}{edge}.zarr").exists():
            write(folder / f"{name}{edge}.zarr", shape, make)
    command = [sys.executable, "-m", "savem3", "score", *(f"{folder}/{name}{edge}.zarr" for name in "st")]
    command += ["--voxel-size", "10", "--json", "--workers", str(workers)]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return f"| {edge}³ | {workers} | exit code {process.returncode} | | | | |"
    found, cpu = json.loads(said), used.ru_utime + used.ru_stime
    return (
        f"| {edge}³ | {workers} | {time.monotonic() - begun:.0f} | {cpu:.0f} | {used.ru_maxrss / 2**10:.0f} | "
        f"{found['bodies']:,} | {found['voi']:.4f} |"
    )


def beside(edge: int, runs: int) -> str:
    """Ours and scikit-image's by turns; a line of the table."""
    from skimage.metrics import adapted_rand_error, variation_of_information

    shape = (edge, edge, edge)
    grid = Grid(shape, (10.0, 10.0, 10.0))
    segmentation, truth = (v.astype(np.uint64) for v in (segmented(grid.box, shape), boxes(grid.box, shape, BODIES)))
    signed = segmentation.astype(np.int64), truth.astype(np.int64)

    def ours() -> NDArray[np.float64]:
        table = compare(Labels(segmentation, grid), Labels(truth, grid))
        return np.array([voi_split(table), voi_merge(table), arand_skimage(table)])

    def theirs() -> NDArray[np.float64]:
        split, merge = variation_of_information(signed[1], signed[0], ignore_labels=(0,))
        return np.array([split, merge, adapted_rand_error(signed[1], signed[0])[0]])

    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    answers = {}
    for _ in range(runs):
        for name, function in (("ours", ours), ("theirs", theirs)):
            begun = time.process_time()
            answers[name] = function()
            times[name].append(time.process_time() - begun)
    mine, other = (statistics.median(times[name]) for name in ("ours", "theirs"))
    apart = np.abs(answers["ours"] - answers["theirs"]).max()
    return f"| {edge}³ | {mine:.2f} | {other:.2f} | {other / mine:.1f} | {apart:.0e} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="*", default=[250, 500, 1000])
    parser.add_argument("--workers", type=int, nargs="*", default=[1])
    parser.add_argument("--beside", type=int, default=250)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as folder:
        print(
            "| voxels | threads | s | CPU s | peak MiB | bodies | VoI, bits |\n|---|---|---|---|---|---|---|",
            flush=True,
        )
        for edge in options.edges:
            for workers in options.workers:
                print(score(Path(folder), edge, workers), flush=True)
    print(
        "\n| voxels | ours, CPU s | scikit-image, CPU s | ratio | largest difference |\n|---|---|---|---|---|",
        flush=True,
    )
    print(beside(options.beside, options.runs), flush=True)


if __name__ == "__main__":
    main()
