"""A round of the data engine on labels that were coarsened on purpose, against the labels they were made from.

    python experiments/engine_round.py --data DIR --work FOLDER --tune      # which gain of boundary to ask for
    python experiments/engine_round.py --data DIR --work FOLDER --out TABLE.md

Labels of FIB-25 sample 2 (z 140, 160 … 240) and VNC stack 1 (11, 15 and 19) are dilated, shifted,
given holes, all three, or left as they are; then cleansed (specks of fewer than 20 pixels, holes of fewer than 64), and
refined (masks eroded by 1 pixel, above IoU 0.5) or unified (above 0.7) with the shipped teacher. Mean IoU and boundary
IoU (2 pixels; 2 % of the diagonal) over the connected instances of at least 60 pixels, each against the parts of its
own label that it meets; mean and standard deviation over seeds. Thresholds are chosen with --tune, on FIB-25 z 0–119
(from which the teacher learned, so that they may be too bold) and VNC 0–9 (it learned from no VNC). Results are kept in
the work folder, a line a section. About 10 CPU-minutes.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from savem3 import bank
from savem3.bench.held_out import SMALLEST, file_of
from savem3.engine import RedrawRecipe, Section, Tidy, place, redraw, refinement, unification
from savem3.engine.parts import parts_of
from savem3.engine.unifying import judge
from savem3.evaluate import boundary_iou, depth_of, iou
from savem3.grid import Grid
from savem3.prompt import Prompter
from savem3.shipped import read_teacher
from savem3.volume import IntensityMap, intensity_of

CONSOLE = Console(highlight=False, width=160)
DAMAGES = ("none", "dilated", "shifted", "holes", "all three")
GUARDS = (("none", None, 0.0), *((f"at {gain}", 0.0, float(gain)) for gain in (-255, 15, 20, 25, 28, 30, 35, 40, 50)))
"""Guards that --tune compares: wanted gains of boundary of a part, and in the median of a section."""
CHOSEN = (("none", None, 0.0), ("default", unification().boundary_gain, unification().section_gain))
SETS = {
    "FIB-25": {
        "card": "fib25_training_sample2",
        "tune": ("train", range(0, 120, 24)),
        "test": ("validation", range(10, 120, 20)),
    },
    "VNC": {"card": "vnc_stack1", "tune": ("all", range(0, 10, 4)), "test": ("all", range(11, 20, 4))},
}
RECIPES: dict[str, RedrawRecipe] = {"refined": refinement(erode=1), "unified": unification()}

Numbers = NDArray[np.uint64]


def main() -> None:
    """Do what is not kept yet, then write the table."""
    options = read_options()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    use, seeds = ("tune", [100]) if options.tune else ("test", list(range(options.seeds)))
    kept = file_of(options.work, f"engine_{use}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    done = {(line["set"], line["seed"], line["z"], line["damage"]) for line in lines}
    with kept.open("a") as file:
        for name in options.datasets:
            for seed in seeds:
                for line in look(name, use, seed, done, options):
                    lines.append(line)
                    file.write(json.dumps(line) + "\n")
                    file.flush()
    table = "\n".join(rows(lines)) + "\n"
    CONSOLE.print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")


def look(name: str, use: str, seed: int, done: set[Any], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every section and kind of damage that is not done."""
    chosen: Any = SETS[name]
    split, sections = chosen[use]
    missing = [(z, d) for z in sections for d in DAMAGES if (name, seed, z, d) not in done]
    if not missing:
        return
    sample = bank.load_sample(bank.DATASETS[chosen["card"]], options.data, split)
    intensity, teacher = intensity_of(sample.image), read_teacher()[0]
    prompter = teacher.prompter(intensity)
    for z, damage in missing:
        grey, truth = (np.asarray(v.voxels[z]) for v in (sample.image, sample.labels))
        rng = np.random.default_rng([seed, z, DAMAGES.index(damage)])
        line = {"set": name, "seed": seed, "z": z, "damage": damage}
        guards = GUARDS if use == "tune" else CHOSEN
        arms = measure(grey, truth, coarsen(truth, damage, rng), prompter, see(teacher, grey, intensity), guards)
        yield {**line, "arms": arms}


def measure(
    grey: NDArray[np.uint8],
    truth: Numbers,
    labels: Numbers,
    prompter: Prompter,
    evidence: NDArray[np.uint8],
    guards: Sequence[tuple[str, float | None, float]],
) -> dict[str, Any]:
    """Scores of a section as it is and as each way leaves it."""
    whole = Section(0, grey, labels, np.ones_like(grey))
    clean = Tidy().apply(whole, Grid((1, *grey.shape), (8.0, 8.0, 8.0))).labels
    found: dict[str, Any] = {"damaged": score(labels, truth), "cleansed": score(clean, truth)}
    parts = list(parts_of(clean, smallest=unification().smallest))
    for name, recipe in RECIPES.items():
        drawn = list(redraw(grey, parts, prompter, recipe=recipe))
        for guard, gain, median in guards:
            guarded = replace(recipe, boundary_gain=gain, section_gain=median)
            fates = judge(drawn, recipe=guarded, evidence=evidence)
            after = place(clean, [r for r, fate in zip(drawn, fates, strict=True) if fate == "replaced"])
            counts = {fate: fates.count(fate) for fate in sorted(set(fates))}
            queued = sum(r.iou < recipe.review_below for r in drawn)
            found[f"{name}, guard {guard}"] = {**score(after, truth), **counts, "queued": queued}
    return found


