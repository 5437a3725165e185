"""Boundary maps of teachers, section by section, on the sections of the 2D table.

    python experiments/boundary_2d.py --data DIR --work FOLDER --boundary SAEM²=saem2-tiny --boundary NAME=FILE \\
        --out BOUNDARIES.md

For each checkpoint (of SAEM² or of its heads alone; whatever `savem3 bench` takes as --teacher) and dataset:

- AP: average precision of membrane pixels against the boundary target; no threshold, no tolerance.
- VoI: a section is cut into the connected parts below a threshold, which then flood the rest; bits against its
  connected instances of at least 60 pixels. The threshold is the best on sections of the training split (FIB-25
  sample 2 z 0–119, VNC 0–14, ISBI 2012 0–23; of a user's own volume, its first half) and is used on the others.
- the best threshold of the scored sections themselves, to see what choosing it elsewhere costs.

Raw grey taken for a boundary map is the first row. Results are kept in the work folder, section by section.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bioimage_cpp.segmentation import watershed
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from savem3 import saem2
from savem3.bench.answering import open_teacher
from savem3.bench.held_out import (
    DATASETS,
    SMALLEST,
    Line,
    Volume,
    add_line,
    file_of,
    held_out,
    own_volume,
    read_lines,
    seen_by,
)
from savem3.bench.request import split_name
from savem3.bench.rivals import darkness, see_boundary
from savem3.evaluate import count_pairs, voi_merge, voi_split
from savem3.shipped import find_model
from savem3.store.weights import read_weights

CONSOLE = Console(highlight=False, width=160)
THRESHOLDS = tuple(range(16, 256, 16))
SMALLEST_SEED = 20
"""Connected parts below the threshold of fewer pixels are flooded by others."""

Section = NDArray[np.uint8]
Draw = Callable[[Section], Section]


def main() -> None:
    """Look where nothing is kept yet, then write the table."""
    options = read_options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    pairs = [pair for name in options.datasets for pair in pairs_of(name, options.data)]
    pairs += [halves(own_volume(*paths, every=options.every)) for paths in options.volume]
    lines = ["| dataset | whose map | AP | VoI (split, merge) | threshold | VoI at the best | its labels |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for tune, test in pairs:
        for given in ("raw", *options.boundary):
            lines.append(row(given, tune, test, options))
            CONSOLE.print(lines[-1])
    table = "\n".join([*lines, "", *(f"{test.name}: {test.describe()}." for _, test in pairs)]) + "\n"
    if options.out:
        options.out.write_text(table, encoding="utf-8")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True, help="folder where results are kept")
    parser.add_argument("--boundary", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--base", type=Path, help="the SAM that files stand on")
    parser.add_argument("--datasets", nargs="*", choices=sorted(DATASETS), default=["FIB-25", "VNC", "ISBI"])
    own = ("NAME", "RAW", "LABELS")
    parser.add_argument("--volume", nargs=3, action="append", default=[], metavar=own, help="a volume of your own")
    parser.add_argument("--every", type=int, default=1, help="look at every so many sections of your own volumes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.datasets and options.data is None:
        parser.error("--data must be given for the bank's datasets, got none; or pass --datasets without a name")
    return options


def pairs_of(name: str, folder: Path) -> list[tuple[Volume, Volume]]:
    """Of each block of a dataset that has both: the sections that the threshold is chosen on, and those scored."""
    tuned = {volume.block: volume for volume in held_out(name, folder, tune=True)}
    return [(tuned[volume.block], volume) for volume in held_out(name, folder) if volume.block in tuned]


def halves(volume: Volume) -> tuple[Volume, Volume]:
    """The sections that the threshold is chosen on, and those that are scored."""
    middle = len(volume.sections) // 2
    if not middle:
        raise ValueError(f"{volume.name} must have at least 2 sections to choose a threshold on one, got 1")
    return replace(volume, sections=volume.sections[:middle]), replace(volume, sections=volume.sections[middle:])


def row(given: str, tune: Volume, test: Volume, options: argparse.Namespace) -> str:
    """One map on one dataset."""
    name, file = ("raw grey", None) if given == "raw" else split_name(given)
    weights = None if file is None else read_weights(find_model(file))

    def draw(volume: Volume) -> Draw:
        intensity = volume.intensity
        if file is None:
            return lambda section: darkness(section, intensity)
        teacher = open_teacher(find_model(file), options.base)
        return lambda section: see_boundary(section, teacher, intensity)

    chosen_on, scored = (
        look(
            draw, volume, file_of(options.work, "boundary", volume.name, part, name), weights.sha256 if weights else ""
        )
        for part, volume in (("tune", tune), ("test", test))
    )
    at = int(errors_of(chosen_on).sum(1).argmin())
    errors = errors_of(scored)
    (split, merge), best = errors[at], int(errors.sum(1).argmin())
    cells = [f"{average_precision(*counts_of(scored)):.3f}", f"{split + merge:.3f} ({split:.3f}, {merge:.3f})"]
    cells += [f"{THRESHOLDS[at]}", f"{errors[best].sum():.3f} (at {THRESHOLDS[best]})"]
    kin = "none" if weights is None else seen_by(weights.card, test)
    return f"| {test.name} | {name} | {' | '.join(cells)} | {kin} |"


def look(draw: Callable[[Volume], Draw], volume: Volume, path: Path, identity: str) -> list[Line]:
    """What is kept of each section: errors at each threshold, and boundary values on membrane and off it."""
    of = {"volume": volume.describe(), "files": list(volume.files), "map": identity, "thresholds": list(THRESHOLDS)}
    lines = read_lines(path, of=of)
    done = {line["z"] for line in lines}
    see: Draw | None = None
    for z in volume.sections:
        if z in done:
            continue
        see = see or draw(volume)
        grey, labels = volume.read(z)
        lines.append({"z": z, **score_section(see(grey), labels=labels, membrane=volume.membranes(z) > 0)})
        add_line(path, lines[-1])
    return lines


def score_section(boundary: Section, *, labels: NDArray[np.uint64], membrane: NDArray[np.bool_]) -> Line:
    """The line of one section."""
    parts, numbers = saem2.instances_of(labels, smallest=SMALLEST)
    truth = np.where(np.isin(parts, numbers), parts, np.uint64(0))
    tables = [count_pairs(cut(boundary, threshold)[None], truth[None]) for threshold in THRESHOLDS]
    on, off = (np.bincount(boundary[where], minlength=256).tolist() for where in (membrane, ~membrane))
    return {"errors": [[voi_split(t), voi_merge(t)] for t in tables], "membrane": on, "inside": off}


def cut(boundary: Section, threshold: int) -> NDArray[np.uint64]:
    """The connected parts of a section where the boundary map is below a threshold, grown over the rest."""
    seeds, _ = ndimage.label(boundary < threshold)
    sizes = np.bincount(seeds.ravel())
    seeds = np.where(sizes[seeds] >= SMALLEST_SEED, seeds, 0)
    if not seeds.any():
        return np.ones(boundary.shape, np.uint64)
    return watershed(boundary.astype(np.float32), seeds.astype(np.uint64)).astype(np.uint64)


def average_precision(on: NDArray[np.int64], off: NDArray[np.int64]) -> float:
    """Area under precision and recall as the threshold falls, of pixels counted by their value, on membrane and off it.

    Steps, not trapezes: the sum of precision times what recall gains at each value.
    """
    found, wrong = np.cumsum(on[::-1]), np.cumsum(off[::-1])
    precision = found / np.maximum(found + wrong, 1)
    return float((precision * on[::-1]).sum() / max(1, on.sum()))


def counts_of(lines: Sequence[Mapping[str, list[int]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Boundary values on membrane and off it, of all sections."""
    on, off = (np.sum([line[name] for line in lines], axis=0, dtype=np.int64) for name in ("membrane", "inside"))
    return on, off


def errors_of(lines: Sequence[Line]) -> NDArray[np.float64]:
    """Split and merge at each threshold, the mean of the sections."""
    return np.asarray(np.mean([line["errors"] for line in lines], axis=0))


if __name__ == "__main__":
    main()
