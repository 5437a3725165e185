"""Node vectors: means of features, added up in integers, and what their likeness says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.graphcut.vectors import (
    SumVectors,
    centre_likeness,
    cosines,
    join_vectors,
    likenesses,
    node_vectors,
    touch_in_section,
)
from savem3.grid import Grid
from savem3.regions import RegionGraph
from savem3.teacher import Look
from savem3.tiles import patch_tiles
from savem3.volume import Image, IntensityMap, Labels

SHAPE = (3, 20, 28)
GRID = Grid(SHAPE, (30.0, 6.0, 4.0))
INTENSITY = IntensityMap(0.0, 255.0)


class GreyTeacher:
    """Its feature is the grey value of every second pixel, its square, and one."""

    def look_at(self, sections):
        assert sections.shape[1] % 8 == sections.shape[2] % 8 == 0
        grey = sections[:, ::2, ::2]
        feature = np.stack([grey, grey**2, np.ones_like(grey)], 1)
        return Look(sections, None, feature, np.zeros((len(sections), 1, *(n // 8 for n in sections.shape[1:])), "f4"))


def read_teacher():
    return GreyTeacher()


def graph_of(nodes, edges, features=None):
    edges = np.array(edges, np.uint64).reshape(-1, 2)
    ones = np.ones(len(edges), np.int64)
    graph = RegionGraph(np.ones(nodes, np.int64), edges, ones, ones, ones, ones)
    return replace(graph, features=np.array(features, np.float32)) if features is not None else graph


def volumes(seed):
    rng = np.random.default_rng(seed)
    image = Image(rng.integers(0, 256, SHAPE).astype(np.uint8), GRID)
    return image, Labels(rng.integers(0, 5, SHAPE).astype(np.uint64), GRID)


def test_a_fragment_has_the_mean_of_the_features_that_cover_its_voxels():
    grey = np.zeros(SHAPE, np.uint8)
    grey[:, :, 14:] = 255
    labels = np.zeros(SHAPE, np.uint64)
    labels[0, :4, :14], labels[1, :4, 13:17] = 1, 2
    graph = node_vectors(graph_of(3, []), Labels(labels, GRID), Image(grey, GRID), GreyTeacher(), intensity=INTENSITY)
    np.testing.assert_allclose(graph.features, [[-1, 1, 1], [0.5, 1, 1], [0, 0, 0]], atol=1e-4)


@given(seed=st.integers(0, 20), order=st.permutations(range(12)))
def test_the_order_of_the_tiles_changes_no_byte(seed, order):
    image, fragments = volumes(seed)
    tiles = patch_tiles(SHAPE, patch=(1, 16, 16), overlap=(0, 4, 4))
    assert len(tiles) == len(order)
    sums = SumVectors(image, fragments, read_teacher, INTENSITY)
    parts = [sums(tile).tables for tile in tiles]
    shuffled = join_vectors([parts[i] for i in order], nodes=4)
    assert shuffled.tobytes() == join_vectors(parts, nodes=4).tobytes()


def test_workers_change_no_byte():
    image, fragments = volumes(3)
    results = {
        node_vectors(
            graph_of(4, []),
            fragments,
            image,
            GreyTeacher(),
            intensity=INTENSITY,
            tile=(16, 16),
            overlap=(4, 4),
            workers=w,
        ).features.tobytes()
        for w in (1, 3)
    }
    assert len(results) == 1


def test_cosines_know_equal_opposite_and_missing_vectors():
    graph = graph_of(4, [(1, 2), (1, 3), (1, 4)], [[1, 2], [2, 4], [-1, -2], [0, 0]])
    np.testing.assert_allclose(cosines(graph, graph.edges), [1, -1, np.nan], atol=1e-6)
    np.testing.assert_allclose(likenesses(graph, graph.edges), [1, 0, np.nan], atol=1e-6)
    with pytest.raises(ValueError, match="graph must have features, got none"):
        cosines(graph_of(2, [(1, 2)]), graph.edges)


def test_likeness_says_nothing_at_the_median_of_pairs_within_a_section():
    graph = graph_of(4, [(1, 2), (1, 3), (1, 4)], [[1, 0], [1, 0.2], [1, 1], [0, 1]])
    reading = centre_likeness(graph, np.array([True, True, True]))
    low, middle, high = reading.read(likenesses(graph, graph.edges))[[2, 1, 0]]
    assert middle == pytest.approx(0, abs=1e-6)
    assert low < middle < high
    assert centre_likeness(graph, np.array([False, False, True])).middle < reading.middle


def test_edges_within_a_section_are_recognised():
    graph = graph_of(4, [(1, 2), (1, 3), (2, 4)])
    assert touch_in_section(graph, np.array([[1, 3], [3, 4]])).tolist() == [False, True, False]
