"""WaterZ beside our cutters: on a graph as on the volume that the graph is of, and without a word."""

import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.graphcut import agglomerate_by_waterz, by_waterz, region_graph, relabel, weigh_edges
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.volume import BoundaryMap, Labels

GRID = Grid((4, 6, 10), (30.0, 6.0, 4.0))

needs_waterz = pytest.mark.skipif(find_spec("waterz") is None, reason="the extra bench is not installed")


def graph_from(nodes, pairs, costs):
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    ones = np.ones(len(edges), np.int64)
    return RegionGraph(
        np.ones(nodes, np.int64), edges, ones, 100 * ones, 100 * ones, 100 * ones, costs=np.asarray(costs, np.float64)
    )


@st.composite
def graphs(draw, most_nodes=7):
    """Any graph of a few nodes whose costs WaterZ can tell apart."""
    nodes = draw(st.integers(1, most_nodes))
    pairs = [(u, v) for u in range(1, nodes + 1) for v in range(u + 1, nodes + 1) if draw(st.booleans())]
    bins = draw(st.permutations(range(2, 254)))[: len(pairs)]
    probability = (np.array(bins) + 0.5) / 256
    return graph_from(nodes, pairs, np.log((1 - probability) / probability))


def random_volume(seed):
    """Fragments of 2 × 2 × 2 voxels among background, and noise for a boundary."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(np.r_[np.arange(1, 25), np.zeros(6, int)]).reshape(2, 3, 5)
    fragments = cells.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.uint64)
    return Labels(fragments, GRID), BoundaryMap(rng.integers(0, 256, GRID.shape).astype(np.uint8), GRID)


def same_partition(a, b):
    return ((a[:, None] == a) == (b[:, None] == b)).all()


@needs_waterz
@pytest.mark.parametrize("seed", range(12))
def test_a_graph_is_cut_as_the_volume_that_it_is_of(seed):
    fragments, boundary = random_volume(seed)
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.5)
    own = relabel(fragments, by_waterz(graph)).voxels.ravel()
    theirs = agglomerate_by_waterz(boundary, fragments, 0.5).voxels.ravel()
    assert same_partition(own, theirs)
    assert 2 < len(np.unique(own)) < 25
    assert ((own == 0) == (fragments.voxels.ravel() == 0)).all()
    assert ((theirs == 0) == (fragments.voxels.ravel() == 0)).all()


@needs_waterz
@pytest.mark.parametrize(("threshold", "segments"), [(0.3, 3), (0.5, 2), (0.9, 1)])
def test_what_lies_below_the_threshold_is_joined(threshold, segments):
    voxels = np.arange(1, 4, dtype=np.uint64).repeat(2)[None, None].repeat(2, 0).repeat(3, 1)
    boundary = np.zeros(voxels.shape, np.uint8)
    boundary[:, :, 2:4], boundary[:, :, 4:] = 0.4 * 255, 0.8 * 255
    grid = Grid(voxels.shape, (30.0, 6.0, 4.0))
    before = voxels.copy()
    objects = agglomerate_by_waterz(BoundaryMap(boundary, grid), Labels(voxels, grid), threshold)
    assert len(np.unique(objects.voxels)) == segments
    assert (voxels == before).all()


@needs_waterz
@given(graph=graphs())
@settings(max_examples=30)
def test_clusters_are_numbered_in_the_order_of_their_smallest_nodes(graph):
    clusters = by_waterz(graph)
    assert len(clusters) == len(graph.sizes)
    first_seen = list(dict.fromkeys(clusters.tolist()))
    assert first_seen == list(range(1, len(first_seen) + 1))


@needs_waterz
@given(graph=graphs())
@settings(max_examples=30)
def test_where_every_cost_is_negative_nothing_is_merged_and_where_it_is_positive_all_that_touches(graph):
    assert by_waterz(graph.with_costs(-np.abs(graph.costs))).tolist() == list(range(1, len(graph.sizes) + 1))
    joined = by_waterz(graph.with_costs(np.abs(graph.costs)))
    u, v = graph.edges.astype(int).T - 1
    assert (joined[u] == joined[v]).all()


@needs_waterz
@given(graph=graphs(most_nodes=3), data=st.data())
@settings(max_examples=30)
def test_where_no_two_medians_are_equal_renaming_the_nodes_renames_the_result(graph, data):
    new_name = np.array(data.draw(st.permutations(range(len(graph.sizes)))), int)
    edges = np.sort(new_name[graph.edges.astype(int) - 1], axis=1) + 1
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    renamed = replace(graph, edges=edges[order].astype(np.uint64), costs=graph.costs[order])
    assert same_partition(by_waterz(renamed)[new_name], by_waterz(graph))


@needs_waterz
@pytest.mark.parametrize("cost", [1e-12, -1e-12, 0.0, 800.0, -800.0])
def test_the_sign_decides_however_small_or_large_the_cost_is(cost):
    assert by_waterz(graph_from(2, [(1, 2)], [cost])).tolist() == ([1, 1] if cost > 0 else [1, 2])


@needs_waterz
def test_of_edges_that_fall_together_the_median_decides():
    pairs = [(1, 2), (1, 3), (1, 4), (2, 3), (3, 4)]
    assert by_waterz(graph_from(4, pairs, [9, 3, 8, -3, -3])).tolist() == [1, 1, 2, 1]
    assert by_waterz(graph_from(4, pairs, [9, 3, 8, 2, -3])).tolist() == [1, 1, 1, 1]


@needs_waterz
def test_the_same_graph_gives_the_same_bytes_in_every_run():
    rng = np.random.default_rng(4)
    pairs = [(u, v) for u in range(1, 41) for v in range(u + 1, 41) if rng.random() < 0.3]
    graph = graph_from(40, pairs, rng.normal(-1, 2, len(pairs)))
    assert len({by_waterz(graph).tobytes() for _ in range(5)}) == 1
    assert 1 < by_waterz(graph).max() < 40


@needs_waterz
def test_nodes_without_edges_stay_alone_and_an_empty_graph_has_no_clusters():
    assert by_waterz(graph_from(5, [(2, 4)], [1.0])).tolist() == [1, 2, 3, 2, 4]
    assert by_waterz(graph_from(3, [], [])).tolist() == [1, 2, 3]
    assert by_waterz(graph_from(0, [], [])).tolist() == []


@needs_waterz
def test_nothing_is_written_to_standard_output_and_what_comes_after_is(capfd):
    by_waterz(graph_from(2, [(1, 2)], [1.0]))
    os.write(1, b"after ")
    sys.stdout.write("and python\n")
    sys.stdout.flush()
    assert capfd.readouterr().out == "after and python\n"


def test_what_it_says_is_lost_and_standard_output_comes_back_after_an_error(capfd, monkeypatch):
    def fail(*_, **__):
        sys.stdout.write("Preparing")
        os.write(1, b"merging")
        raise RuntimeError("no merge")

    monkeypatch.setitem(sys.modules, "waterz", SimpleNamespace(agglomerate=fail))
    with pytest.raises(RuntimeError, match="no merge"):
        by_waterz(graph_from(2, [(1, 2)], [1.0]))
    os.write(1, b"after")
    assert capfd.readouterr().out == "after"


@needs_waterz
def test_other_shapes_and_thresholds_and_a_graph_without_costs_are_refused():
    fragments, boundary = random_volume(0)
    other = BoundaryMap(np.zeros((4, 6, 9), np.uint8), Grid((4, 6, 9), GRID.voxel_size))
    with pytest.raises(ValueError, match="boundary must have the shape of fragments"):
        agglomerate_by_waterz(other, fragments, 0.5)
    with pytest.raises(ValueError, match=r"threshold must lie within 0 and 1, got 1\.5"):
        agglomerate_by_waterz(boundary, fragments, 1.5)
    with pytest.raises(ValueError, match="graph must be weighed"):
        by_waterz(replace(graph_from(2, [(1, 2)], [1.0]), costs=None))


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "waterz", None)
    fragments, boundary = random_volume(0)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "savem3\[bench\]"'):
        by_waterz(graph_from(2, [(1, 2)], [1.0]))
    with pytest.raises(ModuleNotFoundError, match=r'pip install "savem3\[bench\]"'):
        agglomerate_by_waterz(boundary, fragments, 0.5)
