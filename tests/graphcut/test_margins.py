"""Margins: what the energy would lose if an edge's state were flipped."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import lifted, lifted_energy_of, margins, multicut, with_margins
from savem3.regions import RegionGraph


def graph_from(nodes, pairs, costs):
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    ones = np.ones(len(edges), np.int64)
    return RegionGraph(np.ones(nodes, np.int64), edges, ones, ones, ones, ones, costs=np.array(costs, np.float64))


@st.composite
def graphs(draw, most_nodes=6):
    nodes = draw(st.integers(2, most_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    near, far = ([pair for pair in pairs if rng.random() < share] for share in (0.6, 0.3))
    graph = graph_from(nodes, near, rng.integers(-9, 10, len(near)))
    lifted_edges, lifted_costs = np.array(far, np.uint64).reshape(-1, 2), rng.integers(-9, 10, len(far)).astype(float)
    return replace(graph, lifted_edges=lifted_edges, lifted_costs=lifted_costs) if draw(st.booleans()) else graph


def losses_of_parting(graph, clusters, u, v):
    """What every way to part the cluster of u and v between them would lose."""
    own = np.flatnonzero(clusters == clusters[u])
    energy = lifted_energy_of(graph, clusters)
    for mask in range(2 ** len(own)):
        away = own[[bool(mask >> i & 1) for i in range(len(own))]]
        if v in away and u not in away:
            parted = clusters.copy()
            parted[away] = clusters.max() + 1
            yield lifted_energy_of(graph, parted) - energy


@settings(max_examples=150)
@given(graph=graphs())
def test_margins_are_losses_that_the_other_state_would_have(graph):
    clusters = lifted(graph)
    energy, found = lifted_energy_of(graph, clusters), margins(graph, clusters)
    for (u, v), margin in zip(graph.edges.astype(int) - 1, found, strict=True):
        if clusters[u] != clusters[v]:
            joined = np.where(clusters == clusters[v], clusters[u], clusters)
            assert margin == lifted_energy_of(graph, joined) - energy
        else:
            losses = list(losses_of_parting(graph, clusters, u, v))
            assert margin in losses
            assert margin >= min(losses)


@given(graph=graphs())
def test_at_an_optimum_no_margin_is_below_zero(graph):
    plain = replace(graph, lifted_edges=None, lifted_costs=None)
    assert (margins(plain, multicut(plain)) >= 0).all()


def test_in_a_chain_the_margin_of_an_edge_is_its_own_cost():
    graph = graph_from(4, [(1, 2), (2, 3), (3, 4)], [5, 1, 3])
    assert margins(graph, np.array([1, 1, 1, 1])).tolist() == [5, 1, 3]


def test_seams_run_along_the_weakest_edges():
    graph = graph_from(3, [(1, 2), (1, 3), (2, 3)], [1, 1, 9])
    assert margins(graph, np.array([1, 1, 1])).tolist() == [2, 2, 10]


def test_between_two_clusters_all_edges_count_together():
    graph = graph_from(4, [(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)], [9, 1, -3, -2, 8])
    assert margins(graph, np.array([1, 1, 2, 2])).tolist() == [9, 4, 4, 4, 8]


def test_the_graph_keeps_its_margins_beside_all_else():
    graph = graph_from(3, [(1, 2), (2, 3)], [2, -1])
    kept = with_margins(graph, multicut(graph))
    assert kept.margin.tolist() == [2, 1]
    assert kept.costs.tolist() == [2, -1]
