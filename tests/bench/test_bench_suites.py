"""Suites on a small volume of a user's own: complete tables, results that are kept, what was not run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from savem3.bench import Bench, run_bench
from savem3.bench import suite_3d as volumes_suite
from savem3.bench import suite_sparse as sparse_suite
from savem3.watch import Watch

CARD = """
name = "cells"
superset = "drawn cells"
imaging = "drawn"
species = "none"
voxel_size_nm = [30, 8, 8]
licence = "none"
permissive = true

[[blocks]]
name = "a"
image = "cells.h5:raw"
labels = "cells.h5:labels"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bright cells with dark membrane between them, straight through eight sections."""
    folder = tmp_path_factory.mktemp("data")
    labels = np.zeros((8, 56, 72), np.uint32)
    for number, (y, x) in enumerate([(0, 0), (0, 36), (28, 0), (28, 36)], start=1):
        labels[:, y + 2 : y + 26, x + 2 : x + 34] = number
    noise = np.random.default_rng(0).integers(-9, 9, labels.shape)
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"], file["labels"] = (np.where(labels > 0, 200, 40) + noise).astype(np.uint8), labels
    (folder / "card.toml").write_text(CARD)
    np.save(folder / "peer.npy", labels.astype(np.uint16))
    return folder


@pytest.fixture
def grey_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No networks: raw grey and peers."""
    for suite in (volumes_suite, sparse_suite):
        monkeypatch.setattr(suite, "students_of", lambda bench: [])
        monkeypatch.setattr(suite, "teachers_of", lambda bench, planes: [])


def rows_of(folder: Path) -> dict[tuple[str, str, str], str]:
    with (folder / "results.csv").open(encoding="utf-8") as file:
        return {(line["method"], line["volume"], line["metric"]): line["value"] for line in csv.DictReader(file)}


