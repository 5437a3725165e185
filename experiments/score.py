"""Choose where a student cuts on volumes that trained nothing, and score it on others.

    python experiments/score.py calibrate STUDENT.safetensors --data DIR [--write OUT.safetensors]
    python experiments/score.py validate STUDENT.safetensors --data DIR

`calibrate` tries every cutter and β on sections 100–119 of FIB-25 sample 2 (in its training split, left out of the
student's labels) and on the gala example. All choices within 0.1 bits of the least mean VoI count as equally good; it
takes the cutter with the most β among them, since what matters little here will matter little elsewhere, and of these β
the one that joins least; `--write` puts both into the card.
`validate` scores the student with its card's β on sections 130–249, the validation split, and says what the fragments
allow. Nothing is chosen there.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track

from savem3 import bank
from savem3.distill import Student, load_student
from savem3.evaluate import Scores, relabel_components, score
from savem3.graphcut import CUTTERS
from savem3.grid import Box
from savem3.pipeline import Settings, cut_fragments, draw_boundary, make_fragments, settings_for
from savem3.store.weights import read_weights, write_weights
from savem3.volume import Image, Labels

CONSOLE = Console(highlight=False, width=130)
BETAS = tuple(round(0.05 * n, 2) for n in range(4, 19))
TOLERANCE = 0.1
"""Bits of mean VoI that count as equal. Calibration volumes are small, false joins spread with the size of a volume and
cost a person more than false cuts: so among equals the β that joins least is taken."""
Volume = tuple[Image, Labels]


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("calibrate", "validate"))
    parser.add_argument("student", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--write", type=Path, help="where the student goes with the β found")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    student, weights = load_student(options.student)
    if options.verb == "validate":
        validate(student, settings_for(weights, threads=options.threads), folder=options.data)
        return
    cutter, beta = calibrate(student, Settings(0.5, threads=options.threads), folder=options.data)
    if options.write:
        stored = read_weights(options.student)
        write_weights(replace(stored, card={**stored.card, "cutter": cutter, "beta": beta}), options.write)


def calibrate(student: Student, settings: Settings, *, folder: Path) -> tuple[str, float]:
    """The cutter and the β that join least, among those within `TOLERANCE` of the least VoI."""
    left_out = read_volume("fib25_training_sample2", "train", folder, sections=range(100, 120))
    volumes = [left_out, read_volume("gala_fib_example", "all", folder)]
    maps = [draw_boundary(image, student, settings=settings) for image, _ in track(volumes, "predict")]
    pieces = [make_fragments(boundary, settings=settings) for boundary in maps]
    sums = {}
    for cutter, beta in product(CUTTERS, BETAS):
        trial = replace(settings, cutter=cutter, beta=beta)
        cuts = [cut_fragments(f, b, settings=trial)[1] for f, b in zip(pieces, maps, strict=True)]
        scores = [score(labels, truth) for labels, (_, truth) in zip(cuts, volumes, strict=True)]
        sums[cutter, beta] = sum(s.voi for s in scores)
        CONSOLE.print(f"{cutter:<9} β {beta:.2f}   " + "   ".join(map(brief, scores)))
    as_good = [choice for choice in sums if sums[choice] <= min(sums.values()) + TOLERANCE * len(volumes)]
    often = Counter(cutter for cutter, _ in as_good)
    best = max(often, key=lambda cutter: (often[cutter], -min(sums[cutter, beta] for beta in BETAS)))
    beta = max(beta for cutter, beta in as_good if cutter == best)
    CONSOLE.print(f"choices within {TOLERANCE} bits of the least VoI: {dict(often)}; taken: {best}, β = {beta}")
    return best, beta


def validate(student: Student, settings: Settings, *, folder: Path) -> None:
    """Scores on the validation split, for every cutter at the same β."""
    image, truth = read_volume("fib25_training_sample2", "validation", folder)
    boundary = draw_boundary(image, student, settings=settings)
    fragments = make_fragments(boundary, settings=settings)
    for name in CUTTERS:
        _, labels = cut_fragments(fragments, boundary, settings=replace(settings, cutter=name))
        scores = score(labels, truth, fragments=fragments)
        assert scores.oracle is not None
        CONSOLE.print(f"{name:<9} β {settings.beta:.2f}   {brief(scores)}   fragments' oracle {scores.oracle.voi:.3f}")


def read_volume(card: str, split: str, folder: Path, *, sections: range | None = None) -> Volume:
    """Image and truth of a split or of some of its sections, the truth numbered by 6-connected components."""
    sample = bank.load_sample(bank.DATASETS[card], folder, split)
    image, labels = sample.image, sample.labels
    if sections is not None:
        box = Box((sections.start, 0, 0), (sections.stop, *image.grid.shape[1:]))
        image, labels = image.crop(box), labels.crop(box)
    return image, relabel_components(labels)


def brief(scores: Scores) -> str:
    """VoI with its two halves, and ARand, in one line."""
    parts = f"split {scores.voi_split:.3f}, merge {scores.voi_merge:.3f}"
    return f"VoI {scores.voi:.3f} ({parts}), ARand {scores.arand_skimage:.3f}"


if __name__ == "__main__":
    main()
