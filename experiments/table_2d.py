"""The 2D table: IoU and boundary IoU of answers to prompts, by dataset, kind of prompt and method (METHOD §8, §9).

    python experiments/table_2d.py --data DIR --work FOLDER --saem2 SAEM²=saem2-tiny --out TABLE.md
    python experiments/table_2d.py --data DIR --work FOLDER --sam SAM=FOLDER --sam HQ-SAM=FOLDER \\
        --saem2 "SAEM²=FILE" --saem2 "SAEM² without auxiliary heads=FILE" \\
        --datasets FIB-25 --volume AC3 ac3.h5:volumes/raw ac3.h5:volumes/labels/neuron_ids --out TABLE.md

Asked about are the connected instances of at least 60 pixels of held-out sections at about 8 nm: FIB-25 sample 2
(every 8th section of z 130–249), VNC 16–19, ISBI 2012 25–29, and any volume of the user's own (all sections, or
--every). Whoever has the published test volumes and checkpoints makes the paper's table with the second command.

Prompts: the tight box; one point, likelier deep inside; ten points; the true mask moved, swollen or shrunk, and frayed.
All but the box are drawn anew for each of --seeds seeds: the table has the mean over instances, and ± its standard
deviation over seeds. The band of bIoU is 2 % of the section's diagonal deep, or 2 pixels.

VNC's and ISBI's truth gives membrane to nobody, FIB-25's gives it to the cells; --without-membrane adds each row once
more with membrane left out of the answers, by the boundary map of --teacher.

--sam takes a folder saved by transformers (SAM or HQ-SAM; see `savem3.sam.load_sam`) and shows it sections of 8 nm at
4 nm; --saem2 takes a shipped model or a weights file, one that stands on a SAM with --base FOLDER. A column says
whether a checkpoint's labels are of the same sections or tissue; --strict refuses those as the paper's rule does.

Results are kept in the work folder section by section, so an interrupted run goes on. One core: about 6 minutes of CPU
time for `saem2-tiny` and three seeds on the three datasets. `boundary_2d.py` compares boundary maps on
the same sections.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from held_out import (
    DATASETS,
    SMALLEST,
    Line,
    Mask,
    Volume,
    add_line,
    file_of,
    held_out,
    own_volume,
    read_lines,
    refuse_kin,
    seen_by,
)
from numpy.typing import NDArray
from plain_unet import ARCHITECTURE as UNET
from plain_unet import load_unet
from rich.console import Console
from rivals import (
    darkness,
    depth_in,
    fill_box,
    flood_box,
    fragments_of,
    height_in,
    pick_fragment,
    see_boundary,
)

from savem3 import saem2
from savem3.evaluate import boundary_iou, depth_of, iou
from savem3.prompt import BoxPrompt, Prompt, Proposer
from savem3.saem2.drawing import box_edges, points_on
from savem3.saem2.over_sam.teacher import PublishedTeacher
from savem3.saem2.over_sam.weights import ARCHITECTURE as OVER_SAM
from savem3.saem2.over_sam.weights import load_published
from savem3.sam.peaks import MEMBRANE_FROM
from savem3.shipped import TEACHER, find_model
from savem3.store.weights import read_weights

CONSOLE = Console(highlight=False, width=160)
BAND = 2
"""Depth of the thin band, pixels."""
SAM_SCALE = 2.0
"""Pixels of SAM's encoder along an edge of a section's: 8 nm are shown at 4 nm (METHOD §1, Choice 1)."""
METRICS = ("iou", "biou_2_per_cent", "biou_2_px")
EXPECTED = ("SAM", "HQ-SAM", "SAEM²", "SAEM² without auxiliary heads")
"""Rows that the table has, run or not."""

Answers = Callable[[Sequence[Prompt]], list[Mask]]
Looks = Callable[[NDArray[np.uint8]], Answers]


@dataclass(frozen=True, slots=True)
class Method:
    """Who answers.

    Parameters
    ----------
    name
        Row of the table.
    identity
        What its results depend on, beside the volume: digests of weights.
    open
        Makes ready for a volume; then for a section; then answers prompts.
    card
        Of its weights; empty where nothing is known of what trained it, absent where nothing did.
    kinds
        Prompts that it can answer; all, if absent.
    """

    name: str
    identity: str
    open: Callable[[Volume], Looks]
    card: Mapping[str, Any] | None = None
    kinds: tuple[str, ...] | None = None


def main() -> None:
    """Ask whom there is to ask, then write the table."""
    options = read_options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    volumes = [held_out(name, options.data) for name in options.datasets]
    volumes += [own_volume(*paths, every=options.every) for paths in options.volume]
    methods = [*rivals_of(options), *(sam_method(n, options) for n in options.sam)]
    methods += [saem2_method(given, options) for given in options.saem2]
    if options.without_membrane:
        methods += [without_membrane(method, options) for method in methods]
    for method in methods if options.strict else ():
        refuse_kin(method.card or {}, volumes)
    results = {(v.name, m.name): run(m, v, options) for m in methods for v in volumes}
    table = markdown(results, volumes, methods, seeds=options.seeds)
    CONSOLE.print(table)
    if options.out:
        options.out.write_text(table, encoding="utf-8")
        write_csv(results, volumes, methods, options.out.with_suffix(".csv"))


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True, help="folder where results are kept")
    parser.add_argument("--datasets", nargs="*", choices=sorted(DATASETS), default=list(DATASETS))
    own = ("NAME", "RAW", "LABELS")
    parser.add_argument("--volume", nargs=3, action="append", default=[], metavar=own, help="a volume of your own")
    parser.add_argument("--every", type=int, default=1, help="look at every so many sections of your own volumes")
    parser.add_argument("--saem2", action="append", default=[], metavar="NAME=FILE", help="a teacher with its prompts")
    parser.add_argument("--sam", action="append", default=[], metavar="NAME=FOLDER", help="a SAM as it is")
    parser.add_argument("--base", type=Path, help="the SAM that --saem2 files stand on")
    parser.add_argument("--teacher", default=TEACHER, help="whose boundary map the watershed floods")
    told = "add each row once more with membrane left out of its answers, for truth that gives it to nobody"
    parser.add_argument("--without-membrane", action="store_true", help=told)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strict", action="store_true", help="refuse checkpoints with labels of a test set's tissue")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the table goes; a CSV file beside it")
    options = parser.parse_args()
    if options.datasets and options.data is None:
        parser.error("--data must be given for the bank's datasets, got none; or pass --datasets without a name")
    return options


def draw_tight_box(truth: Mask, rng: np.random.Generator) -> BoxPrompt:
    """The tight box."""
    return BoxPrompt(0, *(float(n) for axis in (1, 0) for n in box_edges(truth, axis=axis)))


KINDS: dict[str, Callable[[Mask, np.random.Generator], Prompt]] = {
    "box": draw_tight_box,
    "1 point": saem2.draw_point,
    "10 points": lambda truth, rng: points_on(truth, rng, number=10),
    "noisy mask": saem2.draw_mask,
}


def rivals_of(options: argparse.Namespace) -> list[Method]:
    """Answers that know no prompt decoder."""
    file = find_model(options.teacher)
    card, digest = read_weights(file).card, read_weights(file).sha256

    def box(volume: Volume) -> Looks:
        return lambda section: lambda prompts: [fill_box(p, section.shape) for p in prompts]

    def raw(volume: Volume) -> Looks:
        intensity = volume.intensity
        return lambda section: flooding(darkness(section, intensity))

    def boundary(volume: Volume) -> Looks:
        teacher, intensity = open_teacher(file, options), volume.intensity
        return lambda section: flooding(see_boundary(section, teacher, intensity))

    def fragments(volume: Volume) -> Looks:
        teacher, intensity = open_teacher(file, options), volume.intensity

        def look(section: NDArray[np.uint8]) -> Answers:
            pieces = fragments_of(see_boundary(section, teacher, intensity), smallest=SMALLEST)
            return lambda prompts: [pick_fragment(p, pieces) for p in prompts]

        return look

    name = file.stem
    return [
        Method("filled box", "", box, kinds=("box",)),
        Method("watershed in the box, raw", "", raw, kinds=("box",)),
        Method(f"watershed in the box, {name}", digest, boundary, card, ("box",)),
        Method(f"fragment that fits the box best, {name}", digest, fragments, card, ("box",)),
        Method(
            "the prompt itself",
            "",
            lambda _: lambda _: lambda prompts: [p.mask for p in prompts],
            None,
            ("noisy mask",),
        ),
    ]


def flooding(boundary: NDArray[np.uint8]) -> Answers:
    """Answers to boxes by a watershed in each."""
    height, depth = height_in(boundary), depth_in(boundary)
    return lambda prompts: [flood_box(p, height=height, depth=depth) for p in prompts]


def sam_method(given: str, options: argparse.Namespace) -> Method:
    """A SAM or HQ-SAM as its folder has it."""
    name, folder = split_name(given)

    def open_sam(volume: Volume) -> Looks:
        from savem3.sam import load_sam

        return asking(
            replace(load_sam(folder, device=options.device), intensity=volume.intensity, pixel_scale=SAM_SCALE)
        )

    return Method(name, digest_of(Path(folder)), open_sam, {})


def saem2_method(given: str, options: argparse.Namespace) -> Method:
    """A SAEM², small or over a SAM, with its prompt decoder."""
    name, file = split_name(given)
    weights = read_weights(find_model(file))
    return Method(
        name,
        weights.sha256,
        lambda volume: asking(open_teacher(find_model(file), options).prompter(volume.intensity)),
        weights.card,
    )


def without_membrane(method: Method, options: argparse.Namespace) -> Method:
    """A method whose answers lose what is membrane on the map of --teacher; the same map for all methods."""
    file = find_model(options.teacher)

    def open_both(volume: Volume) -> Looks:
        teacher, looks = open_teacher(file, options), method.open(volume)

        def look(section: NDArray[np.uint8]) -> Answers:
            inside, answers = see_boundary(section, teacher, volume.intensity) < MEMBRANE_FROM, looks(section)
            return lambda prompts: [mask & inside for mask in answers(prompts)]

        return look

    identity = f"{method.identity} without membrane of {read_weights(file).sha256}"
    return replace(method, name=f"{method.name}, without membrane", identity=identity, open=open_both)


def open_teacher(file: Path, options: argparse.Namespace) -> Any:
    """A teacher of any architecture that is compared here."""
    architecture = read_weights(file).architecture
    if architecture == UNET:
        return load_unet(file)
    if architecture != OVER_SAM:
        return saem2.load_teacher(file, device=options.device)[0]
    from savem3.sam import load_sam

    model = load_sam(options.base).model if options.base else None
    return PublishedTeacher(load_published(file, model=model, device=options.device)[0], options.device)


def asking(prompter: Proposer) -> Looks:
    """Answers of whoever answers prompts; each section is encoded once."""

    def look(section: NDArray[np.uint8]) -> Answers:
        encoded = prompter.encode(section)
        return lambda prompts: [answer.mask for answer in prompter.answer(encoded, prompts)]

    return look


def run(method: Method, volume: Volume, options: argparse.Namespace) -> list[Line]:
    """All results of a method on a volume; what is missing in the work folder is asked for."""
    path = file_of(options.work, volume.name, method.name)
    of = {
        "volume": volume.describe(),
        "files": list(volume.files),
        "method": method.identity,
        "smallest": SMALLEST,
        "band": BAND,
    }
    lines = read_lines(path, of=of)
    done = {(line["z"], line["kind"], line["seed"]) for line in lines}
    looks: Looks | None = None
    for z in volume.sections:
        if not (wanted := [(kind, seed) for kind, seed in tasks(method, options) if (z, kind, seed) not in done]):
            continue
        looks = looks or method.open(volume)
        truths, answers = volume.instances(z), looks(volume.read(z)[0])
        for kind, seed in wanted:
            rng = np.random.default_rng([seed, z, list(KINDS).index(kind)])
            masks = answers([KINDS[kind](truth, rng) for truth in truths]) if truths else []
            lines.append({"z": z, "kind": kind, "seed": seed, **score_masks(masks, truths)})
            add_line(path, lines[-1])
    wanted_now = {(kind, seed) for kind, seed in tasks(method, options)}
    return [line for line in lines if (line["kind"], line["seed"]) in wanted_now]


def tasks(method: Method, options: argparse.Namespace) -> list[tuple[str, int]]:
    """Kinds of prompts and seeds; a box is the same for every seed."""
    kinds = method.kinds or tuple(KINDS)
    return [(kind, seed) for kind in kinds for seed in range(1 if kind == "box" else options.seeds)]


def score_masks(masks: Sequence[Mask], truths: Sequence[Mask]) -> dict[str, list[float]]:
    """Each metric of each answer."""
    pairs = list(zip(masks, truths, strict=True))
    deep = depth_of(truths[0].shape) if truths else 1
    scores = [[iou(*p) for p in pairs], *([boundary_iou(*p, depth=d) for p in pairs] for d in (deep, BAND))]
    return {name: [round(s, 4) for s in column] for name, column in zip(METRICS, scores, strict=True)}


def summary(lines: Sequence[Line], kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64], int] | None:
    """Mean of each metric over instances, its standard deviation over seeds, and how many instances; or nothing."""
    by_seed: dict[int, list[Line]] = {}
    for line in lines:
        if line["kind"] == kind:
            by_seed.setdefault(line["seed"], []).append(line)
    if not any(line["iou"] for own in by_seed.values() for line in own):
        return None
    means = np.array([[np.mean([s for line in own for s in line[m]]) for m in METRICS] for own in by_seed.values()])
    spread = means.std(axis=0, ddof=1) if len(means) > 1 else np.full(len(METRICS), np.nan)
    return means.mean(axis=0), spread, sum(len(line["iou"]) for line in next(iter(by_seed.values())))


Results = Mapping[tuple[str, str], Sequence[Line]]


def markdown(results: Results, volumes: Sequence[Volume], methods: Sequence[Method], *, seeds: int) -> str:
    """Box prompts of all datasets as the paper has them, then everything for each dataset."""
    names = [*(m.name for m in methods), *(n for n in EXPECTED if n not in {m.name for m in methods})]
    lines = ["Box prompts, IoU / bIoU (2 % of the diagonal):", ""]
    lines += ["| | " + " | ".join(v.name for v in volumes) + " |", "|---" * (len(volumes) + 1) + "|"]
    for name in names:
        found = [summary(results.get((v.name, name), ()), "box") for v in volumes]
        cells = [f"{f[0][0]:.3f} / {f[0][1]:.3f}" if f else "not run" for f in found]
        if any(found) or name in EXPECTED:
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for volume in volumes:
        deep = depth_of(volume.read(volume.sections[0])[0].shape)
        lines += ["", f"**{volume.name}**: {volume.describe()}; prompt seeds: {seeds}.", ""]
        lines += [f"| prompt | who answers | IoU | bIoU (2 %: {deep} px) | bIoU (2 px) | instances | its labels |"]
        lines += ["|---|---|---|---|---|---|---|"]
        lines += [row for kind in KINDS for row in rows_of(kind, volume, names, methods, results)]
    return "\n".join(lines) + "\n"


def rows_of(kind: str, volume: Volume, names: Sequence[str], methods: Sequence[Method], results: Results) -> list[str]:
    """A kind of prompt on a volume: one row for each method that answers it or was not run."""
    rows = []
    for name in names:
        found = summary(results.get((volume.name, name), ()), kind)
        method = next((m for m in methods if m.name == name), None)
        if found:
            assert method is not None
            mean, spread, count = found
            cells = [f"{m:.3f}" + ("" if np.isnan(s) else f" ± {s:.3f}") for m, s in zip(mean, spread, strict=True)]
            rows.append(f"| {kind} | {name} | {' | '.join(cells)} | {count} | {told(method, volume)} |")
        elif method is None:
            rows.append(f"| {kind} | {name} | not run | | | | |")
    return rows


def told(method: Method, volume: Volume) -> str:
    """What the method's labels have to do with the volume."""
    return "none" if method.card is None else seen_by(method.card, volume)


def write_csv(results: Results, volumes: Sequence[Volume], methods: Sequence[Method], path: Path) -> None:
    """The same numbers, one line for each method, kind and dataset."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = [f"{m}_{part}" for m in METRICS for part in ("mean", "spread")]
        writer.writerow(["dataset", "prompt", "method", *head, "instances", "labels", "weights"])
        for volume in volumes:
            for method in methods:
                for kind in KINDS:
                    if found := summary(results[volume.name, method.name], kind):
                        values = ["" if np.isnan(x) else f"{x:.4f}" for p in zip(*found[:2], strict=True) for x in p]
                        last = (found[2], told(method, volume), method.identity)
                        writer.writerow([volume.name, kind, method.name, *values, *last])


def split_name(given: str) -> tuple[str, str]:
    """NAME=PLACE, or PLACE alone, which then names itself."""
    name, _, place = given.rpartition("=")
    return name or Path(place).stem, place


def digest_of(folder: Path) -> str:
    """SHA-256 over a checkpoint's files; a name that is no folder stands for itself."""
    if not folder.is_dir():
        return str(folder)
    total = hashlib.sha256()
    for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        with file.open("rb") as content:
            total.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


if __name__ == "__main__":
    main()