@pytest.mark.usefixtures("grey_alone")
def test_the_3d_table_has_own_volumes_and_peers_and_says_what_was_not_run(data: Path, tmp_path: Path) -> None:
    bench = Bench(data, tmp_path / "out", peers=(f"micro-sam={data / 'peer.npy'}@cells",))
    text = (run_bench("3d", bench=bench, watch=Watch()) / "results.md").read_text(encoding="utf-8")
    rows = rows_of(bench.out)
    assert rows["micro-sam", "cells", "voi"] == "0.0"
    assert float(rows["raw grey, quantile", "cells", "voi"]) < 0.1
    assert float(rows["raw grey, fragments joined by the truth", "cells", "voi"]) < 0.1
    assert "| method | FIB-25 | gala | AC3 | CREMI-C | cells |" in text
    assert "| micro-sam | not run | not run | not run | not run | 0.000 / 0.000 |" in text
    assert "| *SAvEM³, no labels* (published) |" in text
    manifest = json.loads((bench.out / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["inputs"]) == {"cells.h5"}
    assert set(manifest["outputs"]) == {"results.md", "results.csv", "voi.png", "arand_skimage.png"}


@pytest.mark.usefixtures("grey_alone")
def test_a_changed_peer_is_named(data: Path, tmp_path: Path) -> None:
    peer = tmp_path / "labels.npy"
    peer.write_bytes((data / "peer.npy").read_bytes())
    bench = Bench(data, tmp_path / "out", peers=(f"PyTC={peer}@cells",))
    run_bench("3d", bench=bench, watch=Watch())
    np.save(peer, np.ones((8, 56, 72), np.uint16))
    with pytest.raises(ValueError, match=r"PyTC on cells must be of the same inputs, got others \(peer was "):
        run_bench("3d", bench=bench, watch=Watch())


@pytest.mark.usefixtures("grey_alone")
def test_tables_alone_are_the_same_tables_and_tell_how_busy_the_machine_was(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("savem3.bench.running.load_of_machine", lambda: 7.25)
    run_bench("3d", bench=Bench(data, out), watch=Watch())
    before = [(out / name).read_bytes() for name in ("results.csv", "results.md")]
    monkeypatch.setattr("savem3.bench.running.load_of_machine", lambda: 0.0)
    run_bench("3d", bench=Bench(data, out, only_tables=True), watch=Watch())
    assert [(out / name).read_bytes() for name in ("results.csv", "results.md")] == before
    assert b"7.2 processes wanted a core" in before[1]
    assert b"\r" not in before[0]


@pytest.mark.usefixtures("grey_alone")
def test_a_true_segmentation_runs_along_whole_skeletons_and_splits_no_labelled_body(data: Path, tmp_path: Path) -> None:
    bench = Bench(data, tmp_path / "out", seeds=2, peers=(f"truth={data / 'peer.npy'}@cells",))
    run_bench("sparse", bench=bench, watch=Watch())
    rows = rows_of(bench.out)
    assert rows["truth", "cells", "nerl"] == "1.0"
    assert float(rows["truth", "cells", "voi"]) == 0
    assert float(rows["raw grey, multicut", "cells", "erl_um"]) <= float(rows["truth", "cells", "erl_um"])


def test_two_runs_do_not_share_a_folder(data: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(FileExistsError, match="must not be in use"):
        run_bench("3d", bench=Bench(data, tmp_path / "out"), watch=Watch())


def test_the_ablation_makes_tables_of_the_lines_that_are_there(data: Path, tmp_path: Path) -> None:
    errors = {"0.5": [0.5, 0.25, 0.1], "0.4": [0.5, 0.125, 0.2]}
    cutter = {"chosen": {"all": 0.5, "validation": 0.5}, "errors": {"all": errors, "validation": errors}}
    lines = [{"teacher": "x", "steps": 300, "batch": 2}]
    lines += [{"rung": "bdy", "seed": n, "cutters": {"quantile": cutter, "multicut": cutter}} for n in (0, 1)]
    folder = tmp_path / "out" / "sstem_to_fib"
    folder.mkdir(parents=True)
    (folder / "scores.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    run_bench("ablation", bench=Bench(data, tmp_path / "out", only_tables=True), watch=Watch())
    text = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert "| bdy | boundary | 2 | 0.750 ± 0.000 / 0.100 ± 0.000 | 0.625 ± 0.000 |" in text
    assert "| +2nd | the same, motion, smooth | 0 | not run | not run | not run | not run |" in text


@pytest.mark.slow
def test_the_2d_table_has_each_kind_of_prompt_and_is_not_asked_for_again(
    data: Path, tmp_path: Path, monkeypatch
) -> None:
    from savem3.bench import suite_2d

    bench = Bench(data, tmp_path / "out", seeds=2, quick=True)
    run_bench("2d", bench=bench, watch=Watch())
    rows = rows_of(bench.out)
    assert rows["filled box", "cells", "box_iou"] == "1.0"
    assert {"box_iou", "1_point_iou", "10_points_iou", "noisy_mask_iou"} <= {m for n, _, m in rows if n == "saem2-tiny"}
    monkeypatch.setattr(suite_2d, "score_masks", lambda *_: pytest.fail("asked again"))
    run_bench("2d", bench=bench, watch=Watch())
    assert rows_of(bench.out) == rows


@pytest.mark.slow
def test_networks_are_cut_and_linked_from_section_to_section(data: Path, tmp_path: Path) -> None:
    run_bench("3d", bench=Bench(data, tmp_path / "out"), watch=Watch())
    rows = {name for name, _, metric in rows_of(tmp_path / "out") if metric == "voi"}
    assert {"savem3-fast, quantile", "savem3-fast, mutex", "savem3-fast, as its card says"} <= rows
    assert {"savem3-fast, sections linked by iou", "saem2-tiny along z, sections linked by confidence"} <= rows


@pytest.mark.slow
def test_a_sam_and_the_heads_that_stand_on_it_untrained_answer_alike(data: Path, tmp_path: Path) -> None:
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
    hq, own = tmp_path / "hq", tmp_path / "own.safetensors"
    model.save_pretrained(hq)
    save_published(Saem2OverSam(model, base="drawn").eval(), own, card={"labels": ["vnc_stack1:train"]})
    named = {"sams": (f"HQ-SAM={hq}",), "teachers": (f"heads={own}",), "base": hq}
    run_bench("2d", bench=Bench(data, tmp_path / "out", seeds=1, quick=True, **named), watch=Watch())
    rows = rows_of(tmp_path / "out")
    assert {metric for name, _, metric in rows if name == "HQ-SAM"} >= {"box_iou", "1_point_iou", "noisy_mask_iou"}
    assert rows["HQ-SAM", "cells", "box_iou"] == rows["heads", "cells", "box_iou"]
