"""Mean agglomeration: the surest pair first, faces that fall together add up, exactly."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import agglomerate, agglomerate_in_domains
from savem3.graphcut.agglomerate import fixed_point
from savem3.graphcut.joining import join_surest
from savem3.regions import RegionGraph


def graph_from(nodes, pairs, boundary, count):
    """Costs such that each edge has the given boundary probability."""
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    p, n = np.array(boundary, np.float64), np.array(count, np.int64)
    return RegionGraph(np.ones(nodes, np.int64), edges, n, n, n, n, costs=np.log((1 - p) / p))


def one_by_one(graph):
    """Join the least mean again and again, looking at all edges each time; means are exact fractions."""
    q = np.floor(2**28 / (1 + np.exp(graph.costs))).astype(int)
    edges = {
        e: [{u - 1, v - 1}, int(n), int(n) * int(p)]
        for e, ((u, v), n, p) in enumerate(zip(graph.edges.astype(int).tolist(), graph.count, q, strict=True))
    }
    names = list(range(len(graph.sizes)))
    while edges:
        best = min(edges, key=lambda e: (Fraction(edges[e][2], edges[e][1]), e))
        if edges[best][2] // edges[best][1] >= 2**27:
            break
        keep, gone = sorted(edges.pop(best)[0])
        names = [keep if name == gone else name for name in names]
        merged = {}
        for e, (ends, n, total) in sorted(edges.items()):
            ends = frozenset(keep if end == gone else end for end in ends)
            first = next((k for k, (other, _, _) in merged.items() if other == ends), e)
            _, n0, total0 = merged.get(first, (ends, 0, 0))
            merged[first] = (ends, n0 + n, total0 + total)
        edges = {e: [set(ends), n, total] for e, (ends, n, total) in merged.items()}
    return names


def test_the_mean_counts_every_face():
    triangle = [(1, 2), (1, 3), (2, 3)]
    few_faces_against = graph_from(3, triangle, [0.1, 0.3, 0.9], [5, 20, 5])
    many_faces_against = graph_from(3, triangle, [0.1, 0.3, 0.9], [5, 5, 20])
    assert agglomerate(few_faces_against).tolist() == [1, 1, 1]
    assert agglomerate(many_faces_against).tolist() == [1, 1, 2]


def test_the_surest_pair_joins_first_and_takes_its_neighbour_with_it():
    graph = graph_from(4, [(1, 2), (2, 3), (1, 3), (3, 4)], [0.05, 0.4, 0.9, 0.2], [1, 1, 1, 1])
    assert agglomerate(graph).tolist() == [1, 1, 2, 2]


def test_of_two_edges_that_fall_together_the_smaller_number_decides_among_equals():
    pairs = [(1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    graph = graph_from(4, pairs, [0.4375, 0.4375, 0.4375, 0.75, 0.4375], [1, 1, 1, 1, 1])
    assert agglomerate(graph).tolist() == [1, 2, 1, 1]


@given(
    seed=st.integers(0, 2**20),
    nodes=st.integers(2, 12),
    values=st.sampled_from([(0.4, 0.7), (0.1, 0.3, 0.45, 0.6), tuple(np.linspace(0.02, 0.98, 50))]),
    most_faces=st.sampled_from([1, 30]),
)
def test_the_result_is_that_of_joining_one_by_one_also_with_many_ties(seed, nodes, values, most_faces):
    rng = np.random.default_rng(seed)
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1) if rng.random() < 0.5]
    graph = graph_from(nodes, pairs, rng.choice(values, len(pairs)), rng.integers(1, most_faces + 1, len(pairs)))
    names = one_by_one(graph)
    expected = [list(dict.fromkeys(names)).index(name) + 1 for name in names]
    assert agglomerate(graph).tolist() == expected


def test_the_graph_is_not_changed():
    graph = graph_from(3, [(1, 2), (1, 3), (2, 3)], [0.1, 0.3, 0.4], [5, 20, 5])
    for array in (graph.sizes, graph.edges, graph.count, graph.total, graph.costs):
        array.setflags(write=False)
    agglomerate(graph)
    assert graph.count.tolist() == [5, 20, 5]


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**20),
    nodes=st.integers(2, 24),
    values=st.sampled_from([(0.4, 0.7), (0.1, 0.4, 0.4, 0.6), tuple(np.linspace(0.02, 0.98, 50))]),
    most_faces=st.sampled_from([1, 2, 30]),
    domains=st.integers(1, 3),
)
def test_domain_by_domain_the_clusters_are_those_of_all_at_once(seed, nodes, values, most_faces, domains):
    rng = np.random.default_rng(seed)
    domain = rng.integers(0, domains, nodes)
    chance = np.where(domain[:, None] == domain, 0.4, 0.04)
    pairs = [(u + 1, v + 1) for u in range(nodes) for v in range(u + 1, nodes) if rng.random() < chance[u, v]]
    graph = graph_from(nodes, pairs, rng.choice(values, len(pairs)), rng.integers(1, most_faces + 1, len(pairs)))
    assert agglomerate_in_domains(replace(graph, domain=domain)).tolist() == agglomerate(graph).tolist()


def test_what_would_join_a_waiting_node_next_waits_as_well():
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    waits = np.array([False, False, False, False, True])
    late, early = np.array([[1, 30], [1, 10], [1, 20], [1, 50]]), np.array([[1, 30], [1, 10], [1, 20], [1, 15]])
    assert partition(join_surest(chain.copy(), late, waits.copy(), 100)) == [0, 0, 0, 0, 4]
    assert partition(join_surest(chain.copy(), early, waits.copy(), 100)) == [0, 1, 1, 3, 4]


def test_means_are_compared_as_fractions_else_domains_would_show():
    ends = np.array([[0, 1], [0, 2], [0, 3], [1, 3], [2, 3], [3, 4]])
    sums = np.array([[1, 6], [1, 5], [10, 50], [1, 1], [100, 5000], [1, 90]])
    nobody, border = np.zeros(5, np.bool_), np.array([False, True, False, True, True])
    at_once = join_surest(ends.copy(), sums.copy(), nobody, 40)
    # rounded down, the edges of 0 to 1 and 3 fall together into a 5 that goes before the 5 between 0 and 2
    assert partition(at_once) == [0, 1, 0, 1, 4]
    assert partition(join_surest(ends.copy(), sums.copy(), border, 40)) == [0, 1, 0, 3, 4]


def partition(names):
    """Each node's cluster, named by its first node."""
    return [names.tolist().index(name) for name in names.tolist()]


def test_however_small_a_cost_is_it_stays_on_its_side_of_one_half():
    assert (fixed_point(np.array([1e-300, -1e-300, 0.0])) < 2**27).tolist() == [True, False, False]
