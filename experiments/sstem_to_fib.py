"""The label-free experiment ssTEM → FIB-SEM: no label of any FIB-SEM volume trains a net or chooses β.

    python experiments/sstem_to_fib.py --data DIR --work FOLDER [--teacher-steps 4000] [--student-steps 800] [--seed 0]

1. A teacher learns from the ssTEM labels of VNC (sections 0–14) and ISBI 2012 (sections 0–23) alone.
2. Where it cuts (β) is chosen on VNC sections 16–19, section by section, also ssTEM.
3. It looks at FIB-25 samples 1 and 2 along z, y and x; a `fast` student is distilled from that on the raw alone.
4. Teacher (one plane, three planes) and student are scored on the whole of FIB-25 sample 2.

VNC is CC BY-NC-SA and ISBI 2012 non-commercial: so are these weights, and none of them ships. Each step is skipped
where its file is there. The default dynamics of the oversegmentation were once chosen on FIB-SEM labels.
The result is a table in Markdown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from score import BETAS

from savem3 import bank
from savem3.distill import load_student
from savem3.evaluate import score
from savem3.grid import Box
from savem3.pipeline import Settings, cut_fragments, draw_boundary, make_fragments
from savem3.predict import look_around
from savem3.saem2 import Saem2Teacher, load_teacher
from savem3.store import open_boundary, write_boundary
from savem3.volume import BoundaryMap, Labels, intensity_of

CONSOLE = Console(highlight=False, width=110)
LABELS = ("vnc_stack1:train", "isbi2012_train:train")
RAW = ("fib25_training_sample1_raw:all", "fib25_training_sample2:all")


def main() -> None:
    """Train what is not there yet, then score."""
    options = read_options()
    options.work.mkdir(parents=True, exist_ok=True)
    teacher_file = options.work / f"saem2-tiny-sstem-noncommercial-{options.seed}.safetensors"
    student_file = options.work / f"savem3-fast-sstem-noncommercial-{options.seed}.safetensors"
    heads = ("--recipe", "heads_small_cpu", "--steps", str(options.teacher_steps))
    train(["-m", "savem3", "pretrain"], teacher_file, options, "--labels", *LABELS, *heads)
    taught = ("--teacher", str(teacher_file), "--steps", str(options.student_steps))
    train([str(Path(__file__).with_name("train.py"))], student_file, options, "--raw", *RAW, *taught)
    teacher, _ = load_teacher(teacher_file)
    beta = choose_beta(teacher, options.data)
    CONSOLE.print(
        f"β = {beta}, chosen on ssTEM; teacher {options.teacher_steps} steps, student {options.student_steps}"
    )
    CONSOLE.print("\n| who looks | β | split, merge | VoI | ARand |\n|---|---|---|---|---|")
    for name, boundary in maps_of(teacher, student_file, options).items():
        for each in sorted({beta, 0.5}):
            CONSOLE.print(row(name, boundary, each, options))


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher-steps", type=int, default=4000)
    parser.add_argument("--student-steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def train(program: list[str], out: Path, options: argparse.Namespace, *more: str) -> None:
    """Run a training, unless its result is there."""
    if out.exists():
        return
    fixed = ("--data", str(options.data), "--seed", str(options.seed), "--threads", str(options.threads))
    unfinished = out.with_name(f"unfinished-{out.name}")
    subprocess.run([sys.executable, *program, str(unfinished), *fixed, *more], check=True)
    unfinished.rename(out)


def choose_beta(teacher: Saem2Teacher, folder: Path) -> float:
    """The β with the least mean VoI over single ssTEM sections that trained nothing."""
    sample = bank.load_sample(bank.DATASETS["vnc_stack1"], folder, "validation")
    sections, height, width = sample.image.grid.shape
    errors = np.zeros(len(BETAS))
    for z in range(sections):
        box = Box((z, 0, 0), (z + 1, height, width))
        image, truth = sample.image.crop(box), sample.labels.crop(box)
        boundary = look_around(image, teacher, intensity=intensity_of(sample.image), planes=1)
        errors += [score(segment(boundary, beta), truth).voi / sections for beta in BETAS]
    CONSOLE.print("VoI on VNC 16–19: " + ", ".join(f"β {b}: {e:.3f}" for b, e in zip(BETAS, errors, strict=True)))
    return BETAS[int(np.argmin(errors))]


def maps_of(teacher: Saem2Teacher, student_file: Path, options: argparse.Namespace) -> dict[str, BoundaryMap]:
    """The boundary maps that are compared, on FIB-25 sample 2; kept in the work folder."""
    image = bank.load_image(bank.DATASETS["fib25_training_sample2"], options.data)
    intensity = intensity_of(image)
    student, _ = load_student(student_file)
    draw = {
        "teacher, along z": lambda: look_around(image, teacher, intensity=intensity, planes=1),
        "teacher, mean of three planes": lambda: look_around(image, teacher, intensity=intensity, planes=3),
        "student, along z": lambda: draw_boundary(image, student, settings=looking(1)),
        "student, mean of three views": lambda: draw_boundary(image, student, settings=looking(3)),
    }
    maps = {}
    for name, drawn in draw.items():
        file = options.work / f"{name.replace(', ', '-').replace(' ', '-')}-{options.seed}.zarr"
        if not file.exists():
            write_boundary(drawn(), file)
        maps[name] = open_boundary(file).load()
    return maps


def looking(views: int) -> Settings:
    """Settings for a number of views."""
    settings = Settings(0.5)
    return replace(settings, predict=replace(settings.predict, views=views))


def segment(boundary: BoundaryMap, beta: float) -> Labels:
    """Fragments, cut by multicut."""
    settings = Settings(beta)
    return cut_fragments(make_fragments(boundary, settings=settings), boundary, settings=settings)[1]


def row(name: str, boundary: BoundaryMap, beta: float, options: argparse.Namespace) -> str:
    """One line of the table: the whole of FIB-25 sample 2."""
    truth = bank.load_sample(bank.DATASETS["fib25_training_sample2"], options.data, "all").labels
    scores = score(segment(boundary, beta), truth)
    split, merge = scores.voi_split, scores.voi_merge
    return f"| {name} | {beta:.2f} | {split:.3f}, {merge:.3f} | {scores.voi:.3f} | {scores.arand_skimage:.3f} |"


if __name__ == "__main__":
    main()
