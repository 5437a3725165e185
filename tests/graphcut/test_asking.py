"""Asking: each section encoded once, prompts on their fragments, answers laid over each other in integers."""

from dataclasses import replace

import numpy as np
import pytest
from planted import SHAPE, Guesser, Oracle, blank_image, lying_volume, stacked_volume, weighed

from savem3.graphcut.asking import AskSections, ask_sections, crop, deepest_points, erode, find_pieces, lay_over
from savem3.graphcut.evidence import ONE, join_evidence
from savem3.graphcut.prompting import AskRecipe, Plan
from savem3.grid import Box
from savem3.prompt import Answer, MaskPrompt
from savem3.tiles import Tile, split

ALL = AskRecipe(doubt=1e9, smallest=1)
every_kind = pytest.mark.parametrize("points", [0, 1, 3])


def asked(volume, prompter, recipe=ALL, workers=1):
    _, fragments, boundary = volume
    graph = weighed(fragments, boundary)
    return ask_sections(blank_image(), fragments, graph, prompter, recipe=recipe, workers=workers)


@every_kind
def test_each_section_is_encoded_once(points):
    volume = stacked_volume()
    oracle = Oracle(volume[0])
    asked(volume, oracle, replace(ALL, points=points))
    assert oracle.shown == list(range(SHAPE[0]))


@every_kind
def test_a_truthful_prompter_sees_full_overlap_within_bodies_and_none_between(points):
    truth, fragments, boundary = stacked_volume()
    evidence = join_evidence(asked((truth, fragments, boundary), Oracle(truth), replace(ALL, points=points)))
    body = np.zeros(31, int)
    body[fragments.voxels] = truth.voxels
    same = body[evidence.pairs[:, 0].astype(int)] == body[evidence.pairs[:, 1].astype(int)]
    assert same.any()
    assert not same.all()
    np.testing.assert_array_equal(evidence.overlap, same)


def test_workers_and_repetition_change_no_byte():
    volume = stacked_volume()
    tables = [asked(volume, Oracle(volume[0]), workers=w) for w in (1, 3)]
    assert [{k: v.tobytes() for k, v in t.items()} for t in tables[0]] == [
        {k: v.tobytes() for k, v in t.items()} for t in tables[1]
    ]


def test_a_section_that_nobody_asks_about_is_not_encoded():
    truth, fragments, boundary = lying_volume()
    oracle = Oracle(truth)
    tables = asked((truth, fragments, boundary), oracle, replace(ALL, prompts=2, contacts=1, reach=0))
    assert len(oracle.shown) == 1
    assert sum(len(table["pairs"]) for table in tables) == 1


def test_a_block_must_be_one_whole_section():
    truth, fragments, _ = lying_volume()
    none = np.zeros((0, 2))
    plan = Plan(np.zeros(0, np.int64), none.astype(np.uint64), none.astype(np.int64))
    ask = AskSections(blank_image(), fragments, lambda: Oracle(truth), plan, ALL)
    assert len(ask(split(SHAPE, block=(1, *SHAPE[1:]))[2]).tables["pairs"]) == 0
    box = Box((0, 0, 0), (2, *SHAPE[1:]))
    with pytest.raises(ValueError, match="tile must be one whole section"):
        ask(Tile(box, box))


def test_a_mask_prompt_is_its_fragment_eroded_or_whole_where_nothing_would_be_left():
    labels = np.zeros((7, 9), np.uint64)
    labels[1:4, 1:6], labels[5, 2:8] = 4, 7
    pieces = find_pieces(labels)
    thick, thin = (pieces.prompt(n, z=3, recipe=AskRecipe(points=0, erosion=1)) for n in (4, 7))
    assert thick.z == thin.z == 3
    assert np.argwhere(thick.mask).tolist() == [[2, 2], [2, 3], [2, 4]]
    assert np.array_equal(thin.mask, labels == 7)


def test_point_prompts_lie_deep_inside_and_apart_from_each_other():
    labels = np.zeros((7, 19), np.uint64)
    labels[1:6, 1:6], labels[3, 6:12], labels[1:6, 12:17] = 5, 5, 5
    prompt = find_pieces(labels).prompt(5, z=0, recipe=AskRecipe(points=2))
    assert (prompt.y, prompt.x, prompt.inside) == ((3.0, 3.0), (3.0, 14.0), (True, True))
    assert len(deepest_points(np.ones((1, 1), bool), number=5)) == 1


def test_eroding_by_nothing_changes_nothing():
    mask = np.eye(4, dtype=bool)
    assert erode(mask, 0) is mask


def test_overlap_is_common_pixels_by_pixels_of_either_and_weight_the_product_of_beliefs():
    masks = [np.zeros((3, 5), bool) for _ in range(3)]
    masks[0][0, :4], masks[1][0, 2:5] = True, True
    answers = [crop(Answer(mask, iou)) for mask, iou in zip(masks, (0.5, 1.5, 1.0), strict=True)]
    weights, overlaps = lay_over(answers, np.array([[0, 1], [0, 0], [0, 2]]))
    assert weights.tolist() == [ONE // 2, ONE // 4, 0]
    assert overlaps.tolist()[:2] == [2 * ONE // 5, ONE]


def test_answers_by_chance_go_through_as_well():
    tables = asked(stacked_volume(), Guesser(0))
    assert join_evidence(tables).count.sum() > 50
    assert isinstance(find_pieces(np.ones((2, 3), np.uint64)).prompt(1, z=0, recipe=AskRecipe(points=0)), MaskPrompt)
