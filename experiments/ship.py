"""Put a trained student and its teacher into the package, with cards that say what trained them and how they score.

    python experiments/ship.py --data DIR [--student FILE] [--teacher FILE] [--noncommercial FILE] [--sstem FILE]

Each is shipped where it is given; --noncommercial is the teacher that also learned from ssTEM labels, --sstem the one
that learned from no other tissue. A student must have been calibrated (`score.py calibrate --write`). Scores are of
FIB-25 sample 2, sections 130–249 (no label of z ≥ 120 trained any model), and of the bundled crop, which is cut from
them. Nothing is chosen here.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from score import read_volume

from savem3 import bank
from savem3.evaluate import Scores, score
from savem3.pipeline import Settings, cut_fragments, make_fragments, reconstruct, settings_for
from savem3.predict import look_around
from savem3.saem2 import Saem2Teacher
from savem3.shipped import MODELS, STUDENT, TEACHER, read_example, read_student, read_teacher
from savem3.store.weights import Weights, write_weights
from savem3.volume import Image, Labels, intensity_of

CONSOLE = Console(highlight=False, width=110)
NONCOMMERCIAL = "saem2-tiny-noncommercial"
SSTEM = "saem2-tiny-sstem-noncommercial"
APART = Path(__file__).parents[1] / "noncommercial"
"""Where models lie that no permissive artefact may hold."""


def main() -> None:
    """Score, write weights, write cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--noncommercial", type=Path)
    parser.add_argument("--sstem", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    options = parser.parse_args()
    volumes = {
        "FIB-25 sample 2, z 130–249": read_volume("fib25_training_sample2", "validation", options.data),
        "bundled crop": read_example(),
    }
    student, weights = read_student(str(options.student or STUDENT))
    settings = settings_for(weights)
    if options.student:
        scores = {name: score_student(volume, student, settings) for name, volume in volumes.items()}
        ship(STUDENT, weights, scores, words=STUDENT_WORDS)
    teachers = {
        TEACHER: (options.teacher, TEACHER_WORDS),
        NONCOMMERCIAL: (options.noncommercial, NONCOMMERCIAL_WORDS),
        SSTEM: (options.sstem, SSTEM_WORDS),
    }
    for name, (file, words) in teachers.items():
        if file:
            teacher, weights = read_teacher(str(file))
            scores = {name: score_teacher(volume, teacher, settings) for name, volume in volumes.items()}
            ship(name, weights, scores, words=words)


def score_student(volume: tuple[Image, Labels], student: object, settings: Settings) -> Scores:
    """The whole way, as `savem3 reconstruct` goes."""
    image, truth = volume
    made = reconstruct(image, student, settings=settings)  # type: ignore[arg-type]
    return score(made.labels, truth, fragments=made.fragments)


def score_teacher(volume: tuple[Image, Labels], teacher: Saem2Teacher, settings: Settings) -> Scores:
    """The same, with the mean of the teacher's three planes as the boundary map."""
    image, truth = volume
    boundary = look_around(image, teacher, intensity=intensity_of(image), planes=3)
    fragments = make_fragments(boundary, settings=settings)
    return score(cut_fragments(fragments, boundary, settings=settings)[1], truth, fragments=fragments)


def ship(name: str, weights: Weights, scores: dict[str, Scores], *, words: str) -> None:
    """The weights with their card, and the page that people read."""
    stated = {
        place: {"voi": round(s.voi, 4), "arand": round(s.arand_skimage, 4), "oracle_voi": round(oracle_of(s), 4)}
        for place, s in scores.items()
    }
    licences = ", ".join(weights.card["licences"])  # type: ignore[arg-type]
    apart = "noncommercial" in name
    terms = "non-commercial use only, share alike" if apart else "Apache-2.0"
    licence = f"{terms}; learned from data under: {licences}"
    weights = replace(weights, card={**weights.card, "licence": licence, "scores": stated})
    folder = APART if apart else MODELS
    write_weights(weights, folder / f"{name}.safetensors")
    (folder / f"{name}.md").write_text(page_of(name, weights, scores, words=words), encoding="utf-8")
    for place, s in scores.items():
        CONSOLE.print(f"{name}, {place}: VoI {s.voi:.3f}, ARand {s.arand_skimage:.3f}, oracle {oracle_of(s):.3f}")


def oracle_of(scores: Scores) -> float:
    """VoI of the best that any cut could make of the fragments."""
    assert scores.oracle is not None
    return scores.oracle.voi


def numbers_of(scores: Scores) -> tuple[float, ...]:
    """The columns of the card's table."""
    return scores.voi_split, scores.voi_merge, scores.voi, scores.arand_skimage, oracle_of(scores)


def page_of(name: str, weights: Weights, scores: dict[str, Scores], *, words: str) -> str:
    """The model card."""
    card = weights.card
    values = sum(int(np.prod(np.shape(t))) for t in weights.tensors.values())
    rows = "\n".join(
        f"| {place} | " + " | ".join(f"{number:.3f}" for number in numbers_of(s)) + " |" for place, s in scores.items()
    )
    where = f"{card['cutter']}, β {card['beta']}" if "beta" in card else "as the student does"
    runs = [*card.get("earlier_runs", []), card]  # type: ignore[misc]
    steps = " + ".join(str(run["step"]) for run in runs)
    learned = "\n".join(f"- labels: {licensed(d)}" for d in card["labels"])  # type: ignore[attr-defined]
    seen = "\n".join(f"- raw alone: {licensed(d)}" for d in card["raw"])  # type: ignore[attr-defined]
    return f"""# {name}

{words}

| | |
|---|---|
| architecture | {weights.architecture}, {values:,} values |
| licence | {card["licence"]} |
| SHA-256 of the values | `{weights.sha256}` |
| where it cuts | {where} |
| seed, steps | {card["recipe"]["seed"]}, {steps} |

## What it learned from

{learned}
{seen}

No label of sections 120–249 of FIB-25 sample 2 trained it. docs/experiments.md says how its cut was chosen.

## Scores

One seed; VoI in bits, ARand error in scikit-image's convention; truth numbered by 6-connected components.
The last column is the VoI that the best joining of the same fragments would reach.

| volume | split | merge | VoI | ARand | oracle |
|---|---|---|---|---|---|
{rows}
"""


def licensed(dataset: str) -> str:
    """A dataset's name with its licence."""
    card = dataset.split(":")[0]
    return f"`{dataset}`, {'generated' if card == 'synthetic' else bank.DATASETS[card].licence}"


NONCOMMERCIAL_WORDS = """As `saem2-tiny`, from which it went on, and taught ssTEM too: VNC (CC BY-NC-SA)
and ISBI 2012 (challenge terms). So it and whatever is distilled from it may not be used commercially.
Nothing in the package uses it unless it is named: `--teacher noncommercial/saem2-tiny-noncommercial.safetensors`."""

SSTEM_WORDS = """As `saem2-tiny`, but taught by ssTEM and drawn volumes alone: VNC (CC BY-NC-SA) and ISBI 2012
(challenge terms), no label of any FIB-SEM volume. It is the teacher of the label-free experiment ssTEM → FIB-SEM
(docs/experiments.md). It and whatever is distilled from it may not be used commercially. The scores below are cut
where the shipped student is; the experiment cuts where the map is steadiest."""

STUDENT_WORDS = """The 3D student that `savem3 reconstruct` starts from. It learned in runs of `experiments/train.py`:
from labels, from raw with `saem2-tiny` as the teacher, and from drawn volumes;
it is a mean of two students along that way. Fly neuropil in FIB-SEM at 10 nm is what it knows best, and ssTEM it
knows from drawings alone; `--adapt auto` brings it nearer to a volume."""

TEACHER_WORDS = """The 2D teacher: encoder, HQ feature, BDY and DST heads, and a small decoder that answers prompts,
taught together by `savem3 pretrain`.
Scores below are of its mean boundary map over three planes, cut like the student's; scores of its answers are
in docs/experiments.md."""


if __name__ == "__main__":
    main()
