"""The region graph: integer sums over faces, the same for every block, and background outside."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import region_graph, weigh_edges
from savem3.graphcut.graph import CollectFaces, join_graph
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.tiles import split
from savem3.volume import BoundaryMap, Labels

SHAPE, VOXEL = (4, 6, 7), (30.0, 6.0, 4.0)


def volumes(labels, boundary):
    grid = Grid(np.shape(labels), VOXEL)
    return Labels(np.array(labels, np.uint64), grid), BoundaryMap(np.array(boundary, np.uint8), grid)


def contents(graph):
    return {field.name: np.asarray(getattr(graph, field.name)).tolist() for field in fields(graph)}


def test_a_face_has_the_larger_of_two_boundary_values():
    graph = region_graph(*volumes([[[1, 1, 2], [1, 3, 2]]], [[[0, 10, 20], [0, 200, 50]]]))
    assert graph.sizes.tolist() == [3, 2, 1]
    assert graph.edges.tolist() == [[1, 2], [1, 3], [2, 3]]
    assert graph.count.tolist() == [1, 2, 1]
    assert graph.total.tolist() == [20, 400, 200]
    assert (graph.minimum.tolist(), graph.maximum.tolist()) == ([20, 200, 200], [20, 200, 200])


def test_fragments_touch_across_sections_too():
    graph = region_graph(*volumes([[[1]], [[2]]], [[[7]], [[9]]]))
    assert graph.edges.tolist() == [[1, 2]]
    assert graph.total.tolist() == [9]


def test_background_has_no_node_and_no_edge():
    graph = region_graph(*volumes([[[1, 0, 2]]], [[[5, 5, 5]]]))
    assert graph.sizes.tolist() == [1, 1]
    assert graph.edges.shape == (0, 2)


def test_a_volume_of_background_has_an_empty_graph():
    graph = weigh_edges(region_graph(*volumes([[[0, 0]]], [[[5, 5]]])), beta=0.5)
    assert len(graph.sizes) == len(graph.edges) == len(graph.costs) == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 99), block=st.tuples(*[st.integers(1, n) for n in SHAPE]), workers=st.integers(1, 3))
def test_blocks_and_workers_change_nothing(seed, block, workers):
    rng = np.random.default_rng(seed)
    fragments, boundary = volumes(rng.integers(0, 9, SHAPE), rng.integers(0, 256, SHAPE))
    cut = region_graph(fragments, boundary, block=block, workers=workers)
    assert contents(cut) == contents(region_graph(fragments, boundary, block=SHAPE))


@settings(max_examples=25)
@given(seed=st.integers(0, 99), block=st.tuples(*[st.integers(1, n) for n in SHAPE]))
def test_the_tables_of_blocks_join_in_any_order(seed, block):
    rng = np.random.default_rng(seed)
    fragments, boundary = volumes(rng.integers(0, 9, SHAPE), rng.integers(0, 256, SHAPE))
    collect = CollectFaces(fragments, boundary)
    tables = [collect(tile).tables for tile in split(SHAPE, block=block)]
    joined = join_graph([tables[k] for k in rng.permutation(len(tables))])
    assert contents(joined) == contents(region_graph(fragments, boundary, block=SHAPE))
    assert joined.sizes.tolist() == np.bincount(fragments.voxels.ravel().astype(int))[1:].tolist()


def test_other_shapes_and_labels_with_large_gaps_are_refused():
    fragments, _ = volumes([[[1, 2]]], [[[0, 0]]])
    _, boundary = volumes([[[1], [2]]], [[[0], [0]]])
    with pytest.raises(ValueError, match="boundary must have the shape of fragments"):
        region_graph(fragments, boundary)
    with pytest.raises(ValueError, match="numbered 1 to n without large gaps, got label 70"):
        region_graph(*volumes([[[1, 70]]], [[[0, 0]]]))


def graph_of(means):
    edges = np.array([[1, i + 2] for i in range(len(means))], np.uint64)
    ones = np.ones(len(means), np.int64)
    values = np.array(means, np.int64)
    return RegionGraph(np.ones(len(means) + 1, np.int64), edges, ones, values, values, values)


def test_an_edge_joins_where_its_mean_boundary_is_below_one_minus_beta():
    graph = graph_of([0, 50, 120, 135, 200, 255])
    assert (weigh_edges(graph, beta=0.5).costs > 0).tolist() == [True, True, True, False, False, False]
    assert (weigh_edges(graph, beta=0.3).costs > 0).tolist() == [True, True, True, True, False, False]


def test_the_cost_is_the_sum_of_two_log_odds_and_finite_at_the_ends():
    costs = weigh_edges(graph_of([0, 51, 255]), beta=0.25).costs
    assert costs == pytest.approx([np.log(999) + np.log(3), np.log(4) + np.log(3), -np.log(999) + np.log(3)])


@given(means=st.lists(st.integers(1, 254), min_size=2, max_size=6, unique=True), beta=st.floats(0.05, 0.95))
def test_more_boundary_and_more_beta_never_speak_for_joining(means, beta):
    costs = weigh_edges(graph_of(sorted(means)), beta=beta).costs
    assert (np.diff(costs) < 0).all()
    assert (weigh_edges(graph_of(sorted(means)), beta=beta + 0.01).costs < costs).all()


@pytest.mark.parametrize("beta", [0.0, 1.0, -2.0])
def test_a_beta_outside_zero_to_one_is_refused(beta):
    with pytest.raises(ValueError, match="beta must lie above 0 and below 1"):
        weigh_edges(graph_of([3]), beta=beta)
