"""Linking section by section: at most one object goes on in one other, the strongest link first."""

import numpy as np
import pytest

from savem3.graphcut import (
    LINKERS,
    link_by_confidence,
    link_by_iou,
    places,
    region_graph,
    sections_first,
    sections_of,
    weigh_edges,
)
from savem3.graphcut.agglomerate import agglomerate
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.volume import BoundaryMap, Labels

every_linker = pytest.mark.parametrize("linker", sorted(LINKERS))


def graph_from(sizes, pairs, overlap, costs):
    edges, count = np.array(pairs, np.uint64).reshape(-1, 2), np.array(overlap, np.int64)
    return RegionGraph(np.array(sizes), edges, count, count, count, count, costs=np.array(costs, np.float64))


def volume_of_sections(seed):
    """Four sections of patches, each patch in one section."""
    rng = np.random.default_rng(seed)
    grid = Grid((4, 6, 8), (40.0, 4.0, 5.0))
    names = rng.integers(0, 4, (4, 3, 2)).repeat(2, 1).repeat(4, 2) + 4 * np.arange(4)[:, None, None]
    fragments = np.where(names % 4 == 0, 0, np.unique(names, return_inverse=True)[1].reshape(grid.shape))
    compact = np.unique(np.r_[0, fragments.ravel()], return_inverse=True)[1][1:].reshape(grid.shape)
    boundary = rng.integers(0, 256, grid.shape).astype(np.uint8)
    return Labels(compact.astype(np.uint64), grid), BoundaryMap(boundary, grid)


@every_linker
@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_numbered_by_their_smallest_nodes_and_the_same_in_every_run(linker, seed):
    fragments, boundary = volume_of_sections(seed)
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.4)
    sections = sections_of(places(fragments), shape=fragments.grid.shape)
    clusters = LINKERS[linker](graph, sections)
    assert list(dict.fromkeys(clusters.tolist())) == list(range(1, clusters.max() + 1))
    assert len(clusters) == len(graph.sizes)
    assert clusters.tobytes() == LINKERS[linker](graph, sections).tobytes()


@every_linker
def test_an_empty_graph_and_missing_sections(linker):
    assert LINKERS[linker](graph_from(np.zeros(0, np.int64), [], [], []), np.zeros(0, np.int64)).tolist() == []
    with pytest.raises(ValueError, match="sections must name one for each of 2 nodes, got 1"):
        LINKERS[linker](graph_from([4, 4], [(1, 2)], [1], [1]), np.zeros(1, np.int64))


@pytest.mark.parametrize("linker", ["confidence", "iou"])
@pytest.mark.parametrize("seed", range(4))
def test_a_chain_has_at_most_one_object_in_each_section_and_no_gap(linker, seed):
    fragments, boundary = volume_of_sections(seed)
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.3)
    sections = sections_of(places(fragments), shape=fragments.grid.shape)
    clusters = LINKERS[linker](graph, sections)
    for cluster in range(1, clusters.max() + 1):
        own = np.sort(sections[clusters == cluster])
        assert own.tolist() == list(range(own[0], own[-1] + 1))
    assert clusters.max() < len(clusters)


def test_the_largest_overlap_goes_first_and_each_goes_on_once():
    # 1 (10 pixels) overlaps 2 by 8 of 12 and 3 by 5 of 11; 4 follows 2
    graph = graph_from([10, 10, 6, 10], [(1, 2), (1, 3), (2, 4)], [8, 5, 9], [-1, 1, -1])
    sections = np.array([0, 1, 1, 2])
    assert link_by_iou(graph, sections).tolist() == [1, 1, 2, 1]
    assert link_by_confidence(graph, sections).tolist() == [1, 2, 1, 3]
    graph = graph_from([10, 6, 10], [(1, 2), (1, 3)], [5, 8], [1, 2])
    assert link_by_iou(graph, sections[:3]).tolist() == link_by_confidence(graph, sections[:3]).tolist() == [1, 2, 1]


def test_a_small_overlap_is_no_link():
    graph = graph_from([10, 10], [(1, 2)], [4], [1])
    sections = np.array([0, 1])
    assert link_by_iou(graph, sections).tolist() == [1, 1]
    assert link_by_iou(graph, sections, least=0.26).tolist() == [1, 2]
    with pytest.raises(ValueError, match="least must lie above 0 and up to 1, got 0"):
        link_by_iou(graph, sections, least=0)


def test_links_go_to_the_next_section_only_whatever_the_labels_are():
    graph = graph_from([5, 5, 5], [(1, 2), (1, 3), (2, 3)], [4, 4, 4], [1, 1, 1])
    assert link_by_iou(graph, np.array([2, 2, 1])).tolist() == [1, 2, 1]
    assert link_by_iou(graph, np.array([0, 2, 4])).tolist() == [1, 2, 3]


def test_sections_are_cut_before_the_volume_is():
    # in section 0: 1 and 2 speak for each other weakly; across, both speak against 3 more than that
    graph = graph_from([5, 5, 5], [(1, 2), (1, 3), (2, 3)], [1, 1, 1], [1, 3, -4])
    sections = np.array([0, 0, 1])
    assert sections_first(graph, sections).tolist() == [1, 1, 2]
    assert sections_first(graph, np.array([0, 1, 0])).tolist() == [1, 2, 1]
    assert sections_first(graph, sections, within=agglomerate, across=agglomerate).tolist() == [1, 1, 2]
