"""Lessons: crops whose targets, instances and prompts belong together, drawn alike for every run."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_samples import planes, squares

from savem3.saem2 import RandomLessons, TrainRecipe, smoke

PLAIN = TrainRecipe(steps=1, sections=3, crop=32, scales=(1.0,), prompts=2, smallest=4, grey_changes=False)


def test_targets_and_instances_are_those_of_the_pixels_shown():
    for lesson in RandomLessons([planes()], PLAIN)(1):
        membrane = lesson.grey < 0
        np.testing.assert_array_equal(lesson.boundary > 0, membrane)
        assert (lesson.distance[membrane] == 0).all()
        assert lesson.distance[~membrane].min() > 0.1
        assert len(lesson.masks) == len(lesson.prompts) == 2
        for mask in lesson.masks:
            assert lesson.grey[mask].mean() + 0.3 > 0.6


def test_a_larger_field_of_view_makes_everything_smaller():
    (wide,) = RandomLessons([squares()], replace(PLAIN, sections=1, scales=(1.5,)))(3)
    (near,) = RandomLessons([squares()], replace(PLAIN, sections=1, scales=(0.5,)))(3)
    assert (wide.boundary == 0).mean() < (near.boundary == 0).mean() or wide.masks[0].sum() < near.masks[0].sum()
    assert wide.grey.shape == near.grey.shape == wide.masks[0].shape == (32, 32)


def test_a_step_has_the_same_lessons_whenever_it_is_asked_for_and_others_for_each_process():
    lessons = RandomLessons([planes(), squares()], replace(PLAIN, grey_changes=True))
    first, again, next_step, other = lessons(5), lessons(5), lessons(6), lessons(5, rank=1)
    np.testing.assert_array_equal(first[0].grey, again[0].grey)
    assert not np.array_equal(first[0].grey, next_step[0].grey)
    assert not np.array_equal(first[0].grey, other[0].grey)


def test_grey_values_change_only_if_asked():
    plain, changed = (RandomLessons([planes()], replace(PLAIN, grey_changes=c))(1)[0] for c in (False, True))
    assert len(np.unique(np.abs(plain.grey) > 2)) == 1
    np.testing.assert_array_equal(plain.boundary, changed.boundary)
    assert not np.array_equal(plain.grey, changed.grey)


def test_volumes_thinner_than_a_crop_are_continued_by_reflection():
    (lesson,) = RandomLessons([planes(shape=(1, 20, 24))], replace(PLAIN, sections=1, prompts=0))(1)
    assert lesson.grey.shape == (32, 32)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="at least one annotated volume"):
        RandomLessons([], smoke())
    with pytest.raises(ValueError, match="must have instances of 999999 pixels"):
        RandomLessons([planes()], replace(PLAIN, smallest=999_999))(1)


def test_recipes_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="multiple of 8"):
        TrainRecipe(steps=1, crop=30)
    with pytest.raises(ValueError, match="kinds must be among"):
        TrainRecipe(steps=1, kinds=("box", "scribble"))
