"""Median agglomeration: over edges by their least face, or over all faces; and the histograms that it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import CountValues, join_histograms, median, quantile, region_graph, weigh_edges, with_histogram
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.tiles import split
from savem3.volume import BoundaryMap, Labels

SHAPE, VOXEL = (4, 6, 7), (30.0, 6.0, 4.0)


def graph_of(nodes, pairs, faces, *, beta=0.5):
    """Of the boundary values of each edge's faces, with their histogram."""
    faces = [np.array(values) for values in faces]
    histogram = np.array([np.bincount(values // 8, minlength=32) for values in faces])
    count, total, least, most = (np.array([f(v) for v in faces], np.int64) for f in (len, np.sum, np.min, np.max))
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    graph = RegionGraph(np.ones(nodes, np.int64), edges, count, total, least, most, histogram=histogram)
    return weigh_edges(graph, beta=beta)


def test_an_edge_counts_by_its_least_face_and_its_median_face():
    graph = graph_of(2, [(1, 2)], [[60, 200, 220]])
    assert quantile(graph).tolist() == [1, 1]
    assert median(graph).tolist() == [1, 2]
    graph = graph_of(2, [(1, 2)], [[60, 70, 250, 20, 250]])
    assert median(graph).tolist() == [1, 1]


def test_of_edges_that_fall_together_the_median_decides_and_many_faces_weigh_no_more():
    pairs = [(1, 2), (1, 3), (1, 4), (2, 3), (3, 4)]
    # 1 joins 2, then 4; then three edges lead to 3
    assert quantile(graph_of(4, pairs, [[5], [30], [10], [200], [210] * 50])).tolist() == [1, 1, 2, 1]
    most_faces_against = graph_of(4, pairs, [[5], [30], [10], [40], [210] * 50])
    assert quantile(most_faces_against).tolist() == [1, 1, 1, 1]
    assert median(most_faces_against).tolist() == [1, 1, 2, 1]


def test_of_two_medians_the_one_for_joining_counts():
    graph = graph_of(3, [(1, 2), (1, 3), (2, 3)], [[5], [30], [200]])
    assert quantile(graph).tolist() == [1, 1, 1]


@pytest.mark.parametrize(("beta", "joined"), [(0.5, False), (0.35, False), (0.25, True)])
def test_the_median_joins_where_it_is_below_one_minus_beta(beta, joined):
    graph = graph_of(2, [(1, 2)], [[180, 180, 184, 250, 20]], beta=beta)
    assert (median(graph).max() == 1) == joined


def test_what_the_cost_says_beyond_the_mean_moves_every_face():
    graph = graph_of(2, [(1, 2)], [[140, 150, 160]])
    assert median(graph).tolist() == quantile(graph).tolist() == [1, 2]
    assert median(graph.with_costs(graph.costs + 1)).tolist() == [1, 1]
    assert quantile(graph.with_costs(graph.costs + 1)).tolist() == [1, 1]


def volumes(seed):
    rng = np.random.default_rng(seed)
    grid = Grid(SHAPE, VOXEL)
    labels = rng.integers(0, 9, SHAPE).astype(np.uint64)
    return Labels(labels, grid), BoundaryMap(rng.integers(0, 256, SHAPE).astype(np.uint8), grid)


@settings(max_examples=25)
@given(seed=st.integers(0, 99), block=st.tuples(*[st.integers(1, n) for n in SHAPE]), workers=st.integers(1, 3))
def test_histograms_are_the_same_for_every_block_and_count_every_face(seed, block, workers):
    fragments, boundary = volumes(seed)
    graph = region_graph(fragments, boundary)
    histogram = with_histogram(graph, fragments, boundary, block=block, workers=workers).histogram
    assert histogram.tolist() == histogram_by_hand(graph, fragments.voxels, boundary.voxels).tolist()
    assert (histogram.sum(1) == graph.count).all()


def histogram_by_hand(graph, labels, values):
    edges = {tuple(pair): i for i, pair in enumerate(graph.edges.astype(int).tolist())}
    histogram = np.zeros((len(edges), 32), int)
    for axis in range(3):
        below, above = (np.moveaxis(labels, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        value = np.maximum(*(np.moveaxis(values, axis, 0)[part] for part in (slice(None, -1), slice(1, None))))
        for u, v, b in zip(below.ravel().tolist(), above.ravel().tolist(), value.ravel().tolist(), strict=True):
            if u != v and u and v:
                histogram[edges[min(u, v), max(u, v)], b // 8] += 1
    return histogram


def test_the_order_of_the_tables_does_not_matter():
    fragments, boundary = volumes(3)
    graph = region_graph(fragments, boundary)
    count = CountValues(fragments, boundary)
    tables = [count(tile).tables for tile in split(SHAPE, block=(2, 3, 4))]
    forward, backward = (join_histograms(graph, part).histogram for part in (tables, tables[::-1]))
    assert forward.tolist() == backward.tolist()


def test_a_histogram_of_other_volumes_is_refused():
    fragments, boundary = volumes(0)
    with pytest.raises(ValueError, match="graph must have an edge for each pair"):
        with_histogram(graph_of(2, [(1, 2)], [[3]]), fragments, boundary)
    graph = region_graph(fragments, boundary)
    half = BoundaryMap(boundary.voxels[:2], Grid((2, 6, 7), VOXEL))
    with pytest.raises(ValueError, match="graph must count the faces of these fragments"):
        with_histogram(graph, Labels(fragments.voxels[:2], half.grid), half)
