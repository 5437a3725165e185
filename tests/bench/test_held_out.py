"""Sections that are asked about: who has seen them, and results that are kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savem3.bank import DATASETS
from savem3.bench.held_out import Volume, add_line, read_lines, refuse_kin, seen_by
from savem3.grid import Grid
from savem3.volume import Image, Labels


def volume(**changes: Any) -> Any:
    """FIB-25, sections 130, 138, … without its file."""
    grid = Grid((16, 9, 12), (10.0, 10.0, 10.0), (1300.0, 0.0, 0.0))
    image, labels = Image(np.zeros(grid.shape, np.uint8), grid), Labels(np.zeros(grid.shape, np.uint64), grid)
    return Volume(**{"name": "FIB-25", "image": image, "labels": labels, "sections": (0, 8), **changes})


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["fib25_training_sample2:train", "synthetic:12"], "held-out sections"),
        (["fib25_training_sample2:all"], "trained on it"),
        (["fib25_training_sample2:validation:0-0"], "trained on it"),
        (["fib25_training_sample2:validation:1-7"], "held-out sections"),
        (["gala_fib_train:all"], "same tissue"),
        (["vnc_stack1:all", "synthetic:12"], "never seen"),
        ([], "not known"),
    ],
)
def test_the_table_says_what_a_checkpoint_saw(labels: list[str], told: str) -> None:
    fib = volume(card=DATASETS["fib25_training_sample2"])
    assert seen_by({"labels": labels}, fib) == told
    assert seen_by({"earlier_runs": [{"prompts": {"labels": labels}}]}, fib) == told


def test_a_volume_of_ones_own_is_found_among_the_labels_by_its_file() -> None:
    own = volume(files=("my data/ac3.h5:raw", "my data/ac3.h5:labels"), name="AC3")
    assert seen_by({"labels": ["ac3.h5:raw"]}, own) == "trained on it"
    assert seen_by({"labels": ["vnc_stack1:train"]}, own) == "not among its labels"


def test_published_rules_refuse_any_section_of_the_tissue() -> None:
    fib = volume(card=DATASETS["fib25_training_sample2"])
    refuse_kin({"labels": ["vnc_stack1:train", "synthetic:12", "my.h5"]}, [fib])
    with pytest.raises(ValueError, match="must not share a superset with test cards, got gala_fib_train"):
        refuse_kin({"labels": ["gala_fib_train:all"]}, [fib])


def test_a_volume_of_4_nm_is_looked_at_at_8() -> None:
    grid = Grid((2, 6, 10), (40.0, 4.0, 4.0))
    labels = np.arange(12, dtype=np.uint64).reshape(2, 3, 2).repeat(2, 1).repeat(5, 2)
    fine = volume(image=Image((labels * 9).astype(np.uint8), grid), labels=Labels(labels, grid), factor=2)
    grey, seen = fine.read(1)
    assert (grey.shape, seen.shape) == ((3, 5), (3, 5))
    assert seen[:, 0].tolist() == [6, 8, 10]


def test_lines_are_read_again_without_the_one_that_was_cut_off(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    for n in range(3):
        read_lines(kept, of={"method": "box"})
        add_line(kept, {"z": n})
    before = kept.read_bytes()
    kept.write_bytes(before[:-4])
    assert [line["z"] for line in read_lines(kept, of={"method": "box"})] == [0, 1]
    add_line(kept, {"z": 2})
    assert kept.read_bytes() == before


def test_lines_of_another_method_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    read_lines(kept, of={"method": "box"})
    add_line(kept, {"z": 0})
    with pytest.raises(ValueError, match=r"kept\.jsonl must hold results of"):
        read_lines(kept, of={"method": "another"})
