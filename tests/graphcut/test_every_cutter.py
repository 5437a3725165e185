"""The laws of cutting, for every entry of the table."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from savem3.graphcut import CUTTERS, cut, region_graph, weigh_edges
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.volume import BoundaryMap, Labels

every_cutter = pytest.mark.parametrize("cutter", sorted(CUTTERS))


@st.composite
def graphs(draw, most_nodes=7):
    """Any graph of a few nodes; costs differ from each other and from 0."""
    nodes = draw(st.integers(1, most_nodes))
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1)]
    chosen = [pair for pair in pairs if draw(st.booleans())]
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    return graph_from(nodes, chosen, rng.normal(0, 2, len(chosen)), rng.integers(1, 50, len(chosen)))


def graph_from(nodes, pairs, costs, count=None):
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    count = np.ones(len(edges), np.int64) if count is None else count
    sums = [count, 100 * count, np.full_like(count, 100), np.full_like(count, 100)]
    return RegionGraph(np.ones(nodes, np.int64), edges, *sums, costs=np.asarray(costs, np.float64))


def components(graph):
    u, v = graph.edges.astype(int).T - 1
    n = len(graph.sizes)
    return connected_components(coo_array((np.ones(len(u)), (u, v)), shape=(n, n)), directed=False)[1] + 1


def same_partition(a, b):
    return ((a[:, None] == a) == (b[:, None] == b)).all()


def random_volume(seed):
    rng = np.random.default_rng(seed)
    grid = Grid((3, 8, 9), (30.0, 6.0, 4.0))
    fragments = rng.integers(0, 3, (3, 4, 3)).repeat(2, 1).repeat(3, 2)
    numbers = np.where(fragments, np.arange(1, 37).reshape(3, 4, 3).repeat(2, 1).repeat(3, 2), 0)
    compact = np.unique(np.r_[0, numbers.ravel()], return_inverse=True)[1][1:].reshape(grid.shape)
    boundary = rng.integers(0, 256, grid.shape).astype(np.uint8)
    return Labels(compact.astype(np.uint64), grid), BoundaryMap(boundary, grid)


@every_cutter
@given(graph=graphs())
def test_clusters_are_numbered_in_the_order_of_their_smallest_nodes(cutter, graph):
    clusters = CUTTERS[cutter](graph)
    assert clusters.dtype == np.int64
    assert len(clusters) == len(graph.sizes)
    first_seen = list(dict.fromkeys(clusters.tolist()))
    assert first_seen == list(range(1, len(first_seen) + 1))


@every_cutter
@given(graph=graphs())
def test_where_every_cost_is_positive_each_component_is_one_object(cutter, graph):
    joined = graph.with_costs(np.abs(graph.costs))
    assert same_partition(CUTTERS[cutter](joined), components(graph))


@every_cutter
@given(graph=graphs())
def test_where_every_cost_is_negative_nothing_is_merged(cutter, graph):
    clusters = CUTTERS[cutter](graph.with_costs(-np.abs(graph.costs)))
    assert clusters.tolist() == list(range(1, len(graph.sizes) + 1))


@every_cutter
@pytest.mark.parametrize("cost", [1e-12, -1e-12, 800.0, -800.0])
def test_the_sign_decides_however_small_or_large_the_cost_is(cutter, cost):
    clusters = CUTTERS[cutter](graph_from(2, [(1, 2)], [cost]))
    assert clusters.tolist() == ([1, 1] if cost > 0 else [1, 2])


@every_cutter
@given(graph=graphs(), data=st.data())
def test_renaming_the_nodes_renames_the_result(cutter, graph, data):
    new_name = np.array(data.draw(st.permutations(range(len(graph.sizes)))), int)
    edges = np.sort(new_name[graph.edges.astype(int) - 1], axis=1) + 1
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    sums = {name: getattr(graph, name)[order] for name in ("count", "total", "minimum", "maximum", "costs")}
    renamed = replace(graph, edges=edges[order].astype(np.uint64), **sums)
    assert same_partition(CUTTERS[cutter](renamed)[new_name], CUTTERS[cutter](graph))


@every_cutter
def test_no_join_crosses_between_parts_that_do_not_touch(cutter):
    clusters = CUTTERS[cutter](graph_from(6, [(1, 4), (2, 5), (2, 6), (5, 6)], [5.0, 3.0, 2.0, 1.0]))
    assert clusters.tolist() == [1, 2, 3, 1, 2, 2]


@every_cutter
@pytest.mark.parametrize("seed", range(5))
def test_a_cut_never_splits_a_fragment_and_background_stays(cutter, seed):
    fragments, boundary = random_volume(seed)
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.4)
    objects = cut(fragments, graph, cutter=cutter, block=(2, 5, 4), workers=2)
    assert ((objects.voxels == 0) == (fragments.voxels == 0)).all()
    pairs = np.unique(np.stack([fragments.voxels.ravel(), objects.voxels.ravel()]), axis=1)
    assert len(pairs[0]) == len(np.unique(fragments.voxels))
    assert objects.voxels.max() < fragments.voxels.max()


@every_cutter
def test_the_same_graph_gives_the_same_bytes_in_every_run(cutter):
    rng = np.random.default_rng(4)
    pairs = [(u, v) for u in range(1, 41) for v in range(u + 1, 41) if rng.random() < 0.3]
    graph = graph_from(40, pairs, rng.normal(0, 2, len(pairs)))
    results = {CUTTERS[cutter](graph).tobytes() for _ in range(5)}
    assert len(results) == 1


@every_cutter
def test_an_empty_graph_has_no_clusters(cutter):
    assert CUTTERS[cutter](graph_from(0, [], [])).tolist() == []


@every_cutter
def test_a_graph_without_costs_or_with_one_that_is_no_number_is_refused(cutter):
    graph = graph_from(2, [(1, 2)], [np.nan])
    with pytest.raises(ValueError, match="graph must have finite costs, got nan"):
        CUTTERS[cutter](graph)
    with pytest.raises(ValueError, match="graph must be weighed"):
        CUTTERS[cutter](replace(graph, costs=None))


def test_an_unknown_cutter_and_a_foreign_graph_are_refused():
    fragments, boundary = random_volume(0)
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.5)
    with pytest.raises(
        ValueError,
        match="cutter must be one of gasp_mean, gasp_sum, lifted, mean, median, multicut, mutex, quantile, got knife",
    ):
        cut(fragments, graph, cutter="knife")
    with pytest.raises(ValueError, match="clusters must name every fragment up to"):
        cut(fragments, graph_from(2, [(1, 2)], [1.0]), cutter="mean")
