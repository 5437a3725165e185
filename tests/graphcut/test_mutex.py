"""The mutex watershed beside its definition, and what the two linkages of signed agglomeration do."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import gasp_mean, gasp_sum, mutex
from savem3.regions import RegionGraph


def graph_from(nodes, pairs, costs, count=None, *, lifted=(), lifted_costs=()):
    edges, far = (np.array(p, np.uint64).reshape(-1, 2) for p in (pairs, lifted))
    count = np.ones(len(edges), np.int64) if count is None else np.array(count)
    return RegionGraph(
        *(np.ones(nodes, np.int64), edges, count, count, count, count),
        costs=np.array(costs, np.float64),
        lifted_edges=far,
        lifted_costs=np.array(lifted_costs, np.float64),
    )


def by_definition(graph):
    """One cost after the other, in plain sets."""
    near = [(int(u), int(v), c, True) for (u, v), c in zip(graph.edges, graph.costs, strict=True)]
    far = [(int(u), int(v), c, False) for (u, v), c in zip(graph.lifted_edges, graph.lifted_costs, strict=True)]
    names, apart = list(range(len(graph.sizes) + 1)), set()
    for u, v, cost, touches in sorted(near + far, key=lambda edge: -abs(edge[2])):
        pair = frozenset((names[u], names[v]))
        if cost < 0 and len(pair) == 2:
            apart.add(pair)
        if cost > 0 and touches and len(pair) == 2 and pair not in apart:
            keep, gone = sorted(pair)
            names = [keep if name == gone else name for name in names]
            apart = {frozenset(keep if name == gone else name for name in pair) for pair in apart}
    return [list(dict.fromkeys(names[1:])).index(name) + 1 for name in names[1:]]


@settings(max_examples=150)
@given(seed=st.integers(0, 2**20), nodes=st.integers(2, 9))
def test_clusters_are_those_of_the_definition_also_with_many_ties(seed, nodes):
    rng = np.random.default_rng(seed)
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    near = [pair for pair in pairs if rng.random() < 0.5]
    far = [pair for pair in pairs if rng.random() < 0.3]
    costs, lifted_costs = rng.integers(-4, 5, len(near)), rng.integers(-4, 5, len(far))
    graph = graph_from(nodes, near, costs, lifted=far, lifted_costs=lifted_costs)
    assert mutex(graph).tolist() == by_definition(graph)


def test_what_is_once_kept_apart_stays_apart():
    graph = graph_from(3, [(1, 2), (1, 3), (2, 3)], [3, -4, 2])
    assert mutex(graph).tolist() == [1, 1, 2]
    assert mutex(replace(graph, costs=np.array([3.0, -1.0, 2.0]))).tolist() == [1, 1, 1]


def test_a_lifted_edge_parts_but_never_joins():
    chain = [(1, 2), (2, 3)]
    assert mutex(graph_from(3, chain, [2, 1], lifted=[(1, 3)], lifted_costs=[-3])).tolist() == [1, 1, 2]
    assert mutex(graph_from(3, [(1, 2)], [2], lifted=[(1, 3)], lifted_costs=[3])).tolist() == [1, 1, 2]


def test_the_mean_is_weighted_by_faces_and_the_sum_is_not():
    graph = graph_from(3, [(1, 2), (1, 3), (2, 3)], [5, 2, -1.5], [1, 1, 9])
    assert gasp_mean(graph).tolist() == [1, 1, 2]
    assert gasp_sum(graph).tolist() == [1, 1, 1]
