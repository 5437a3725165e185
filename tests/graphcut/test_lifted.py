"""The lifted multicut: the optimum among partitions that hang together, and plain multicut without lifted edges."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import lifted, lifted_energy_of, multicut
from savem3.regions import RegionGraph


def graph_from(nodes, costs, lifted_costs):
    """A graph of two dictionaries from pairs of labels to costs."""
    ones = np.ones(len(costs), np.int64)
    edges, far = (np.array(sorted(d), np.uint64).reshape(-1, 2) for d in (costs, lifted_costs))
    return RegionGraph(
        *(np.ones(nodes, np.int64), edges, ones, ones, ones, ones),
        costs=np.array([costs[pair] for pair in sorted(costs)], np.float64),
        lifted_edges=far,
        lifted_costs=np.array([lifted_costs[pair] for pair in sorted(lifted_costs)], np.float64),
    )


def least_energy(graph):
    """Over all sets of joined edges: what they connect is one cluster. No partition is left out, none hangs apart."""
    pairs = (graph.edges.astype(int) - 1).tolist()
    energies = []
    for joined in product([False, True], repeat=len(pairs)):
        names = list(range(len(graph.sizes)))
        for (u, v), join in zip(pairs, joined, strict=True):
            if join:
                names = [names[u] if name == names[v] else name for name in names]
        energies.append(lifted_energy_of(graph, np.array(names)))
    return min(energies)


@st.composite
def graphs(draw, most_nodes=5):
    """Any small graph; a pair has an edge, a lifted edge, both or none."""
    nodes = draw(st.integers(2, most_nodes))
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    some = st.dictionaries(st.sampled_from(pairs), st.integers(-9, 9), max_size=7)
    return graph_from(nodes, draw(some), draw(some))


@settings(max_examples=60)
@given(graph=graphs())
def test_small_graphs_are_cut_at_the_optimum(graph):
    assert lifted_energy_of(graph, lifted(graph)) == least_energy(graph)


@settings(max_examples=25)
@given(graph=graphs(most_nodes=7))
def test_so_are_graphs_of_up_to_seven_nodes(graph):
    assert lifted_energy_of(graph, lifted(graph)) == least_energy(graph)


def test_a_lifted_edge_joins_through_a_contact_that_speaks_against_it():
    costs = {(1, 2): -1, (2, 3): -1}
    assert lifted(graph_from(3, costs, {(1, 3): 5})).tolist() == [1, 1, 1]
    assert lifted(graph_from(3, costs, {(1, 3): 1})).tolist() == [1, 2, 3]


def test_a_lifted_edge_parts_a_chain_at_its_weakest_link():
    chain = {(1, 2): 3, (2, 3): 1, (3, 4): 3}
    assert lifted(graph_from(4, chain, {(1, 4): -9})).tolist() == [1, 1, 2, 2]


def test_a_lifted_edge_alone_never_joins():
    assert lifted(graph_from(3, {(1, 2): 1}, {(1, 3): 9, (2, 3): 9})).tolist() == [1, 1, 2]


@given(graph=graphs())
def test_without_lifted_edges_it_is_the_multicut(graph):
    plain = replace(graph, lifted_edges=None, lifted_costs=None)
    assert lifted(plain).tobytes() == multicut(plain).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_among_many_nodes_it_hangs_together_and_is_no_worse_than_the_planted_objects(seed):
    graph, planted = planted_objects(seed)
    clusters = lifted(graph)
    assert lifted_energy_of(graph, clusters) <= lifted_energy_of(graph, planted) + 1e-9
    assert lifted_energy_of(graph, clusters) <= lifted_energy_of(graph, multicut(graph)) + 1e-9
    u, v = graph.edges.astype(int).T - 1
    reached = np.arange(len(clusters))
    for _ in range(len(clusters)):
        for a, b in zip(u[clusters[u] == clusters[v]], v[clusters[u] == clusters[v]], strict=True):
            reached[a] = reached[b] = min(reached[a], reached[b])
    assert len(set(reached.tolist())) == clusters.max()


def planted_objects(seed):
    """A ring of 60 nodes with chords, in which five objects of consecutive nodes are hidden."""
    rng = np.random.default_rng(seed)
    planted = np.arange(60) // 12
    near = {(u, u + 1) for u in range(1, 60)} | {(u, u + 3) for u in range(1, 58)}
    far = {(u, u + k) for u in range(1, 50) for k in (5, 9)}

    def said(pairs, noise):
        return {(u, v): rng.normal(1 if planted[u - 1] == planted[v - 1] else -1, noise) for u, v in sorted(pairs)}

    return graph_from(60, said(near, 1.2), said(far, 0.5)), planted


def test_lifted_edges_without_costs_or_with_one_that_is_no_number_are_refused():
    graph = graph_from(3, {(1, 2): 1}, {(1, 3): np.nan})
    with pytest.raises(ValueError, match="graph must have finite lifted costs, got nan"):
        lifted(graph)
    with pytest.raises(ValueError, match="both lifted edges and lifted costs"):
        lifted(replace(graph, lifted_costs=None))