def coarsen(truth: Numbers, damage: str, rng: np.random.Generator) -> Numbers:
    """Labels of a section made worse."""
    labels = truth
    if damage in ("dilated", "all three"):
        labels = dilate(labels, rng)
    if damage in ("shifted", "all three"):
        labels = shift(labels, rng)
    if damage in ("holes", "all three"):
        labels = pierce(labels, rng)
    return labels


def dilate(labels: Numbers, rng: np.random.Generator) -> Numbers:
    """Half of the labels grow by 1 to 3 pixels, also over others."""
    after = labels.copy()
    for label in rng.permutation(np.unique(labels[labels > 0])):
        if rng.random() < 0.5:
            after[ndimage.binary_dilation(labels == label, iterations=int(rng.integers(1, 4)))] = label
    return after


def shift(labels: Numbers, rng: np.random.Generator) -> Numbers:
    """All labels lie off by 1 to 3 pixels along y and x, either way."""
    steps = rng.integers(1, 4, 2) * rng.choice([-1, 1], 2)
    return np.asarray(ndimage.shift(labels.astype(np.float64), steps, order=0, mode="nearest")).astype(np.uint64)


def pierce(labels: Numbers, rng: np.random.Generator) -> Numbers:
    """A hole of 2 to 4 pixels radius for every thousand pixels."""
    after = labels.copy()
    y, x = np.indices(labels.shape)
    for _ in range(labels.size // 1000):
        at, radius = [int(rng.integers(0, n)) for n in labels.shape], float(rng.integers(2, 5))
        after[(y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2] = 0
    return after


def score(labels: Numbers, truth: Numbers) -> dict[str, Any]:
    """Mean IoU and boundary IoUs of a section's instances."""
    parts = cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32)
    boxes, depths, measured = ndimage.find_objects(parts), (2, depth_of((labels.shape[0], labels.shape[1]))), []
    for part in parts_of(truth, smallest=SMALLEST):
        inside = part.mask & (labels[part.box] == part.label)
        numbers = [int(n) for n in np.unique(parts[part.box][inside]) if n]
        rows, columns = (
            slice(min(b[k].start for b in all_boxes), max(b[k].stop for b in all_boxes))
            for all_boxes in [[part.box, *(boxes[n - 1] for n in numbers)]]
            for k in (0, 1)
        )
        own = np.isin(parts[rows, columns], numbers)
        mask = np.zeros(own.shape, bool)
        mask[part.y - rows.start :, part.x - columns.start :][: part.mask.shape[0], : part.mask.shape[1]] = part.mask
        measured.append((iou(own, mask), *(boundary_iou(own, mask, depth=depth) for depth in depths)))
    iou_mean, two, share = np.mean(measured, axis=0)
    return {"iou": iou_mean, "biou_2": two, "biou_share": share, "instances": len(measured)}


def see(teacher: Any, grey: NDArray[np.uint8], intensity: IntensityMap) -> NDArray[np.uint8]:
    """The boundary map of a section."""
    padded = np.pad(grey, [(0, -n % 8) for n in grey.shape], mode="edge")
    boundary = teacher.look_at(intensity.to_unit(padded)[None]).boundary[0, : grey.shape[0], : grey.shape[1]]
    return np.asarray(np.rint(boundary * 255), np.uint8)


def rows(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The table: for each dataset, damage and way, means over instances, then over seeds."""
    yield "| dataset | damage | labels | IoU | bIoU 2 px | bIoU 2 % | replaced | unlike | repeated | fainter | queued |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[line["set"], line["damage"]].append(line)
    for (name, damage), group in groups.items():
        for arm in group[0]["arms"]:
            cells = [mean_of(group, arm, key) for key in ("iou", "biou_2", "biou_share")]
            seeds = len({line["seed"] for line in group})
            fates = ("replaced", "unlike", "repeated", "fainter", "queued")
            counts = [round(sum(line["arms"][arm].get(f, 0) for line in group) / seeds) for f in fates]
            yield "| " + " | ".join([name, damage, arm, *cells, *map(str, counts)]) + " |"


def mean_of(group: Sequence[dict[str, Any]], arm: str, key: str) -> str:
    """Mean and standard deviation over seeds."""
    by_seed: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for line in group:
        by_seed[line["seed"]].append((line["arms"][arm][key], line["arms"][arm]["instances"]))
    means = [np.average([v for v, _ in found], weights=[n for _, n in found]) for found in by_seed.values()]
    return f"{np.mean(means):.3f}" + (f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else "")


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
