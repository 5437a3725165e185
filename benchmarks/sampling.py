"""How much memory all published masks take, and how fast an epoch is planned and its masks are cut.

    python benchmarks/sampling.py [--data DIR] [--masks 649000] [--repeats 5]

Prints Markdown. Labels are drawn section by section (irregular cells of about 16 pixels in sections of 1024²), listed,
and never held; datasets and imaging methods are those of the published quotas. DIR holds `fib25_training_sample2.h5`,
from whose labels masks are cut. Seconds are CPU time, medians of repeats; memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from savem3.bank import (
    DATASETS,
    PUBLISHED_QUOTAS,
    Annotated,
    InstanceIndex,
    index_instances,
    load_sample,
    mask_of,
    plan_epoch,
    read_index,
    sections_of_epoch,
    write_index,
)
from savem3.grid import Grid
from savem3.volume import Labels

EDGE, CELL = 1024, 16
Result = TypeVar("Result")


class DrawnSections:
    """Labels that are drawn when a section is asked for: a lattice whose lines are bent anew in each."""

    dtype = np.dtype(np.uint64)

    def __init__(self, depth: int) -> None:
        self.shape = (depth, EDGE, EDGE)

    def __getitem__(self, z: int) -> NDArray[np.uint64]:
        y, x = np.indices((EDGE, EDGE))
        bent = 3 * np.sin((x + 37 * z) / 23), 3 * np.sin((y + 53 * z) / 19)
        rows, columns = ((axis + bend + 8).astype(np.int64) // CELL for axis, bend in zip((y, x), bent, strict=True))
        return (1 + rows * (EDGE // CELL + 2) + columns).astype(np.uint64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--masks", type=int, default=649_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    before = peak_mib()
    index, seconds = timed(lambda: index_instances(volumes(options.masks)), repeats=1)
    count = len(index.instances)
    print("| what | how many | CPU s | a second |\n|---|---|---|---|")
    print_row("masks listed", count, seconds)
    print(f"| memory of the index, MiB | {index.instances.nbytes / 2**20:.0f} | | |")
    print(f"| peak of the process, MiB (before: {before:.0f}) | {peak_mib():.0f} | | |")
    time_epoch(index, options.repeats)
    time_file(index, options.repeats)
    print(f"| peak of the process in the end, MiB | {peak_mib():.0f} | | |")
    if options.data is not None:
        time_cutting(options.data, options.repeats)


def volumes(masks: int) -> Iterator[Annotated]:
    """A volume of each published dataset, with an equal share of the masks; one section's border has few."""
    of_section = (EDGE // CELL) ** 2
    pairs = [(imaging, dataset) for imaging, quotas in PUBLISHED_QUOTAS.items() for dataset in quotas]
    sections = int(np.ceil(masks / len(pairs) / of_section * 1.03))
    for imaging, dataset in pairs:
        voxels = DrawnSections(sections * (3 if imaging == "FIB-SEM" else 1))
        yield Annotated(dataset, dataset, imaging, Labels(voxels, Grid(voxels.shape, (40.0, 4.0, 4.0))))


def time_epoch(index: InstanceIndex, repeats: int) -> None:
    quotas = {dataset: count for own in PUBLISHED_QUOTAS.values() for dataset, count in own.items()}
    draws, seconds = timed(lambda: plan_epoch(index, quotas=quotas, seed=0, epoch=3), repeats=repeats)
    print_row("draws of an epoch planned", len(draws), seconds)
    _, more = timed(lambda: list(sections_of_epoch(index, draws)), repeats=repeats)
    print_row("and said section by section", len(draws), seconds + more)


def time_file(index: InstanceIndex, repeats: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.safetensors"
        _, seconds = timed(lambda: write_index(path, index, made_from="benchmark"), repeats=repeats)
        print_row("masks written to a file", len(index.instances), seconds)
        _, seconds = timed(lambda: read_index(path, made_from="benchmark"), repeats=repeats)
        print_row("masks read from it", len(index.instances), seconds)


def time_cutting(data: Path, repeats: int) -> None:
    """Masks cut from real labels, the section around them and all."""
    labels = load_sample(DATASETS["fib25_training_sample2"], data, "all").labels
    index, seconds = timed(lambda: index_instances([Annotated("2", "FIB-25", "FIB-SEM", labels)]), repeats=repeats)
    print_row("masks of FIB-25 sample 2 listed", len(index.instances), seconds)

    def cut() -> int:
        draws = plan_epoch(index, seed=0, epoch=0)
        return sum(
            int(mask_of(labels.voxels[section.z], index.instances[i]).any())
            for section in sections_of_epoch(index, draws)
            for i in section.instances
        )

    count, seconds = timed(cut, repeats=repeats)
    print_row("draws of an epoch of it planned and cut", count, seconds)


def timed(work: Callable[[], Result], *, repeats: int) -> tuple[Result, float]:
    """What comes out, and the median of CPU seconds."""
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        result = work()
        seconds.append(time.process_time() - begun)
    return result, median(seconds)


def print_row(what: str, count: int, seconds: float) -> None:
    print(f"| {what} | {count:,} | {seconds:.2f} | {count / seconds:,.0f} |", flush=True)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
