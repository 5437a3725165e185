"""What is asked: only doubtful edges, the weightiest first, within the budget; lifted pairs cost nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import SHAPE, lying_volume, stacked_volume, weighed

from savem3.graphcut.contacts import find_contacts, find_pairs
from savem3.graphcut.prompting import AskRecipe, Plan, doubtful, plan_lifted, plan_prompts
from savem3.regions import RegionGraph


def graph_from(sizes, pairs, costs, count):
    edges, count = np.array(pairs, np.uint64), np.array(count, np.int64)
    return RegionGraph(np.array(sizes, np.int64), edges, count, count, count, count, costs=np.array(costs, float))


def planned(volume, **changes):
    _, fragments, boundary = volume
    graph, recipe = weighed(fragments, boundary), AskRecipe(**{"doubt": 1e9, "smallest": 1, **changes})
    asked = doubtful(graph, recipe=recipe)
    contacts = find_contacts(fragments, graph.edges[np.sort(asked)])
    return graph, asked, plan_prompts(graph, contacts, asked, depth=SHAPE[0], recipe=recipe)


def rows(plan):
    return np.column_stack([plan.shown, plan.pairs.astype(int), plan.sources]).tolist()


def test_most_depends_on_doubtful_edges_between_large_fragments_and_sure_ones_are_left_out():
    graph = graph_from([9, 9, 50, 50], [(1, 2), (1, 3), (2, 3), (3, 4)], [0.1, 0.1, 9.0, -1.0], [2, 5, 1, 1])
    assert doubtful(graph, recipe=AskRecipe(doubt=3.0)).tolist() == [3, 1, 0]
    assert doubtful(graph, recipe=AskRecipe(doubt=0.5)).tolist() == [1, 0]
    assert doubtful(graph, recipe=AskRecipe(doubt=0)).tolist() == []


def test_a_contact_within_a_section_is_shown_there_and_carried_one_section_both_ways():
    _, _, plan = planned(lying_volume(), contacts=1)
    own = [row for row in rows(plan) if row[1:3] == [1, 2]]
    assert own in ([[0, 1, 2, 0, 0], [1, 1, 2, 0, 0]], [[0, 1, 2, 1, 1], [1, 1, 2, 1, 1], [2, 1, 2, 1, 1]])
    _, _, plan = planned(lying_volume(), contacts=9, reach=0)
    assert [row for row in rows(plan) if row[1:3] == [1, 2]] == [[z, 1, 2, z, z] for z in range(SHAPE[0])]


def test_a_contact_between_two_sections_is_shown_in_both():
    _, _, plan = planned(stacked_volume(), reach=0)
    assert [row for row in rows(plan) if row[1:3] == [1, 7]] == [[0, 1, 7, 0, 1], [1, 1, 7, 0, 1]]


def test_fragments_of_few_pixels_are_not_asked_about():
    assert len(planned(lying_volume(), smallest=49)[2].shown) == 0
    assert len(planned(lying_volume(), smallest=48)[2].shown) > 0


def test_fragments_two_contacts_apart_are_compared_through_prompts_that_are_asked_anyway():
    graph, _, plan = planned(stacked_volume())
    apart = find_pairs(plan.pairs, graph.edges) < 0
    assert [1, 1, 13, 0, 2] in rows(plan.take(np.flatnonzero(apart)))
    assert [0, 1, 5, 0, 0] in rows(plan.take(np.flatnonzero(apart)))
    assert plan.take(np.flatnonzero(~apart)).prompts == plan.prompts


@pytest.mark.parametrize(("pairs", "found"), [([(1, 2), (2, 3)], [[5, 1, 3, 5, 5]]), ([(1, 2), (1, 3), (2, 3)], [])])
def test_only_fragments_that_do_not_touch_are_lifted_pairs(pairs, found):
    nothing = [1.0] * len(pairs)
    graph = graph_from([9, 9, 9], pairs, nothing, np.ones(len(pairs)))
    chosen, sections = np.array([(1, 2), (2, 3)], np.uint64), np.full((2, 2), 5)
    plan = Plan(np.array([5, 5]), chosen, sections)
    assert rows(plan_lifted(graph, plan, chosen, sections)) == found


@given(budget=st.integers(0, 80))
def test_no_more_prompts_than_the_budget_and_the_weightiest_edges_first(budget):
    graph, asked, plan = planned(stacked_volume(), prompts=budget)
    assert plan.prompts <= budget
    touching = find_pairs(plan.pairs, graph.edges)
    asked_about = np.isin(asked, touching[touching >= 0])
    assert (np.diff(asked_about.astype(int)) <= 0).all()


def test_with_room_for_all_every_doubtful_edge_is_asked_about():
    graph, asked, plan = planned(stacked_volume())
    assert set(asked.tolist()) <= set(find_pairs(plan.pairs, graph.edges).tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doubt": -1.0}, "doubt must be"),
        ({"reach": 2}, "reach must be 0 or 1"),
        ({"contacts": 0}, "contacts must be at"),
    ],
)
def test_numbers_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        AskRecipe(**change)
