"""Epochs: everything that was planned comes, once, and comes the same to whoever asks again."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_samples import squares

from savem3.saem2 import Asked, EpochLessons, TrainRecipe

RECIPE = TrainRecipe(steps=1, sections=2, crop=40, prompts=2, kinds=("box",), grey_changes=False)
CELLS = np.array([(16, 20), (16, 60), (48, 20), (48, 60)])
"""A pixel in each of the four cells of a section."""


def plan(epoch):
    return [Asked(0, int(z), CELLS) for z in np.random.default_rng(epoch).permutation(3)]


def lessons_of_epoch(lessons, *, first=1):
    """All of an epoch: three sections, whose cells lie in four tiles each."""
    return [lesson for step in range(first, first + 6) for lesson in lessons(step)]


def test_an_epoch_asks_for_everything_that_was_planned():
    drawn = lessons_of_epoch(EpochLessons([squares()], plan, recipe=RECIPE))
    assert sum(len(lesson.prompts) for lesson in drawn) == 12
    assert len({(lesson.name or "").rsplit(" ", 1)[0] for lesson in drawn}) == 12
    assert all(lesson.grey.shape == lesson.masks[0].shape == (40, 40) for lesson in drawn)


def test_instances_are_where_the_pixels_are_bright():
    for lesson in lessons_of_epoch(EpochLessons([squares()], plan, recipe=RECIPE)):
        (mask,) = lesson.masks
        assert lesson.grey[mask].min() > 0
        assert lesson.boundary[mask].max() == 0


def test_a_lesson_has_no_more_instances_than_it_may():
    whole = replace(RECIPE, crop=80, prompts=3)
    numbers = [len(o.prompts) for step in (1, 2, 3) for o in EpochLessons([squares()], plan, recipe=whole)(step)]
    assert numbers == [3, 1] * 3


def test_one_name_means_the_same_pixels():
    lessons, seen = EpochLessons([squares()], plan, recipe=RECIPE), {}
    for step in range(1, 40):
        for lesson in lessons(step):
            np.testing.assert_array_equal(seen.setdefault(lesson.name, lesson.grey), lesson.grey)
    assert len(seen) > 24


def test_a_step_is_the_same_whoever_asked_before():
    one, other = (EpochLessons([squares()], plan, recipe=RECIPE) for _ in range(2))
    for step in (20, 3, 7):
        for a, b in zip(one(step), other(step), strict=True):
            assert a.name == b.name
            assert a.prompts == b.prompts
        other(1)


def test_processes_share_out_what_one_would_do_alone():
    alone = lessons_of_epoch(EpochLessons([squares()], plan, recipe=RECIPE))
    pair = [EpochLessons([squares()], plan, recipe=RECIPE, ranks=2) for _ in range(2)]
    shared = [lesson for step in (1, 2, 3) for rank in (0, 1) for lesson in pair[rank](step, rank=rank)]
    assert [o.name for o in shared] == [o.name for o in alone]


def test_a_plan_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one instance, got none in epoch 0"):
        EpochLessons([squares()], lambda epoch: [], recipe=RECIPE)(1)
