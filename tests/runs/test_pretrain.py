"""savem3 pretrain: what it leaves, what it refuses, and that it goes on where it was cut off."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from savem3 import saem2
from savem3.request import Machine
from savem3.runs import Schooling, run_pretrain
from savem3.runs import schooling as schools
from savem3.saem2 import TrainRecipe, load_teacher
from savem3.watch import Watch


@pytest.fixture
def own(tmp_path):
    """A user's own annotated volume: (raw, labels)."""
    path = tmp_path / "mine.h5"
    labels = (np.arange(48) // 12 + 1) * np.ones((6, 40, 1), np.uint64)
    raw = np.where(np.arange(48) % 12 == 0, 60, 190) + np.random.default_rng(0).integers(-20, 20, (6, 40, 48))
    with h5py.File(path, "w") as file:
        for name, voxels in (("raw", raw.astype(np.uint8)), ("labels", labels.astype(np.uint64))):
            file[name] = voxels
            file[name].attrs["resolution"] = (30.0, 6.0, 6.0)
    return f"{path}:raw", f"{path}:labels"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    recipe = TrainRecipe(steps=2, sections=1, crop=32, prompts=1, smallest=9, windows=(32,), bfloat16=False)
    monkeypatch.setitem(schools.RECIPES, "small_cpu", lambda *, seed=0: recipe)


def teach(out, own, *, resume=False, overwrite=False, **how):
    schooling = Schooling(Path(), own=(own,), **how)
    run_pretrain(out, schooling=schooling, machine=Machine("cpu", 1), resume=resume, overwrite=overwrite, watch=Watch())


def test_a_teacher_of_ones_own_volume_answers_prompts_and_says_what_it_learned_from(tmp_path, own):
    teach(tmp_path / "out" / "mine.safetensors", own)
    teacher, weights = load_teacher(tmp_path / "out" / "mine.safetensors")
    assert teacher.decoder is not None
    assert weights.card["labels"] == ["mine.h5:raw"]
    assert weights.card["step"] == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mine.safetensors"]


def test_one_that_goes_on_names_the_runs_before(tmp_path, own):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    teach(first, own)
    teach(second, own, start=str(first), frozen=True)
    before, after = load_teacher(first), load_teacher(second)
    assert after[1].card["started_from"] == before[1].sha256
    assert [run["step"] for run in after[1].card["earlier_runs"]] == [2]
    for one, other in zip(before[0].network.parameters(), after[0].network.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())


def test_without_heads_their_weights_are_nought():
    recipe = Schooling(Path(), without_heads=True).settings()
    assert (recipe.boundary_weight, recipe.distance_weight, recipe.mask_weight) == (0, 0, 1)


def test_test_sets_keep_their_tissue(tmp_path):
    wrong = Schooling(tmp_path, labels=("synthetic:1", "vnc_stack1:train"), tests=("vnc_stack2_raw:all",))
    with pytest.raises(ValueError, match="must not share a superset with test cards, got vnc_stack1 and vnc_stack2"):
        schools.read_samples(wrong)


def test_a_start_that_learned_from_a_test_sets_tissue_is_refused():
    wrong = Schooling(Path(), start="saem2-tiny", tests=("fib25_validation_sample_raw:all",))
    with pytest.raises(ValueError, match="must not share a superset with test cards, got fib25_training_sample2"):
        schools.make_learner(wrong, wrong.settings(), "cpu")


def test_a_volume_without_a_voxel_size_takes_the_one_that_is_given(tmp_path):
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["raw"], file["labels"] = np.zeros((2, 9, 12), np.uint8), np.ones((2, 9, 12), np.uint64)
    own = ((f"{tmp_path}/bare.h5:raw", f"{tmp_path}/bare.h5:labels"),)
    (sample,) = schools.read_samples(Schooling(tmp_path, own=own, voxel_size="30,6,4"))
    assert sample.image.grid.voxel_size == (30, 6, 4)


def test_nothing_to_learn_from_is_refused(tmp_path):
    with pytest.raises(ValueError, match="labels must name at least one annotated volume"):
        schools.read_samples(Schooling(tmp_path))


def test_an_existing_teacher_is_not_replaced(tmp_path, own):
    (tmp_path / "mine.safetensors").touch()
    with pytest.raises(FileExistsError, match="--overwrite"):
        teach(tmp_path / "mine.safetensors", own)


def test_a_run_that_was_cut_off_is_not_begun_anew_unasked(tmp_path, own, monkeypatch):
    out, train = tmp_path / "mine.safetensors", saem2.train

    def cut_off(learner, lessons, **how):
        def until_two(step, *, rank=0):
            if step == 2:
                raise KeyboardInterrupt
            return lessons(step, rank=rank)

        return train(learner, until_two, **how, keep_every=1)

    monkeypatch.setattr(saem2, "train", cut_off)
    with pytest.raises(KeyboardInterrupt):
        teach(out, own)
    monkeypatch.setattr(saem2, "train", train)
    with pytest.raises(FileExistsError, match="pass --resume"):
        teach(out, own)
    teach(out, own, resume=True)
    whole = tmp_path / "whole.safetensors"
    teach(whole, own)
    assert load_teacher(out)[1].sha256 == load_teacher(whole)[1].sha256
    assert not list(tmp_path.glob(".*unfinished*"))


@pytest.mark.slow
def test_two_processes_learn_one_teacher(tmp_path, own):
    pytest.importorskip("accelerate")
    out = tmp_path / "mine.safetensors"
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    fixed = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m", "savem3"]
    command = ["pretrain", str(out), "--own", *own, "--recipe", "heads_small_cpu", "--steps", "2", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, *launch, *fixed, *command],
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert load_teacher(out)[1].card["step"] == 2
