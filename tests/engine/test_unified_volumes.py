"""A volume unified section by section, and its queue."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from prompters import Drawing, by_chance
from scipy import ndimage

from savem3.engine import RedrawRecipe, UnifySections, unify_section
from savem3.engine.evidence import strength
from savem3.grid import Box, Grid
from savem3.prompt import Answer
from savem3.proposal import put
from savem3.store.proposals import proposal_of
from savem3.tiles import Tile
from savem3.volume import Image, IntensityMap, Labels

GRID = Grid((3, 18, 26), (40.0, 6.0, 4.0))
RECIPE = replace(RedrawRecipe(), smallest=1, boundary_gain=None)


def parts(*, draw, weight=None, settled=frozenset()):
    rng = np.random.default_rng(2)
    noise = ndimage.gaussian_filter(rng.normal(size=(4, *GRID.shape)), (0, 0, 2.0, 2.0))
    labels = Labels(np.array([0, 3, 7, 2**63 + 1], np.uint64)[noise.argmax(0)], GRID)
    image = Image(rng.integers(0, 256, GRID.shape, np.uint8), GRID)
    grey = IntensityMap(0.0, 255.0)
    return UnifySections("a", image, labels, weight, partial(Drawing, draw), None, grey, "m", RECIPE, settled)


def tile_of(z):
    box = Box((z, 0, 0), (z + 1, 18, 26))
    return Tile(box, box)


def test_a_block_is_what_becomes_of_a_section():
    unify = parts(draw=by_chance(4))
    product = unify(tile_of(1))
    done = unify_section(
        unify.image.voxels[1], unify.labels.voxels[1], Drawing(by_chance(4)), model="m", recipe=RECIPE, z=1
    )
    np.testing.assert_array_equal(product.volumes["labels"][0], done.labels)
    assert product.tables["fates"].sum() == len(done.fates)
    assert {row.tobytes() for row in product.tables["settled"]} == set(done.settled)
    again = replace(unify, labels=Labels(np.repeat(product.volumes["labels"], 3, 0), GRID), settled=done.settled)
    np.testing.assert_array_equal(again(tile_of(1)).volumes["labels"], product.volumes["labels"])
    assert again(tile_of(1)).tables["fates"].sum() == 0
    assert again(tile_of(2)).tables["fates"].sum() > 0


def test_what_is_queued_can_be_put_in_place_and_touches_nothing_else():
    unify = parts(draw=lambda prompt, grey: Answer(ndimage.binary_dilation(prompt.mask, iterations=4), 0.9))
    product = unify(tile_of(0))
    section = product.volumes["labels"][0]
    lines = product.tables["queue"].tobytes().decode().splitlines()
    assert len({proposal_of(line).id for line in lines}) == len(lines) > 1
    for proposal in map(proposal_of, lines):
        assert (proposal.dataset, proposal.z) == ("a", 0)
        assert proposal.iou < 0.5
        np.testing.assert_array_equal(proposal.old, section[proposal.box] == proposal.label)
        after = put(section, proposal.label, proposal.box, proposal.new)
        np.testing.assert_array_equal(after[proposal.box] == proposal.label, proposal.new)
        others = (section > 0) & (section != proposal.label)
        np.testing.assert_array_equal(after[others], section[others])


def test_nothing_is_asked_where_nothing_counts():
    unify = parts(draw=by_chance(1), weight=np.zeros(GRID.shape, np.uint8))
    np.testing.assert_array_equal(unify(tile_of(2)).volumes["labels"], unify.labels.voxels[2:])


def test_a_guard_needs_somebody_who_sees_boundaries():
    with pytest.raises(
        ValueError, match="teacher must draw a boundary map where the recipe has a boundary_gain, got none"
    ):
        replace(parts(draw=by_chance(1)), recipe=RedrawRecipe())


def test_the_strength_of_an_outline_is_the_mean_over_its_faces():
    mask = np.zeros((3, 5), bool)
    mask[1, 1:3] = True
    evidence = np.zeros((3, 5), np.uint8)
    evidence[1, 2] = 60
    assert strength(evidence, mask) == 30.0
    assert strength(evidence, np.ones((3, 5), bool)) is None


def test_two_parts_of_a_label_with_one_answer_have_two_ids():
    labels = np.zeros(GRID.shape, np.uint64)
    labels[:, 3:15, 4], labels[:, 3:15, 20] = 5, 5

    def everything(prompt, grey):
        mask = np.zeros(prompt.mask.shape, bool)
        mask[3:15, 4:21] = True
        return Answer(mask, 0.9)

    product = replace(parts(draw=everything), labels=Labels(labels, GRID))(tile_of(1))
    lines = product.tables["queue"].tobytes().decode().splitlines()
    assert [proposal_of(line).id for line in lines] == ["a:z1:label5:3,4", "a:z1:label5:3,20"]
