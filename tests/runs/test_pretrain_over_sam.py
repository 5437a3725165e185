"""savem3 pretrain --over: heads over a SAM of a few thousand random values, by epochs, and read again as a teacher."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from savem3.bank import DATASETS
from savem3.prompt import PointPrompt
from savem3.request import Machine
from savem3.runs import Schooling, run_pretrain
from savem3.runs import schooling as schools
from savem3.saem2 import EpochLessons, paper
from savem3.saem2.over_sam import PublishedTeacher
from savem3.shipped import read_teacher
from savem3.volume import IntensityMap
from savem3.watch import Watch

sys.path.append(str(Path(__file__).parents[1] / "saem2" / "over_sam"))
sys.path.append(str(Path(__file__).parents[1] / "saem2"))

RECIPE = replace(paper(), steps=3, sections=2, crop=32, smallest=20, bfloat16=False)


@pytest.fixture
def folder(tmp_path):
    """A folder that transformers saved an HQ-SAM in."""
    from tiny_sam import sam

    sam().save_pretrained(tmp_path / "sam")
    return tmp_path / "sam"


@pytest.fixture(autouse=True)
def own(monkeypatch):
    from drawn_samples import squares

    monkeypatch.setattr(schools, "read_samples", lambda schooling: [squares()])
    monkeypatch.setattr("savem3.runs.pretrain.read_samples", lambda schooling: [squares()])
    monkeypatch.setitem(schools.RECIPES, "paper", lambda *, seed=0: RECIPE)


def teach(out, **how):
    schooling = Schooling(Path(), recipe="paper", **how)
    machine = Machine("cpu", 1)
    run_pretrain(out, schooling=schooling, machine=machine, resume=False, overwrite=False, watch=Watch())


def test_heads_are_taught_over_a_sam_and_answer_like_any_teacher(tmp_path, folder):
    teach(tmp_path / "over.safetensors", over=str(folder), kept=tmp_path / "kept")
    teacher, weights = read_teacher(str(tmp_path / "over.safetensors"))
    assert isinstance(teacher, PublishedTeacher)
    assert weights.card["step"] == 3
    look = teacher.look_at(np.zeros((1, 24, 40), np.float32))
    assert look.boundary.shape == (1, 24, 40)
    section = np.zeros((24, 40), np.uint8)
    point = PointPrompt(0, (5.0,), (7.0,), (True,))
    assert teacher.prompter(IntensityMap(0.0, 255.0)).ask(section, [point])[0].mask.shape == (24, 40)
    assert any((tmp_path / "kept").glob("*.safetensors"))


def test_kept_embeddings_change_nothing_that_matters(tmp_path, folder):
    for name, kept in (("with", tmp_path / "kept"), ("without", None)):
        teach(tmp_path / f"{name}.safetensors", over=str(folder), kept=kept)
    one, other = (read_teacher(str(tmp_path / f"{name}.safetensors"))[1].tensors for name in ("with", "without"))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=0.02)


def test_one_that_goes_on_stands_on_the_same_sam(tmp_path, folder):
    teach(tmp_path / "first.safetensors", over=str(folder))
    teach(tmp_path / "second.safetensors", start=str(tmp_path / "first.safetensors"))
    first, second = (read_teacher(str(tmp_path / f"{n}.safetensors"))[1] for n in ("first", "second"))
    assert second.card["sam"] == first.card["sam"]
    assert second.card["started_from"] == first.sha256


def test_a_teacher_of_another_kind_is_no_start_over_a_sam(tmp_path, folder):
    with pytest.raises(ValueError, match="--start must be a teacher over a SAM"):
        teach(tmp_path / "over.safetensors", over=str(folder), start="saem2-tiny")


def test_prompts_alone_are_not_taught_over_a_sam(folder):
    with pytest.raises(ValueError, match="--frozen must go with the small teacher"):
        schools.make_learner(Schooling(Path(), over=str(folder), frozen=True), RECIPE, "cpu")


def test_epochs_take_equally_many_instances_of_each_imaging_method(monkeypatch):
    from drawn_samples import squares

    fly = replace(squares(), name="fib25_training_sample2/train")
    mine = replace(squares(), name="mine.h5")
    monkeypatch.setattr(schools, "plan_epoch", lambda index, **how: PLAN(index, per_imaging=10, **how))
    lessons = schools.make_lessons(Schooling(Path()), [fly, mine], replace(RECIPE, crop=80), 1)
    assert isinstance(lessons, EpochLessons)
    names = [lesson.name for step in range(1, 11) for lesson in lessons(step)]
    assert sum(name.startswith("fib25") for name in names) == sum(name.startswith("mine") for name in names) == 10


def test_drawn_volumes_and_the_users_own_are_two_imaging_methods():
    from drawn_samples import squares

    names = ("fib25_training_sample2/train", "synthetic/3", "mine.h5")
    told = [schools.annotated(replace(squares(), name=name), i, DATASETS) for i, name in enumerate(names)]
    assert [t.imaging for t in told] == ["FIB-SEM", "synthetic", "own"]
    assert len({t.dataset for t in told}) == 3


def test_embeddings_that_no_epoch_could_use_are_not_asked_for(tmp_path, folder):
    changed = replace(RECIPE, grey_changes=True)
    with pytest.raises(ValueError, match="--kept must go with a teacher over a SAM"):
        schools.make_learner(Schooling(Path(), over=str(folder), kept=tmp_path), changed, "cpu")
    with pytest.raises(ValueError, match="--kept must go with a teacher over a SAM"):
        schools.make_learner(Schooling(Path(), kept=tmp_path), RECIPE, "cpu")


PLAN = schools.plan_epoch
