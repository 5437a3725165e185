"""Draw where the shipped student fails, for docs/limits.md: the worst merges and splits of FIB-25 sample 2, z 130–249.

    python experiments/limits.py --data DIR --out docs

The volume is reconstructed as the student's card says, once as it is and once with every fourth section alone
(40 × 10 × 10 nm, what serial sections are like; the student sees each section as a thick one). Segments are sorted by
what they add to H(truth | segment), bodies by what they add to H(segment | truth). Each picture shows, in the section
where it can be seen best, raw, boundary, the labels and the truth; only what is meant has a colour. Nothing is chosen
by these numbers. About a minute on two cores. The volume is CC BY; others that are shown in tables alone may not be
given away as pictures.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw
from rich.console import Console

from savem3 import bank
from savem3.evaluate import relabel_components, score
from savem3.grid import Grid
from savem3.pipeline import Reconstruction, reconstruct, settings_for
from savem3.shipped import read_student
from savem3.volume import Image, Labels

CONSOLE = Console(highlight=False, width=130)
WINDOW, ZOOM, GAP, BAR_NM = 128, 2, 6, 200
PART = 2000
"""Voxels that a part has at least, to be named: 0.002 µm³ at 10 nm."""
COLOURS = np.array([(255, 140, 0), (0, 190, 255), (255, 60, 160), (120, 220, 60), (250, 230, 60), (170, 120, 255)])
Numbers = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Fault:
    """A segment that holds several bodies, or a body that several segments hold; the parts, largest first."""

    whole: int
    parts: tuple[int, ...]
    bits: float


def main() -> None:
    """Reconstruct, find the worst faults, draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    (sample,) = bank.load_named("fib25_training_sample2:validation", options.data, cards=bank.cards_in(options.data))
    image, truth = sample.image, relabel_components(sample.labels)
    draw_faults(image, truth, options.out, name="limits", count=2, threads=options.threads)
    thick = Grid((image.grid.shape[0] // 4, *image.grid.shape[1:]), (40.0, 10.0, 10.0))
    image = Image(np.ascontiguousarray(np.asarray(image.voxels[...])[::4][: thick.shape[0]]), thick)
    truth = Labels(np.ascontiguousarray(np.asarray(truth.voxels[...])[::4][: thick.shape[0]]), thick)
    draw_faults(image, truth, options.out, name="limits-thick", count=1, threads=options.threads)


def draw_faults(image: Image, truth: Labels, out: Path, *, name: str, count: int, threads: int) -> None:
    """Reconstruct a volume, and draw its worst merges and splits."""
    student, weights = read_student()
    done = reconstruct(image, student, settings=settings_for(weights, threads=threads))
    scores = score(done.labels, truth)
    CONSOLE.print(
        f"{image.grid.voxel_size}: split {scores.voi_split:.3f}, merge {scores.voi_merge:.3f}, VoI {scores.voi:.3f}"
    )
    ours, bodies = (np.asarray(volume.voxels[...]) for volume in (done.labels, truth))
    for kind, faults, wholes in (
        ("merge", worst(ours, bodies), (ours, bodies)),
        ("split", worst(bodies, ours), (bodies, ours)),
    ):
        for number, fault in enumerate(faults[:count], 1):
            place = best_place(*wholes, fault)
            picture = draw(image, done, truth, fault, place, merged=wholes[0] is ours)
            path = out / f"{name}-{kind}{number if count > 1 else ''}.png"
            picture.quantize(80, dither=Picture.Dither.NONE).save(path, optimize=True)
            CONSOLE.print(f"{path.name}: {fault.bits:.3f} bits, {len(fault.parts)} parts, at {place}")


def worst(wholes: Numbers, parts: Numbers) -> list[Fault]:
    """What holds several others, most bits first; voxels without truth are left out, and parts below `PART`."""
    known = (wholes > 0) & (parts > 0)
    pairs, counts = np.unique(np.stack([wholes[known], parts[known]]), axis=1, return_counts=True)
    faults = []
    for whole in np.unique(pairs[0]):
        of = pairs[0] == whole
        held, named = counts[of], pairs[1][of]
        bits = float((held * np.log2(held.sum() / held)).sum() / known.sum())
        order = [i for i in np.argsort(-held)[: len(COLOURS) - 1] if held[i] >= PART]
        faults.append(Fault(int(whole), tuple(int(named[i]) for i in order), bits))
    return sorted((fault for fault in faults if len(fault.parts) > 1), key=lambda fault: -fault.bits)


def best_place(wholes: Numbers, parts: Numbers, fault: Fault) -> tuple[int, int, int]:
    """The section where the two largest parts are both large, and the middle between them there."""
    inside = wholes == fault.whole
    first, second = ((parts == part) & inside for part in fault.parts[:2])
    z = int(np.argmax(np.minimum(first.sum((1, 2)), second.sum((1, 2)))))
    if not (first[z].any() and second[z].any()):
        z = int(np.argmax(inside.sum((1, 2))))
    y, x = np.nonzero((second if second[z].any() else inside)[z])
    return z, int(np.median(y)), int(np.median(x))


def draw(
    image: Image, done: Reconstruction, truth: Labels, fault: Fault, place: tuple[int, int, int], *, merged: bool
) -> Picture.Image:
    """Raw, boundary, labels and truth side by side, around a place."""
    z, *middle = place
    window = tuple(
        slice(start := min(max(m - WINDOW // 2, 0), edge - WINDOW), start + WINDOW)
        for m, edge in zip(middle, image.grid.shape[1:], strict=True)
    )
    raw, edges, ours, bodies = (
        np.asarray(volume.voxels[z])[window] for volume in (image, done.boundary, done.labels, truth)
    )
    low, high = np.percentile(raw, (1, 99))
    grey = np.clip((raw - low) / (high - low), 0, 1) * 255
    whole, parts = (fault.whole,), fault.parts
    shown = (
        tint(grey, ours, whole if merged else (), 5) if merged else tint(grey, ours, parts, 0),
        tint(grey, bodies, parts, 0) if merged else tint(grey, bodies, whole, 5),
    )
    panels = [np.repeat(grey[..., None], 3, 2), np.repeat(edges[..., None], 3, 2), *shown]
    return side_by_side([panel.astype(np.uint8) for panel in panels], nm=image.grid.voxel_size[2])


def tint(grey: NDArray[np.float64], labels: Numbers, names: tuple[int, ...], first: int) -> NDArray[np.float64]:
    """Grey values with some labels in colour."""
    colours = np.repeat(grey[..., None] * 0.8, 3, 2)
    for number, name in enumerate(names, first):
        colours[labels == name] = 0.55 * colours[labels == name] + 0.45 * COLOURS[number % len(COLOURS)]
    return colours


def side_by_side(panels: list[NDArray[np.uint8]], *, nm: float) -> Picture.Image:
    """Panels in a row, enlarged, with a scale bar in the first."""
    edge = WINDOW * ZOOM
    row = Picture.new("RGB", (len(panels) * (edge + GAP) - GAP, edge), "white")
    for number, panel in enumerate(panels):
        row.paste(Picture.fromarray(panel).resize((edge, edge), Picture.Resampling.BICUBIC), (number * (edge + GAP), 0))
    pen = ImageDraw.Draw(row)
    pen.rectangle((8, edge - 14, 8 + round(BAR_NM / nm * ZOOM), edge - 10), fill="white")
    pen.text((8, edge - 28), f"{BAR_NM} nm", fill="white")
    return row


if __name__ == "__main__":
    main()
