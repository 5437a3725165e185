"""Contracting and parting graphs, domains and sections of fragments, and cutting domain by domain."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import savem3.graphcut.domains as domains_module
from savem3.graphcut import (
    CUTTERS,
    contract,
    cut_in_domains,
    domains_of,
    energy_of,
    join_places,
    lifted_energy_of,
    multicut,
    part_of,
    places,
    sections_of,
)
from savem3.graphcut.places import Place
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.tiles import split
from savem3.volume import Labels

SHAPE, VOXEL = (4, 6, 7), (30.0, 6.0, 4.0)


def random_graph(seed, nodes=12, *, chance=0.4):
    rng = np.random.default_rng(seed)
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    near = np.array([pair for pair in pairs if rng.random() < chance], np.uint64).reshape(-1, 2)
    far = np.array([pair for pair in pairs if rng.random() < 0.2], np.uint64).reshape(-1, 2)
    count, least = rng.integers(1, 9, len(near)), rng.integers(0, 99, len(near))
    return RegionGraph(
        *(rng.integers(1, 50, nodes), near, count, count * (least + 20), least, least + 40),
        costs=rng.integers(-9, 10, len(near)).astype(float),
        lifted_edges=far,
        lifted_costs=rng.integers(-9, 10, len(far)).astype(float),
        histogram=np.eye(32, dtype=np.int64)[least // 8] * count[:, None],
        domain=np.sort(rng.integers(0, 3, nodes)),
    )


def random_clusters(seed, nodes=12):
    names = np.random.default_rng(seed).integers(0, 5, nodes).tolist()
    return np.array([list(dict.fromkeys(names)).index(name) + 1 for name in names])


@given(seed=st.integers(0, 2**20))
def test_a_cut_of_the_contracted_graph_costs_what_it_costs_in_the_whole(seed):
    graph, clusters = random_graph(seed), random_clusters(seed)
    small = contract(graph, clusters)
    coarse = random_clusters(seed + 1, nodes=len(small.sizes))
    assert energy_of(small, coarse) == energy_of(graph, coarse[clusters - 1])
    assert lifted_energy_of(small, coarse) == lifted_energy_of(graph, coarse[clusters - 1])


def test_contracting_sums_what_falls_together_and_drops_what_is_inside():
    edges = np.array([[1, 2], [1, 3], [2, 3], [3, 4]], np.uint64)
    numbers = np.array([[2, 1, 3, 1], [20, 30, 90, 7], [5, 30, 20, 7], [15, 30, 40, 7]])
    graph = RegionGraph(np.array([10, 20, 30, 40]), edges, *numbers, domain=np.array([7, 8, 9, 9]))
    small = contract(graph, np.array([1, 1, 2, 3]))
    assert small.sizes.tolist() == [30, 30, 40]
    assert small.edges.tolist() == [[1, 2], [2, 3]]
    assert (small.count.tolist(), small.total.tolist()) == ([4, 1], [120, 7])
    assert (small.minimum.tolist(), small.maximum.tolist()) == ([20, 7], [40, 7])
    assert small.domain.tolist() == [7, 9, 9]
    assert small.costs is None


@given(seed=st.integers(0, 2**20))
def test_what_is_no_longer_joined_is_the_graph_itself(seed):
    graph = random_graph(seed)
    same, part = contract(graph, np.arange(1, 13)), part_of(graph, np.arange(12))
    for name in ("sizes", "edges", "count", "total", "minimum", "maximum", "costs", "lifted_costs", "histogram"):
        assert getattr(same, name).tolist() == getattr(graph, name).tolist() == getattr(part, name).tolist()


def test_a_part_has_the_edges_among_its_nodes_renumbered():
    graph = random_graph(5)
    nodes = np.array([1, 4, 5, 9, 11])
    part = part_of(graph, nodes)
    inside = np.isin(graph.edges, nodes + 1).all(1)
    assert (nodes[part.edges.astype(int) - 1] + 1).tolist() == graph.edges[inside].tolist()
    assert part.costs.tolist() == graph.costs[inside].tolist()
    far = np.isin(graph.lifted_edges, nodes + 1).all(1)
    assert (nodes[part.lifted_edges.astype(int) - 1] + 1).tolist() == graph.lifted_edges[far].tolist()
    assert part.sizes.tolist() == graph.sizes[nodes].tolist()


@pytest.mark.parametrize("cutter", ["lifted", "multicut"])
@given(seed=st.integers(0, 2**20))
def test_domains_that_do_not_touch_change_nothing_and_one_domain_neither(cutter, seed):
    graph = random_graph(seed, nodes=7)
    own = replace(graph, domain=np.zeros(7, np.int64))
    assert cut_in_domains(own, cutter=CUTTERS[cutter]).tolist() == CUTTERS[cutter](graph).tolist()


@given(seed=st.integers(0, 2**20))
def test_domains_join_only_what_lies_in_them_before_all_is_cut(seed):
    graph = random_graph(seed)
    seen = []

    def cutter(part):
        seen.append(len(part.sizes))
        return multicut(part)

    clusters = cut_in_domains(graph, cutter=cutter)
    sizes = np.unique(graph.domain, return_counts=True)[1].tolist()
    assert seen[:-1] == sizes
    assert list(dict.fromkeys(clusters.tolist())) == list(range(1, clusters.max() + 1))
    assert energy_of(graph, clusters) <= energy_of(graph, np.arange(12))


def test_a_graph_without_domains_is_parted_by_number(monkeypatch):
    monkeypatch.setattr(domains_module, "NODES_A_DOMAIN", 5)
    seen = []
    cut_in_domains(replace(random_graph(1), domain=None), cutter=lambda g: seen.append(g) or multicut(g))
    assert [len(graph.sizes) for graph in seen[:-1]] == [5, 5, 2]


def test_large_graphs_are_cut_domain_by_domain(monkeypatch):
    graph = random_graph(6)
    expected = cut_in_domains(graph, cutter=multicut).tolist()
    assert multicut(graph).tolist() != expected
    monkeypatch.setattr(sys.modules["savem3.graphcut.multicut"], "WHOLE_UP_TO", 3)
    assert multicut(graph).tolist() == expected


def labels_of(voxels):
    voxels = np.array(voxels, np.uint64)
    return Labels(voxels, Grid(voxels.shape, VOXEL))


@given(seed=st.integers(0, 99), block=st.tuples(*[st.integers(1, n) for n in SHAPE]), workers=st.integers(1, 3))
def test_places_are_the_first_and_last_voxels_for_every_block(seed, block, workers):
    fragments = labels_of(np.random.default_rng(seed).integers(0, 9, SHAPE))
    flat = fragments.voxels.ravel().tolist()
    expected = [[flat.index(n), len(flat) - 1 - flat[::-1].index(n)] for n in range(1, 9)]
    assert places(fragments, block=block, workers=workers).tolist() == expected
    tables = [Place(fragments)(tile).tables for tile in split(SHAPE, block=block)]
    assert join_places(tables[::-1]).tolist() == expected


def test_a_number_without_voxels_has_no_place():
    assert places(labels_of([[[0, 3, 3], [1, 0, 3]]])).tolist() == [[3, 3], [-1, -1], [1, 5]]


def test_each_fragment_lies_in_one_section_or_is_refused():
    flat = labels_of([[[1, 2, 2]], [[3, 0, 4]]])
    assert sections_of(places(flat), shape=flat.grid.shape).tolist() == [0, 0, 1, 1]
    deep = labels_of([[[1, 2]], [[1, 3]]])
    with pytest.raises(ValueError, match="fragments must lie in one section each, got fragment 1 in sections 0 to 1"):
        sections_of(places(deep), shape=deep.grid.shape)


def test_the_domain_is_that_of_the_first_voxel_in_a_fixed_grid():
    fragments = labels_of(np.arange(1, 4 * 6 * 7 + 1).reshape(SHAPE))
    number = domains_of(places(fragments), shape=SHAPE, domain=(2, 4, 3)).reshape(SHAPE)
    z, y, x = np.indices(SHAPE)
    assert number.tolist() == ((z // 2 * 2 + y // 4) * 3 + x // 3).tolist()
