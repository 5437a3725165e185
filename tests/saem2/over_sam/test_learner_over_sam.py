"""SAEM² over SAM learns from lessons, keeps what it encoded, and stands on the SAM that it began with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_sam import lesson, network

from savem3.saem2.learner import Learner
from savem3.saem2.over_sam.embeddings import KeptEmbeddings, digest_of
from savem3.saem2.over_sam.learner import PublishedLearner
from savem3.saem2.over_sam.points import PointSampling
from savem3.saem2.recipe import TrainRecipe
from savem3.saem2.training import train

RECIPE = TrainRecipe(steps=3, learning_rate=3e-3, bfloat16=False, memory=0.0)


def learner(net=None, *, recipe=RECIPE, points=400, **settings):
    net = network() if net is None else net
    return PublishedLearner(net, recipe=recipe, sampling=PointSampling(points), **settings)


def total(terms):
    return sum(terms.values())


def kept(net, folder, **settings):
    return KeptEmbeddings(folder, encoder=digest_of(net.model.vision_encoder), **settings)


@pytest.mark.parametrize("sees", [False, True])
def test_one_lesson_is_learned_in_a_few_steps(sees):
    one = learner(network(heads_see_prompts=sees))
    assert isinstance(one, Learner)
    optimizer = torch.optim.Adam(one.network.learned.values(), 6e-3)
    losses = []
    for _ in range(20):
        terms = one([lesson()])
        losses.append({name: term.item() for name, term in terms.items()})
        optimizer.zero_grad()
        total(terms).backward()
        optimizer.step()
    assert set(terms) == {"mask", "boundary", "distance"}
    first, last = (
        {name: np.mean([loss[name] for loss in part]) for name in terms} for part in (losses[:4], losses[-4:])
    )
    assert last["boundary"] < 0.8 * first["boundary"]
    assert last["distance"] < 0.8 * first["distance"]
    assert last["mask"] < first["mask"]


def test_a_step_changes_what_learns_and_nothing_else():
    one = learner()
    before = {name: value.detach().clone() for name, value in one.network.named_parameters()}
    train(one, lambda step, rank=0: [lesson()], recipe=RECIPE)
    changed = {n for n, value in one.network.named_parameters() if not torch.equal(value, before[n])}
    assert changed == set(one.network.learned)


def test_a_decoder_that_learns_is_told_how_good_its_masks_were():
    terms = learner(network(train_decoder=True))([lesson()])
    assert set(terms) == {"mask", "boundary", "distance", "iou"}
    assert terms["iou"] >= 0


def test_lessons_without_prompts_teach_the_heads_alone():
    assert set(learner()([lesson(prompts=False)])) == {"boundary", "distance"}
    assert set(learner(network(heads_see_prompts=True))([lesson(prompts=False), lesson()])) == {
        "mask",
        "boundary",
        "distance",
    }


def test_heads_that_see_prompts_are_asked_with_the_whole_section_half_of_the_time(monkeypatch):
    one, asked = learner(network(heads_see_prompts=True), points=4), []
    look = one.network.look
    monkeypatch.setattr(one.network, "look", lambda seen, **to: (asked.append(len(seen[0])), look(seen, **to))[1])
    with torch.no_grad():
        for _ in range(12):
            one([lesson(), lesson(shift=3)])
    assert 5 < sum(asked) < 19


def test_points_are_the_same_whenever_a_step_is_repeated():
    first, again = learner(), learner()
    for one, other in zip(first([lesson()]).values(), again([lesson()]).values(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first([lesson()])["boundary"], again([lesson(prompts=False)])["distance"])


def test_a_state_is_what_was_learned_and_fits_the_same_sam_only():
    one = learner()
    state = one.state_dict()
    assert set(state) == {f"network.{name}" for name in one.network.own_names} | {"calls", "base"}
    one([lesson()])
    other = learner()
    other.load_state_dict(one.state_dict())
    assert int(other.calls) == 1
    with pytest.raises(ValueError, match="state must be of a learner on the SAM with digest"):
        learner(network(seed=5)).load_state_dict(state)
    missing = {name: value for name, value in state.items() if "boundary.token" not in name}
    with pytest.raises(RuntimeError, match=r"boundary\.token"):
        other.load_state_dict(missing)


def test_a_run_that_was_cut_off_goes_on_to_the_same_values(tmp_path):
    """As a whole run, but for the rounding of nothing: the very same bits."""

    def stop(progress, one):
        raise KeyboardInterrupt

    recipe = replace(RECIPE, steps=4)
    whole = train(learner(recipe=recipe), lambda step, rank=0: [lesson(shift=step)], recipe=recipe)

    def until_3(step, rank=0):
        if step == 3 and not (tmp_path / "was").exists():
            (tmp_path / "was").touch()
            raise KeyboardInterrupt
        return [lesson(shift=step)]

    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(learner(recipe=recipe), until_3, recipe=recipe, checkpoint=path, keep_every=2)
    again = train(learner(recipe=recipe), until_3, recipe=recipe, checkpoint=path, keep_every=2)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_kept_embeddings_change_no_loss_by_more_than_half_precision_does(tmp_path):
    net = network()
    keeping, plain = learner(net, kept=kept(net, tmp_path)), learner(net)
    lessons = [lesson(name="a"), lesson(shift=5, name="b"), lesson(shift=9)]
    made, without = keeping(lessons), plain(lessons)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    keeping.calls.zero_()
    net.model.vision_encoder.forward = None  # whoever encoded again would fail
    found = keeping(lessons[:2])
    assert set(found) == set(made)
    for name in made:
        torch.testing.assert_close(made[name], without[name], rtol=5e-3, atol=1e-4)


def test_a_lesson_costs_the_same_bits_whether_its_embedding_was_made_or_found(tmp_path):
    net = network()
    one = learner(net, kept=kept(net, tmp_path))
    made = one([lesson(name="a")])
    one.calls.zero_()
    found = one([lesson(name="a")])
    assert all(torch.equal(made[name], found[name]) for name in made)


def test_embeddings_of_an_encoder_that_learns_are_not_kept(tmp_path):
    net = network(train_encoder=True)
    with pytest.raises(ValueError, match="kept must be absent while the encoder learns"):
        learner(net, kept=kept(net, tmp_path))


def test_in_bfloat16_the_loss_is_about_the_same():
    exact, rough = learner(), learner(recipe=replace(RECIPE, bfloat16=True))
    for name, term in exact([lesson()]).items():
        assert rough([lesson()])[name].item() == pytest.approx(term.item(), rel=0.2)
