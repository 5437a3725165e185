"""Adapting a student to a volume: kept only where a criterion without labels gets better, and ended in time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from savem3.adaptation import (
    AdaptRecipe,
    Choosing,
    Course,
    adapt_if_it_helps,
    judge_on,
)
from savem3.distill import Progress, build_student, smoke
from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe
from savem3.pipeline import Settings, middle_of
from savem3.predict import PredictRecipe
from savem3.teacher import Look
from savem3.teaching import Teaching
from savem3.volume import Image, IntensityMap

RECIPE = AdaptRecipe(training=smoke(), teaching=Teaching(drawn=0), seconds=1000.0, patience=2, gain=0.1)
PATCHES = PredictRecipe(patch=(8, 16, 16), overlap=(2, 8, 8))
WHOLE = IntensityMap(0.0, 255.0)


class Stripes:
    """A teacher that sees membranes, features and embeddings in the grey values."""

    def look_at(self, sections):
        half, eighth = sections[:, ::2, ::2], sections[:, ::8, ::8]
        boundary = (sections < 0).astype(np.float32)
        return Look(boundary, None, np.repeat(half[:, None], 32, 1), np.repeat(eighth[:, None], 256, 1))


class Clock:
    """Tells 0 s, then as much more each time as it is set to."""

    def __init__(self, step=0.0):
        self.now, self.step = -step, step

    def __call__(self):
        self.now += self.step
        return self.now


def saying(values):
    """A judge that says these values one after the other."""
    left = list(values)
    return lambda student: left.pop(0)


def volume(shape=(6, 40, 48), size=(30.0, 6.0, 4.0)):
    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return Image(grey, Grid(shape, size))


def networks(count):
    """So many students that differ."""
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(build_student("fast"))
    return made


def go(values, *, recipe=RECIPE, clock=None, stop_at=None):
    """The student and the course when judgements are these; step 50, 100, … has a network of its own."""
    start, *later = networks(len(values))
    choosing = Choosing(start, saying(values), recipe, clock or Clock(), 0.0, stop_at)
    for number, network in enumerate(later, start=1):
        if choosing.hear(Progress(50 * number, {"boundary": 1 / number}, 0.0), network):
            break
    start.load_state_dict(networks(len(values))[-1].state_dict())  # as training leaves it
    return *choosing.result(), networks(len(values))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_start_is_kept_when_the_criterion_worsens_though_training_changed_it():
    student, course, made = go([0.5, 0.6, 0.7, 0.1])
    assert same(student, made[0])
    assert (course.steps, course.kept_step) == (100, 0)
    assert "no better 2 times in a row" in course.reason


def test_the_student_with_the_least_criterion_is_kept_not_the_last():
    student, course, made = go([0.5, 0.4, 0.2, 0.3])
    assert same(student, made[2])
    assert (course.steps, course.kept_step) == (150, 100)
    assert course.curves["criterion"] == [(0, 0.5), (50, 0.4), (100, 0.2), (150, 0.3)]
    assert course.curves["boundary"] == [(50, 1.0), (100, 0.5), (150, pytest.approx(1 / 3))]


def test_a_gain_that_is_too_small_keeps_the_start():
    for values in ([0.5, 0.46], [0.004, 0.0]):
        student, course, made = go(values)
        assert same(student, made[0])
        assert course.kept_step == 0
        assert "not clearly less" in course.reason


def test_training_ends_before_the_time_is_over():
    recipe = AdaptRecipe(training=smoke(), seconds=250.0)
    student, course, made = go([0.9, 0.6, 0.5, 0.4, 0.3], recipe=recipe, clock=Clock(100.0))
    assert course.steps == 50
    assert "250 s for it were over" in course.reason
    assert same(student, made[1])


def test_as_many_steps_again_give_the_same_student_whatever_the_clock_says():
    values = [0.9, 0.5, 0.4, 0.3, 0.2]
    student, course, _ = go(values, stop_at=150)
    again, replayed, _ = go(values, clock=Clock(1e6), stop_at=course.steps)
    assert (course.steps, course.kept_step) == (150, 150)
    assert (replayed.steps, replayed.kept_step) == (150, 150)
    assert same(student, again)


def test_no_time_at_all_leaves_the_student_as_it_is():
    start = networks(1)[0]
    recipe = AdaptRecipe(training=smoke(), seconds=1e-9)
    student, course = adapt_if_it_helps(
        volume(), start, Stripes(), recipe=recipe, judge=saying([0.5]), clock=Clock(1.0)
    )
    assert same(student, networks(1)[0])
    assert (course.steps, course.kept_step) == (0, 0)


@pytest.mark.parametrize(("after", "kept"), [(0.1, 2), (0.49, 0)])
def test_a_whole_adaptation_learns_and_decides(after, kept):
    student, course = adapt_if_it_helps(
        volume(), networks(1)[0], Stripes(), recipe=RECIPE, judge=saying([0.5, after]), clock=Clock()
    )
    assert (course.steps, course.kept_step) == (2, kept)
    assert same(student, networks(1)[0]) == (kept == 0)
    assert set(course.curves) == {"boundary", "feature", "embedding", "criterion"}
    assert not student.training


def test_a_course_survives_being_plain():
    _, course, _ = go([0.5, 0.4, 0.2])
    plain = {"steps": 100, "kept_step": 100, "reason": course.reason, "curves": course.curves}
    assert Course.of(plain) == course


def test_the_middle_of_a_volume_is_as_near_to_a_cube_as_its_shape_allows():
    assert middle_of(Grid((10, 10, 10), (1, 1, 1)), 10**6).shape == (10, 10, 10)
    assert middle_of(Grid((10, 30, 50), (1, 1, 1)), 7**3).shape == (7, 7, 7)
    box = middle_of(Grid((1, 30, 50), (1, 1, 1)), 400)
    assert (box.start, box.stop) == ((0, 5, 15), (1, 25, 35))


class Dark(nn.Module):
    """Draws what is dark; or nothing."""

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def forward(self, raw):
        return -self.strength * raw - 4 * (self.strength == 0)


def test_steady_neurons_are_judged_better_than_those_of_a_student_that_draws_nothing():
    """Two cells of two parts each: a dark wall between the cells, a grey one between the parts."""
    x = np.arange(32)
    grey = np.where(x == 15, 0, np.where((x == 7) | (x == 23), 110, 250)) * np.ones((12, 24, 1))
    image = Image(grey.astype(np.uint8), Grid((12, 24, 32), (10.0, 10.0, 10.0)))
    few = OversegmentRecipe(dynamics=2000, min_size=4)
    settings = replace(Settings(0.5, cutter="quantile", device="cpu", threads=1), predict=PATCHES, oversegment=few)
    judge = judge_on(image, intensity=WHOLE, settings=settings)
    assert judge(Dark(4.0)) == pytest.approx(0, abs=1e-6)
    assert judge(Dark(0.0)) == 1


@pytest.mark.parametrize(
    ("wrong", "words"), [({"seconds": 0.0}, "seconds must be above 0"), ({"gain": 1.0}, "gain in 0 to 1")]
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        AdaptRecipe(**wrong)
