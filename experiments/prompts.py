"""Teach a trained teacher to answer prompts, and compare its answers with answers that know no network.

    python experiments/prompts.py train TEACHER.safetensors PROMPTABLE.safetensors --data DIR --steps 1800
    python experiments/prompts.py evaluate PROMPTABLE.safetensors --data DIR

Training sees permissive data only: FIB-25 sample 2 (z 0–119), the two volumes of GALA and drawn ones. Evaluation sees
every eighth section of FIB-25 sample 2 from z 130 on and prints a table in Markdown; --write puts its scores into the
card. One core suffices.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from bioimage_cpp.segmentation import watershed
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from savem3 import bank, saem2
from savem3.grid import Grid
from savem3.oversegment import STANDARD, oversegment
from savem3.prompt import BoxPrompt, MaskPrompt, Prompt
from savem3.saem2.prompt_training import box_edges, draw_mask, draw_point, instances_of, points_on
from savem3.saem2.prompts import WINDOW
from savem3.store.weights import read_weights, write_weights
from savem3.volume import BoundaryMap, Image, Sample, intensity_of

CONSOLE = Console(highlight=False)
TRAINING = (("fib25_training_sample2", "train"), ("gala_fib_train", "all"), ("gala_fib_example", "all"))
SYNTHETIC = 12
SMALLEST = 60
"""Instances of fewer pixels in a section are not asked about."""
BAND = 2
"""Depth of a mask's boundary band for bIoU, pixels."""
EVERY = 8

Mask = NDArray[np.bool_]


def main() -> None:
    """Read the command line; train or evaluate."""
    options = read_options()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    if options.task == "train":
        train(options)
    else:
        evaluate(options)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    for name in ("train", "evaluate"):
        task = tasks.add_parser(name)
        task.add_argument("teacher", type=Path)
        task.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
        task.add_argument("--threads", type=int, default=1)
        task.add_argument("--seed", type=int, default=0)
        if name == "train":
            task.add_argument("out", type=Path)
            task.add_argument("--start", type=Path, help="promptable weights to go on from")
            task.add_argument("--learning-rate", type=float, default=saem2.prompts_small_cpu().learning_rate)
            task.add_argument("--steps", type=int, default=saem2.prompts_small_cpu().steps)
        else:
            task.add_argument("--write", action="store_true", help="put the scores into the card of the weights")
    return parser.parse_args()


