"""What a prompt costs: a section encoded once, then asked about, by kind and number of prompts.

    python benchmarks/prompts.py [--threads 1] [--edge 1024] [--counts 1,8,64,512] [--repeats 3]
        [--models saem2-tiny,sam] [--cpu-time]

Prints Markdown. The section is the bundled crop of FIB-25, mirrored to the edge asked for. saem2-tiny is the shipped
one; sam is a SAM of ViT-B's size with random weights (its time is that of trained ones, its masks mean nothing) and is
left out without the extra ``savem3[sam]``. Times are medians; "answer" is for one prompt, its mask of the whole section
included. "MB" is by how much the process grew while they were answered, the answers included (Linux; 0 where the
system does not tell). On a machine that others use too, `--cpu-time` counts the process's seconds.
"""

from __future__ import annotations

import argparse
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt, Proposer
from savem3.shipped import read_example, read_teacher
from savem3.volume import intensity_of

RADIUS = 12.0
"""Pixels: about that of a neurite, and of every prompt here."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument("--counts", default="1,8,64,512")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", default="saem2-tiny,sam")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = process_time if options.cpu_time else perf_counter
    section, counts = mirrored(options.edge), [int(count) for count in options.counts.split(",")]
    print(f"{options.edge} × {options.edge} pixels, {options.threads} threads, {clock.__name__}\n")
    print("| model | prompt | encode, s | " + " | ".join(f"{n}: answer, ms | MB" for n in counts) + " |")
    print("|---|---|---|" + "---|---|" * len(counts), flush=True)
    for name in options.models.split(","):
        asked = MODELS[name]()
        if asked is None:
            print(f"| {name} | not installed |" + " |" * (1 + 2 * len(counts)))
            continue
        for line in lines(name, asked, section, counts, repeats=options.repeats, clock=clock):
            print(line, flush=True)


def mirrored(edge: int) -> NDArray[np.uint8]:
    """A section of the bundled crop, mirrored at its edges until it is large enough."""
    image, _ = read_example()
    section = np.asarray(image.voxels[0])
    return np.pad(section, [(0, max(0, edge - n)) for n in section.shape], mode="symmetric")[:edge, :edge]


def tiny() -> Proposer:
    image, _ = read_example()
    teacher, _ = read_teacher()
    return teacher.prompter(intensity_of(image.load()))


def random_sam() -> Proposer | None:
    """A SAM with an encoder of ViT-B's size, as its configuration makes it; ``None`` without transformers."""
    try:
        from transformers import SamConfig, SamModel
    except ImportError:
        return None
    from savem3.sam import Sam

    torch.manual_seed(0)
    return Sam(SamModel(SamConfig()).eval())


MODELS: dict[str, Callable[[], Proposer | None]] = {"saem2-tiny": tiny, "sam": random_sam}


def lines(
    name: str,
    asked: Proposer,
    section: NDArray[np.uint8],
    counts: list[int],
    *,
    repeats: int,
    clock: Callable[[], float],
) -> list[str]:
    """One line for each kind of prompt."""
    encodings = [timed(lambda: encode(asked, section), clock=clock)[1] for _ in range(repeats)]
    encoded = encode(asked, section)
    made, rng = [], np.random.default_rng(0)
    for kind, prompt in KINDS.items():
        cells = []
        for count in counts:
            prompts = [prompt(*middle(rng, section), section.shape) for _ in range(count)]
            trials = [measured(lambda: asked.answer(encoded, prompts), clock=clock) for _ in range(repeats)]  # noqa: B023
            seconds, grown = median(t for t, _ in trials), max(g for _, g in trials)
            cells.append(f"{1000 * seconds / count:.1f} | {grown / 1e6:.0f}")
        made.append(f"| {name} | {kind} | {median(encodings):.2f} | " + " | ".join(cells) + " |")
    return made


def encode(asked: Proposer, section: NDArray[np.uint8]) -> Any:
    """An encoded section, one prompt answered: some encode only then."""
    encoded = asked.encode(section)
    asked.answer(encoded, [box(*(n / 2 for n in section.shape), section.shape)])
    return encoded


def middle(rng: np.random.Generator, section: NDArray[np.uint8]) -> tuple[float, float]:
    """Somewhere within the section, so far from its edges that a prompt fits."""
    y, x = (float(rng.uniform(RADIUS + 1, n - RADIUS - 1)) for n in section.shape)
    return y, x


def point(y: float, x: float, _: tuple[int, ...]) -> Prompt:
    return PointPrompt(0, (y,), (x,), (True,))


def ten_points(y: float, x: float, _: tuple[int, ...]) -> Prompt:
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    rows, columns = (y + RADIUS / 2 * np.sin(angles)).tolist(), (x + RADIUS / 2 * np.cos(angles)).tolist()
    return PointPrompt(0, tuple(rows), tuple(columns), (True,) * 10)


def box(y: float, x: float, _: tuple[int, ...]) -> Prompt:
    return BoxPrompt(0, y - RADIUS, y + RADIUS, x - RADIUS, x + RADIUS)


def mask(y: float, x: float, shape: tuple[int, ...]) -> Prompt:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return MaskPrompt(0, (rows - y) ** 2 + (columns - x) ** 2 < RADIUS**2)


KINDS: dict[str, Callable[[float, float, tuple[int, ...]], Prompt]] = {
    "1 point": point,
    "10 points": ten_points,
    "box": box,
    "mask": mask,
}


def timed(call: Callable[[], Any], *, clock: Callable[[], float]) -> tuple[Any, float]:
    begun = clock()
    return call(), clock() - begun


def measured(call: Callable[[], Any], *, clock: Callable[[], float]) -> tuple[float, int]:
    """Its seconds, and by how many bytes the process grew meanwhile."""
    gc.collect()
    before, peak, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    answers, seconds = timed(call, clock=clock)
    peak[0] = max(peak[0], resident())
    del answers
    done.set()
    watcher.join()
    return seconds, max(0, peak[0] - before)


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


if __name__ == "__main__":
    main()
