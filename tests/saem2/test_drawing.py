"""Prompts are about the instance that they are drawn for."""

import numpy as np
import pytest

from savem3.saem2 import KINDS, draw_box, draw_mask, draw_point, draw_points, instances_of
from savem3.saem2.recipe import KINDS as NAMES


def disc(shape=(44, 60), *, middle=(20, 30), radius=7):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2


def test_drawn_prompts_are_about_their_instance():
    rng, mask = np.random.default_rng(0), disc()
    for _ in range(20):
        box, rough = draw_box(mask, rng), draw_mask(mask, rng).mask
        assert abs(box.y_start - 14) <= 4
        assert abs(box.x_stop - 37) <= 4
        assert (rough & mask).sum() / (rough | mask).sum() > 0.3
        for drawn in (draw_point(mask, rng), draw_points(mask, rng)):
            places = np.array(drawn.y, int), np.array(drawn.x, int)
            np.testing.assert_array_equal(mask[places], drawn.inside)


def test_instances_are_the_connected_parts_of_a_label_that_are_large_enough():
    labels = np.zeros((8, 20), np.uint64)
    labels[:, :5], labels[:, 10:15], labels[0, 19] = 7, 7, 9
    parts, numbers = instances_of(labels, smallest=2)
    assert sorted((parts == n).sum() for n in numbers) == [40, 40]


def test_recipes_know_the_kinds_that_can_be_drawn():
    assert sorted(KINDS) == sorted(NAMES)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_smallest_instance_has_prompts_too(kind):
    mask = np.zeros((9, 14), bool)
    mask[0, 13] = True
    KINDS[kind](mask, np.random.default_rng(0))
