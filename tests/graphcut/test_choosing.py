"""Prompts block by block: fixed parts of sections, answers without the empty rest of theirs, and a bounded look-out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.blocks import each
from savem3.graphcut.asking import crop, lay_over
from savem3.graphcut.choosing import plan_in
from savem3.graphcut.evidence import ONE
from savem3.graphcut.prompting import EDGES_A_PROMPT, AskRecipe, doubtful
from savem3.graphcut.vectors import SumSections, SumVectors, add_vectors, join_vectors, node_vectors
from savem3.grid import Grid
from savem3.prompt import Answer
from savem3.regions import RegionGraph
from savem3.teacher import Look
from savem3.tiles import Blocks
from savem3.volume import Image, IntensityMap, Labels

SHAPE = (3, 20, 300)
GRID = Grid(SHAPE, (30.0, 6.0, 4.0))
INTENSITY = IntensityMap(0.0, 255.0)


class Edgy:
    """Its features change near the edges of what it sees, as those of any network; notes how much it saw."""

    def __init__(self):
        self.seen = []

    def look_at(self, sections):
        self.seen.append(sections.shape)
        grey = np.cumsum(sections, 2)[:, ::2, ::2] / sections.shape[2]
        wide = np.zeros((len(sections), 1, *(n // 8 for n in sections.shape[1:])), np.float32)
        return Look(sections, None, np.stack([grey, grey**2], 1).astype(np.float32), wide)


def volume(seed=0):
    rng = np.random.default_rng(seed)
    image = Image(rng.integers(0, 256, SHAPE).astype(np.uint8), GRID)
    return image, Labels(rng.integers(0, 6, SHAPE).astype(np.uint64), GRID)


def graph_of(nodes, edges, costs=None):
    edges = np.array(edges, np.uint64).reshape(-1, 2)
    ones = np.ones(len(edges), np.int64)
    return RegionGraph(np.ones(nodes, np.int64), edges, ones, ones, ones, ones, costs=costs)


def summed(image, fragments, teacher, chosen=None):
    sums = SumSections(SumVectors(image, fragments, lambda: teacher, INTENSITY), chosen)
    return [product.tables for product in each(Blocks(SHAPE, (1, *SHAPE[1:])), sums, workers=1)]


def test_vectors_section_by_section_are_those_of_the_volume_and_large_sections_are_seen_in_parts():
    (image, fragments), teacher = volume(), Edgy()
    tables = summed(image, fragments, teacher)
    assert [shape[2] for shape in teacher.seen] == [256, 256] * SHAPE[0]
    whole = node_vectors(graph_of(5, []), fragments, image, Edgy(), intensity=INTENSITY)
    np.testing.assert_array_equal(join_vectors(tables, nodes=5), whole.features)
    np.testing.assert_array_equal(join_vectors(tables[::-1], nodes=5), whole.features)


def test_sections_of_which_nothing_is_asked_are_not_looked_at():
    (image, fragments), teacher = volume(), Edgy()
    tables = summed(image, fragments, teacher, {"offsets": np.array([0, 0, 7, 7])})
    assert len(teacher.seen) == 2
    assert [len(table["names"]) for table in tables] == [0, 5, 0]
    assert join_vectors([tables[0]], nodes=5).shape == (5, 0)


def test_sums_of_parts_add_up_by_name():
    tables = [
        {"names": np.array(n), "count": np.array(c), "total": np.array(t).reshape(len(n), -1)}
        for n, c, t in (([2, 9], [1, 2], [5, 6]), ([1, 9], [3, 4], [7, 8]))
    ]
    added = add_vectors(tables)
    assert [added[name].tolist() for name in ("names", "count", "total")] == [[1, 2, 9], [3, 1, 6], [[7], [5], [14]]]


@given(seed=st.integers(0, 200))
def test_cropped_answers_overlap_as_whole_ones_do(seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random((5, 7)) < rng.choice([0.0, 0.1, 0.6]) for _ in range(3)]
    pairs = np.array([(0, 1), (1, 2), (0, 2), (1, 1)])
    weights, overlaps = lay_over([crop(Answer(mask, 1.0)) for mask in masks], pairs)
    for (a, b), weight, overlap in zip(pairs, weights, overlaps, strict=True):
        either = (masks[a] | masks[b]).sum()
        assert weight == (ONE if masks[a].any() and masks[b].any() else 0)
        assert overlap == (masks[a] & masks[b]).sum() * ONE // max(1, either)


def test_an_answer_keeps_no_more_than_its_own_box():
    mask = np.zeros((400, 500), bool)
    mask[7:9, 11:16] = True
    seen = crop(Answer(mask, 0.5))
    assert (seen.start, seen.mask.shape, seen.mask.base) == ((7, 11), (2, 5), None)


@pytest.mark.parametrize("prompts", [0, 1, 3])
def test_no_more_edges_are_looked_at_than_prompts_can_pay_for(prompts):
    count = 2 * EDGES_A_PROMPT
    graph = graph_of(count + 1, [(1, v) for v in range(2, count + 2)], costs=np.linspace(0, 1, count))
    asked = doubtful(graph, recipe=AskRecipe(prompts=prompts))
    assert asked.tolist() == list(range(count))[: prompts * EDGES_A_PROMPT]


def test_a_section_of_which_nothing_is_asked_has_an_empty_plan():
    columns = {
        "shown": np.array([1, 1]),
        "pairs": np.array([(1, 2), (1, 3)], np.uint64),
        "sources": np.ones((2, 2), int),
    }
    chosen = columns | {"offsets": np.array([0, 0, 2])}
    assert len(plan_in(chosen, section=0).keys) == 0
    assert plan_in(chosen, section=1).pairs.tolist() == [[1, 2], [1, 3]]
