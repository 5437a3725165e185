"""The multicut: the optimum where it can be known, never worse than doing nothing where it cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import energy_of, multicut
from savem3.regions import RegionGraph


def graph_from(nodes, pairs, costs):
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    ones = np.ones(len(edges), np.int64)
    return RegionGraph(np.ones(nodes, np.int64), edges, ones, ones, ones, ones, costs=np.array(costs, np.float64))


def least_energy(graph):
    """The least over all assignments of n names to n nodes, one by one."""
    names = np.indices((len(graph.sizes),) * len(graph.sizes)).reshape(len(graph.sizes), -1)
    u, v = graph.edges.astype(int).T - 1
    return float(((names[u] != names[v]) * graph.costs[:, None]).sum(0).min())


@st.composite
def graphs(draw, most_nodes):
    nodes = draw(st.integers(2, most_nodes))
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    costs = draw(st.lists(st.integers(-9, 9), min_size=len(pairs), max_size=len(pairs)))
    kept = [(pair, cost) for pair, cost in zip(pairs, costs, strict=True) if cost or draw(st.booleans())]
    return graph_from(nodes, [pair for pair, _ in kept], [cost for _, cost in kept])


@settings(max_examples=200)
@given(graph=graphs(most_nodes=6))
def test_small_graphs_are_cut_at_the_optimum(graph):
    assert energy_of(graph, multicut(graph)) == least_energy(graph)


def test_a_strong_repulsion_parts_a_chain_at_its_weakest_link():
    graph = graph_from(4, [(1, 2), (1, 4), (2, 3), (3, 4)], [3.0, -9.0, 1.0, 3.0])
    assert multicut(graph).tolist() == [1, 1, 2, 2]
    assert energy_of(graph, multicut(graph)) == -8


@pytest.mark.parametrize("seed", range(5))
def test_among_many_nodes_the_cut_is_at_least_as_good_as_the_planted_objects(seed):
    rng = np.random.default_rng(seed)
    planted = rng.integers(0, 6, 120)
    pairs = [(u, v) for u in range(120) for v in range(u + 1, 120) if rng.random() < 0.15]
    costs = [rng.normal(2 if planted[u] == planted[v] else -2, 0.8) for u, v in pairs]
    graph = graph_from(120, [(u + 1, v + 1) for u, v in pairs], costs)
    assert energy_of(graph, multicut(graph)) <= energy_of(graph, planted) + 1e-9


def test_the_solver_is_never_worse_than_joining_all_or_nothing():
    rng = np.random.default_rng(1)
    pairs = [(u, v) for u in range(1, 31) for v in range(u + 1, 31) if rng.random() < 0.4]
    graph = graph_from(30, pairs, rng.normal(0.1, 1, len(pairs)))
    energy = energy_of(graph, multicut(graph))
    assert energy < energy_of(graph, np.ones(30, np.int64))
    assert energy < energy_of(graph, np.arange(30))
