"""The loop: what it teaches, what it leaves alone, and that a run that was cut off ends like one that was not."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_samples import planes, squares

from savem3.prompt import PointPrompt
from savem3.saem2 import (
    Learner,
    PromptDecoder,
    RandomLessons,
    Saem2,
    Saem2Prompter,
    Saem2Teacher,
    TinyLearner,
    TrainRecipe,
    paper,
    smoke,
    train,
    training,
)
from savem3.saem2.training import learning_rate_at
from savem3.volume import IntensityMap

JOINT = TrainRecipe(steps=4, sections=1, crop=64, prompts=2, smallest=9, memory=0.9, bfloat16=False)


def taught(recipe, samples, *, prompts=False, frozen=False, **how):
    torch.manual_seed(recipe.seed)
    learner = TinyLearner(Saem2(), PromptDecoder() if prompts else None, recipe=recipe, frozen=frozen)
    return train(learner, RandomLessons(samples, recipe), recipe=recipe, **how)


def assert_equal(one, other):
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("voxel_size", [(10.0, 10.0, 10.0), (30.0, 6.0, 4.0)])
def test_membranes_and_distances_are_learned(voxel_size):
    recipe = TrainRecipe(steps=60, sections=4, crop=32, learning_rate=2e-3, scales=(1.0,), bfloat16=False)
    learner = taught(recipe, [planes(voxel_size=voxel_size)])
    section = np.where(np.arange(48) % 8 == 0, -1.0, 1.0).astype(np.float32)
    look = Saem2Teacher(learner.network).look_at(np.broadcast_to(section, (1, 32, 48)))
    membrane, middle = np.arange(8, 41, 8), np.arange(12, 40, 8)
    assert look.boundary[0, 16, membrane].min() > look.boundary[0, 16, middle].max()
    assert look.distance[0, 16, middle].min() > look.distance[0, 16, membrane].max()


@pytest.mark.slow
def test_a_mask_goes_where_its_prompt_points():
    recipe = replace(JOINT, steps=150, prompts=4, learning_rate=2e-3, windows=(64,), scales=(1.0,))
    sample = squares()
    learner = taught(recipe, [sample], prompts=True)
    asked = Saem2Prompter(learner.network, learner.decoder, IntensityMap(40.0, 200.0))
    labels = sample.labels.voxels[0]
    points = [PointPrompt(0, (float(y),), (float(x),), (True,)) for y, x in ((16, 20), (48, 60))]
    for answer, point in zip(asked.ask(sample.image.voxels[0], points), points, strict=True):
        truth = labels == labels[int(point.y[0]), int(point.x[0])]
        assert (answer.mask & truth).sum() / (answer.mask | truth).sum() > 0.6
        assert answer.predicted_iou > 0.4


def test_the_same_seed_gives_the_same_teacher():
    first, again, other = (taught(replace(JOINT, seed=s), [squares()], prompts=True) for s in (1, 1, 2))
    assert_equal(first, again)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_frozen_network_stays_as_it_was_and_its_decoder_learns():
    torch.manual_seed(JOINT.seed)
    network, decoder = Saem2(), PromptDecoder()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    started = decoder.own_tokens.detach().clone()
    learner = TinyLearner(network, decoder, recipe=JOINT, frozen=True)
    train(learner, RandomLessons([squares()], JOINT), recipe=JOINT)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)
    assert not torch.equal(decoder.own_tokens, started)


def test_without_their_losses_the_heads_do_not_learn():
    recipe = replace(JOINT, steps=2, boundary_weight=0.0, distance_weight=0.0, learning_rate=1e-2, prompts=0)
    torch.manual_seed(0)
    started = Saem2().boundary.token
    learner = taught(recipe, [squares()])
    torch.testing.assert_close(learner.network.boundary.token, started, rtol=0, atol=1e-3)


class CutOff(Exception):
    pass


@pytest.mark.parametrize("frozen", [False, True])
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(tmp_path, frozen):
    recipe, checkpoint = replace(JOINT, steps=5, crop=32, windows=(64,)), tmp_path / "run.safetensors"
    whole = taught(recipe, [squares()], prompts=True, frozen=frozen)
    lessons = RandomLessons([squares()], recipe)

    def until_four(step, *, rank=0):
        if step == 4:
            raise CutOff
        return lessons(step, rank=rank)

    def learner(seed):
        torch.manual_seed(seed)
        return TinyLearner(Saem2(), PromptDecoder(), recipe=recipe, frozen=frozen)

    with pytest.raises(CutOff):
        train(learner(recipe.seed), until_four, recipe=recipe, checkpoint=checkpoint, keep_every=2)
    assert checkpoint.exists()
    again = train(learner(99), lessons, recipe=recipe, checkpoint=checkpoint, keep_every=2)
    assert_equal(again, whole)
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused_by_name(tmp_path):
    checkpoint = tmp_path / "run.safetensors"

    def copy(step, *, rank=0):
        if step == 3:
            raise CutOff
        return RandomLessons([squares()], JOINT)(step)

    learner = TinyLearner(Saem2(), PromptDecoder(), recipe=JOINT)
    with pytest.raises(CutOff):
        train(learner, copy, recipe=JOINT, checkpoint=checkpoint, keep_every=1)
    other = replace(JOINT, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"learning_rate \(0.003 then, 0.5 now\)"):
        train(learner, copy, recipe=other, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="unexpected"):
        train(TinyLearner(Saem2(), None, recipe=JOINT), copy, recipe=JOINT, checkpoint=checkpoint)


def test_progress_is_told_with_the_running_mean_and_learning_goes_on_from_its_own_values(monkeypatch):
    told, recipe = [], replace(JOINT, steps=3, memory=0.99)
    monkeypatch.setattr(training, "REPORT_EVERY", 1)

    def look(progress, learner):
        told.append(progress)
        assert not learner.training

    learner = taught(recipe, [squares()], prompts=True, on_progress=look)
    assert [t.step for t in told] == [1, 2, 3]
    assert set(told[0].losses) == {"mask", "iou", "boundary", "distance"}
    assert_equal(learner, taught(recipe, [squares()], prompts=True))


def test_rates_rise_and_fall_or_drop_late():
    cosine = TrainRecipe(steps=100, learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate_at(s, cosine) for s in range(100)]
    assert rates.index(max(rates)) == 10
    assert rates[0] < 0.1 > rates[-1]
    epochs = replace(paper(), steps=120)
    assert [learning_rate_at(s, epochs) for s in (0, 99, 100, 119)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])


def test_the_small_teacher_is_a_learner():
    assert isinstance(TinyLearner(Saem2(), None, recipe=smoke()), Learner)


def test_the_how_to_runs_as_written():
    text = (Path(__file__).parents[2] / "docs" / "how-to-pretrain.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(compile(program, "how-to-pretrain.md", "exec"), {})
