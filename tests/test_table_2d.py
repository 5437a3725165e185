"""The scripts of the 2D tables on drawn cells: complete tables, results that are kept, and who has seen what."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from savem3.bank import DATASETS
from savem3.grid import Grid
from savem3.volume import Image, Labels

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Four bright cells with dark membrane between them in each of three sections."""
    labels = np.zeros((3, 64, 80), np.uint32)
    for number, (y, x) in enumerate([(0, 0), (0, 40), (32, 0), (32, 40)], start=1):
        labels[:, y + 2 : y + 30, x + 2 : x + 38] = number
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file.attrs["resolution_nm"] = (30.0, 8.0, 8.0)
        file["raw"], file["labels"] = np.where(labels > 0, 200, 40).astype(np.uint8), labels
    return tmp_path / "cells.h5"


@pytest.fixture
def table(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    import table_2d

    own = ("--volume", "AC3", f"{cells}:raw", f"{cells}:labels")

    def run(*more: str) -> str:
        fixed = ("--work", str(tmp_path / "kept"), "--out", str(tmp_path / "table.md"), "--datasets")
        monkeypatch.setattr("sys.argv", ["table_2d.py", *fixed, *own, "--seeds", "2", *more])
        table_2d.main()
        return (tmp_path / "table.md").read_text(encoding="utf-8")

    return run


def volume(**changes: Any) -> Any:
    """FIB-25, sections 130, 138, … without its file."""
    from held_out import Volume

    grid = Grid((16, 9, 12), (10.0, 10.0, 10.0), (1300.0, 0.0, 0.0))
    image, labels = Image(np.zeros(grid.shape, np.uint8), grid), Labels(np.zeros(grid.shape, np.uint64), grid)
    return Volume(**{"name": "FIB-25", "image": image, "labels": labels, "sections": (0, 8), **changes})


@pytest.mark.slow
def test_the_table_has_each_kind_of_prompt_and_says_what_was_not_run(table: Callable[..., str], tmp_path: Path) -> None:
    text = table("--saem2", "SAEM²=saem2-tiny")
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    found = {(r[0], r[1]): r[2:] for r in rows if len(r) == 7}
    assert found["box", "filled box"][0] == "1.000"
    assert found["box", "watershed in the box, saem2-tiny"][4] == "not among its labels"
    assert found["box", "SAEM²"][3] == "12"
    assert "±" in found["10 points", "SAEM²"][0]
    assert found["noisy mask", "HQ-SAM"][0] == "not run"
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["prompt"] for line in lines if line["method"] == "SAEM²"} == {
        "box",
        "1 point",
        "10 points",
        "noisy mask",
    }
    assert all(0 <= float(line["biou_2_px_mean"]) <= float(line["iou_mean"]) <= 1 for line in lines)


def test_an_interrupted_run_goes_on_to_the_same_table(table: Callable[..., str], tmp_path: Path) -> None:
    whole = table()
    kept = tmp_path / "kept" / "AC3--the-prompt-itself.jsonl"
    before = kept.read_text(encoding="utf-8")
    kept.write_text(before[: len(before) * 2 // 3], encoding="utf-8")
    assert table() == whole
    assert kept.read_text(encoding="utf-8") == before


def test_kept_results_are_not_made_again(table: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    import table_2d

    whole = table()
    monkeypatch.setattr(table_2d, "score_masks", lambda *_: pytest.fail("asked again"))
    assert table() == whole


def test_results_of_other_weights_are_refused(table: Callable[..., str], tmp_path: Path) -> None:
    table()
    kept = tmp_path / "kept" / "AC3--filled-box.jsonl"
    head, *lines = kept.read_text(encoding="utf-8").splitlines()
    head = json.dumps({**json.loads(head), "method": "another"})
    kept.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"filled-box\.jsonl must hold results of"):
        table()


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
    from held_out import seen_by

    fib = volume(card=DATASETS["fib25_training_sample2"])
    assert seen_by({"labels": labels}, fib) == told
    assert seen_by({"earlier_runs": [{"prompts": {"labels": labels}}]}, fib) == told


def test_a_volume_of_ones_own_is_found_among_the_labels_by_its_file() -> None:
    from held_out import seen_by

    own = volume(files=("my data/ac3.h5:raw", "my data/ac3.h5:labels"), name="AC3")
    assert seen_by({"labels": ["ac3.h5:raw"]}, own) == "trained on it"
    assert seen_by({"labels": ["vnc_stack1:train"]}, own) == "not among its labels"


def test_published_rules_refuse_any_section_of_the_tissue() -> None:
    from held_out import refuse_kin

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


def test_average_precision_is_its_formula() -> None:
    from boundary_2d import average_precision

    rng = np.random.default_rng(0)
    values, membrane = rng.integers(0, 6, 200), rng.random(200) < 0.4
    expected, recall = 0.0, 0.0
    for threshold in range(5, -1, -1):
        called = values >= threshold
        now = (called & membrane).sum() / membrane.sum()
        expected += (now - recall) * (called & membrane).sum() / max(1, called.sum())
        recall = now
    on, off = (np.bincount(values[m], minlength=256) for m in (membrane, ~membrane))
    assert average_precision(on, off) == pytest.approx(expected)
    assert average_precision(on, off * 0) == pytest.approx(1)


def test_boundaries_are_cut_where_other_sections_say(
    cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boundary_2d

    own = ("--volume", "AC3", f"{cells}:raw", f"{cells}:labels", "--datasets")
    out = tmp_path / "boundaries.md"
    monkeypatch.setattr("sys.argv", ["boundary_2d.py", "--work", str(tmp_path), "--out", str(out), *own])
    boundary_2d.main()
    dataset, name, precision, error = [c.strip() for c in out.read_text(encoding="utf-8").splitlines()[2].split("|")][
        1:5
    ]
    assert (dataset, name, error) == ("AC3", "raw grey", "0.000 (0.000, 0.000)")
    assert 0 < float(precision) < 1


@pytest.mark.slow
def test_a_sam_and_the_heads_that_stand_on_it_untrained_answer_alike(table: Callable[..., str], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    from savem3.saem2.over_sam.network import Saem2OverSam
    from savem3.saem2.over_sam.weights import save_published

    torch.manual_seed(0)
    wide = {"hidden_size": 32, "image_size": 256}
    vision = {"num_hidden_layers": 2, "num_attention_heads": 2, "output_channels": 32, "global_attn_indexes": [1]}
    model = transformers.SamHQModel(
        transformers.SamHQConfig(
            vision_config={**wide, **vision, "window_size": 3, "num_pos_feats": 16, "mlp_dim": 48},
            prompt_encoder_config={**wide, "mask_input_channels": 8},
            mask_decoder_config={"hidden_size": 32, "mlp_dim": 40, "iou_head_hidden_dim": 20, "vit_dim": 32},
        )
    ).eval()
    model.save_pretrained(tmp_path / "hq")
    own = tmp_path / "own.safetensors"
    save_published(Saem2OverSam(model, base="drawn").eval(), own, card={"labels": ["vnc_stack1:train"]})
    text = table("--sam", f"HQ-SAM={tmp_path / 'hq'}", "--saem2", f"SAEM²={own}", "--base", str(tmp_path / "hq"))
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    found = {(r[0], r[1]): r[2:6] for r in rows if len(r) == 7}
    for kind in ("box", "1 point", "10 points", "noisy mask"):
        assert found[kind, "HQ-SAM"][3] == "12"
    assert found["box", "HQ-SAM"] == found["box", "SAEM²"]