def train(options: argparse.Namespace) -> None:
    """A prompt decoder on a frozen teacher; the file is written with each tenth of the steps."""
    started = time.process_time()
    teacher, weights = saem2.load_teacher(options.teacher)
    recipe = replace(
        saem2.prompts_small_cpu(steps=options.steps, seed=options.seed),
        learning_rate=options.learning_rate,
    )
    earlier, before = saem2.load_teacher(options.start) if options.start else (teacher, weights)
    samples = [
        *(bank.load_sample(bank.DATASETS[card], options.data, split) for card, split in TRAINING),
        *draw_samples(),
    ]
    facts = {
        "labels": [*(":".join(pair) for pair in TRAINING), f"synthetic:{SYNTHETIC}"],
        "licences": sorted({s.licence for s in samples}),
        "recipe": asdict(recipe),
        "threads": options.threads,
        "cores": os.cpu_count(),
    }

    def report(progress: saem2.Progress, decoder: saem2.PromptDecoder) -> None:
        CONSOLE.print(f"step {progress.step}  loss {progress.loss:.4f}  {progress.time_s:.0f} s")
        if progress.step % max(50, recipe.steps // 10 // 50 * 50) == 0 or progress.step == recipe.steps:
            done = {"step": progress.step, "cpu_seconds": round(time.process_time() - started)}
            card = {**weights.card, "prompts": {**facts, **done, "started_from": before.card.get("prompts")}}
            saem2.save_teacher(teacher.network, options.out, card=card, decoder=decoder)

    saem2.train_prompts(teacher.network, samples, recipe=recipe, start=earlier.decoder, on_progress=report)


def draw_samples() -> list[Sample]:
    """Drawn volumes, isotropic and of thick sections by turns."""
    grids = (Grid((64, 128, 128), (10.0, 10.0, 10.0)), Grid((12, 224, 224), (40.0, 8.0, 8.0)))
    return [bank.make_synthetic(seed, grid=grids[seed % 2]) for seed in range(SYNTHETIC)]


def evaluate(options: argparse.Namespace) -> None:
    """Mean IoU and bIoU of all answers to all instances of the held-out sections."""
    teacher, _ = saem2.load_teacher(options.teacher)
    sample = bank.load_sample(bank.DATASETS["fib25_training_sample2"], options.data, "validation")
    prompter = teacher.prompter(intensity_of(sample.image))
    rng = np.random.default_rng(options.seed)
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    beliefs, found, wide = [], [], 0
    for z in range(0, sample.image.grid.shape[0], EVERY):
        section, truths = sample.image.voxels[z], list(truths_of(sample, z))
        wide += sum(max(np.ptp(n) + 1 for n in np.nonzero(t)) > WINDOW for t in truths)
        encoded, others = prompter.encode(section), rivals(section, teacher, sample.image)
        for kind, draw in KINDS.items():
            prompts = [draw(t, rng) for t in truths]
            answers = prompter.answer(encoded, prompts)
            for truth, prompt, answer in zip(truths, prompts, answers, strict=True):
                masks = {"decoder": answer.mask, **{n: f(prompt) for n, f in others.items() if suits(n, prompt)}}
                for name, mask in masks.items():
                    rows.setdefault((kind, name), []).append((iou(mask, truth), iou(band(mask), band(truth))))
                beliefs.append(answer.predicted_iou)
                found.append(iou(answer.mask, truth))
    report(rows, wide=wide, belief_error=float(np.abs(np.subtract(beliefs, found)).mean()))
    if options.write:
        keep_scores(rows, options.teacher)


def draw_box(truth: Mask, rng: np.random.Generator) -> BoxPrompt:
    """The tight box."""
    return BoxPrompt(0, *(float(n) for axis in (1, 0) for n in box_edges(truth, axis=axis)))


KINDS: dict[str, Callable[[Mask, np.random.Generator], Prompt]] = {
    "box": draw_box,
    "1 point": draw_point,
    "10 points": lambda truth, rng: points_on(truth, rng, number=10),
    "noisy mask": draw_mask,
}


def truths_of(sample: Sample, z: int) -> Iterator[Mask]:
    """The connected instances of a section."""
    parts, numbers = instances_of(sample.labels.voxels[z], smallest=SMALLEST)
    return (parts == n for n in numbers)


def rivals(section: NDArray[np.uint8], teacher: saem2.Saem2Teacher, image: Image) -> dict[str, Callable[..., Mask]]:
    """Answers without a prompt decoder: from the prompt alone, or from the teacher's boundary map."""
    boundary = see_boundary(section, teacher, image)
    volume = BoundaryMap(boundary[None], Grid((1, *section.shape), image.grid.voxel_size))
    fragments = oversegment(volume, recipe=replace(STANDARD, min_size=SMALLEST)).voxels[0].astype(np.int64)
    return {
        "filled box": lambda prompt: fill_box(prompt, section.shape),
        "watershed in the box": lambda prompt: flood_box(prompt, boundary),
        "fragment that fits the box best": lambda prompt: pick_fragment(prompt, fragments),
        "the noisy mask itself": lambda prompt: prompt.mask,
    }


def suits(name: str, prompt: Prompt) -> bool:
    """Whether a rival answers this kind of prompt."""
    return isinstance(prompt, MaskPrompt) if name == "the noisy mask itself" else isinstance(prompt, BoxPrompt)


def see_boundary(section: NDArray[np.uint8], teacher: saem2.Saem2Teacher, image: Image) -> NDArray[np.uint8]:
    """The teacher's boundary map of a section, 255 membrane."""
    grey = intensity_of(image).to_unit(section)
    padded = np.pad(grey, [(0, -n % 8) for n in grey.shape], mode="edge")
    boundary = teacher.look_at(padded[None]).boundary[0][: grey.shape[0], : grey.shape[1]]
    return np.rint(boundary * 255).astype(np.uint8)


def fill_box(box: BoxPrompt, shape: tuple[int, ...]) -> Mask:
    """Every pixel of the box."""
    mask = np.zeros(shape, bool)
    mask[int(box.y_start) : int(box.y_stop), int(box.x_start) : int(box.x_stop)] = True
    return mask


def flood_box(box: BoxPrompt, boundary: NDArray[np.uint8]) -> Mask:
    """Flooding from the pixel farthest from membrane in the box's middle against flooding from all around the box."""
    outside = ~fill_box(box, boundary.shape)
    height, width = box.y_stop - box.y_start, box.x_stop - box.x_start
    starts = (math.floor(box.y_start + height / 4), math.floor(box.x_start + width / 4))
    stops = (math.ceil(box.y_stop - height / 4), math.ceil(box.x_stop - width / 4))
    middle = fill_box(BoxPrompt(0, starts[0], stops[0], starts[1], stops[1]), boundary.shape)
    depth = np.where(middle, ndimage.distance_transform_edt(boundary < 128) + 1, 0)
    markers = outside.astype(np.int32)
    markers[np.unravel_index(depth.argmax(), depth.shape)] = 2
    return np.asarray(watershed(ndimage.gaussian_filter(boundary.astype(np.float32), 1), markers) == 2)


def pick_fragment(box: BoxPrompt, fragments: NDArray[np.int64]) -> Mask:
    """The fragment of an oversegmented section whose own box overlaps the prompt's best."""
    wanted = fill_box(box, fragments.shape)
    best, mask = 0.0, wanted
    for number, own in enumerate(ndimage.find_objects(fragments), start=1):
        common = wanted[own].sum()
        score = common / (wanted.sum() + wanted[own].size - common)
        if score > best:
            best, mask = score, fragments == number
    return mask


def iou(mask: Mask, truth: Mask) -> float:
    """Common pixels by pixels of either."""
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def band(mask: Mask) -> Mask:
    """The outermost pixels of a mask (METHOD §8)."""
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3), bool), iterations=BAND)


def report(rows: dict[tuple[str, str], list[tuple[float, float]]], *, wide: int, belief_error: float) -> None:
    """Print the table."""
    CONSOLE.print(f"| prompt | answer | IoU | bIoU (d = {BAND} px) | instances |\n|---|---|---|---|---|")
    for (kind, name), scores in rows.items():
        mean = np.mean(scores, axis=0)
        CONSOLE.print(f"| {kind} | {name} | {mean[0]:.3f} | {mean[1]:.3f} | {len(scores)} |")
    CONSOLE.print(f"\nPredicted IoU is off by {belief_error:.3f} in the mean. {wide} instances exceed the window.")


def keep_scores(rows: dict[tuple[str, str], list[tuple[float, float]]], path: Path) -> None:
    """Write the decoder's means into the card."""
    weights = read_weights(path)
    means = {
        kind: np.round(np.mean(scores, axis=0), 3).tolist()
        for (kind, name), scores in rows.items()
        if name == "decoder"
    }
    said = {"iou_biou": means, "volume": "fib25_training_sample2, z 130–249, every 8th section", "band_px": BAND}
    prompts = {**weights.card["prompts"], "scores": said}
    write_weights(replace(weights, card={**weights.card, "prompts": prompts}), path)


if __name__ == "__main__":
    main()
