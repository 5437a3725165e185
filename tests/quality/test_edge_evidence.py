"""What is read of each decision of a cut, and the probabilities that it and each body are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from savem3.quality.bodies import bodies
from savem3.quality.calibration import read_calibration
from savem3.quality.edges import COLUMNS, evidence_of, join_in_turn, probabilities
from savem3.regions import RegionGraph


def graph_of(edges: list[tuple[int, int]], mean: list[int], sizes: list[int], count: int = 50) -> RegionGraph:
    """Contacts of so many faces each, with costs and margins that follow the mean boundary."""
    counts = np.full(len(edges), count)
    costs = (128 - np.array(mean)) / 40.0
    return RegionGraph(
        np.array(sizes),
        np.array(edges, np.uint64),
        counts,
        counts * np.array(mean),
        np.maximum(0, np.array(mean) - 20),
        np.minimum(255, np.array(mean) + 20),
        costs=costs,
        margin=np.abs(costs),
    )


CHAIN = graph_of([(1, 2), (2, 3), (3, 4), (4, 5)], [10, 120, 12, 240], [4000, 3000, 5000, 4500, 6000])
ONE = np.array([1, 1, 1, 1, 2], np.uint64)
"""The second contact, at 120 of 255, holds two halves together."""


def column(name: str, graph: RegionGraph = CHAIN, segment_of: np.ndarray = ONE) -> np.ndarray:
    return evidence_of(graph, segment_of).table[:, COLUMNS.index(name)]


def test_the_sides_of_a_seam_are_what_it_brought_together() -> None:
    evidence = evidence_of(CHAIN, ONE)
    assert evidence.joined.tolist() == [True, True, True, False]
    assert evidence.seam.tolist() == [True, True, True, False]
    assert evidence.side.tolist() == [3000, 7000, 4500, 6000]


def test_sizes_are_read_beside_that_of_the_fragment_which_the_middle_voxel_lies_in() -> None:
    assert column("lesser_side").tolist() == pytest.approx(np.log(np.array([3000, 7000, 4500, 6000]) / 4500))
    assert column("greater_side").tolist() == pytest.approx(np.log(np.array([4000, 9500, 5000, 16500]) / 4500))
    assert column("lesser_fragment").tolist() == pytest.approx(np.log(np.array([3000, 3000, 4500, 4500]) / 4500))
    assert column("greater_fragment").tolist() == pytest.approx(np.log(np.array([4000, 5000, 5000, 6000]) / 4500))
    assert column("contact").tolist() == pytest.approx(np.log(50 / np.array([3000, 3000, 4500, 4500]) ** (2 / 3)))


def test_an_edge_that_joins_what_is_one_already_is_no_seam() -> None:
    ring = graph_of([(1, 2), (1, 3), (2, 3)], [10, 60, 20], [100, 200, 300])
    evidence = evidence_of(ring, np.ones(3, np.uint64))
    assert evidence.seam.tolist() == [True, False, True]
    assert evidence.table[:, COLUMNS.index("support")].tolist() == pytest.approx([np.log(2)] * 3)


def test_a_parted_edge_counts_its_neighbours_between_the_same_segments() -> None:
    graph = graph_of([(1, 2), (1, 3), (2, 4), (3, 4)], [10, 250, 240, 10], [100, 200, 300, 400])
    segment_of = np.array([1, 1, 2, 2], np.uint64)
    assert column("support", graph, segment_of).tolist() == pytest.approx([0.0, np.log(2), np.log(2), 0.0])
    assert column("between", graph, segment_of)[1] == pytest.approx(np.log(100) - 2 / 3 * np.log(300))


def test_the_weak_contact_between_two_halves_is_the_likeliest_merge() -> None:
    chances = probabilities(read_calibration(), CHAIN, ONE)
    assert ((chances > 0) & (chances < 1)).all()
    assert np.argmax(chances[:3]) == 1
    assert chances[1] > 5 * chances[0]


def test_a_parted_contact_without_membrane_is_likelier_wrong_than_one_with() -> None:
    apart = np.array([1, 2, 3, 4, 5], np.uint64)
    chances = probabilities(read_calibration(), CHAIN, apart)
    assert chances[0] > chances[1] > chances[3]


def test_names_and_the_order_of_fragments_and_edges_change_nothing() -> None:
    rng = np.random.default_rng(0)
    names, order = rng.permutation(5), rng.permutation(4)
    edges = np.sort(names[CHAIN.edges[order].astype(int) - 1] + 1, axis=1).tolist()
    mean = CHAIN.mean[order].astype(int).tolist()
    other = graph_of([tuple(edge) for edge in edges], mean, np.array(CHAIN.sizes)[np.argsort(names)].tolist())
    segment_of = (ONE * np.uint64(7))[np.argsort(names)]
    told = probabilities(read_calibration(), other, segment_of)
    np.testing.assert_allclose(told, probabilities(read_calibration(), CHAIN, ONE)[order], rtol=1e-9)


def test_a_body_that_hangs_on_a_weak_contact_is_the_likeliest_merge_and_one_fragment_is_none() -> None:
    found = bodies(read_calibration(), CHAIN, ONE)
    assert found.segments.tolist() == [1, 2]
    assert found.voxels.tolist() == [16500, 6000]
    firm = graph_of([(1, 2), (2, 3), (3, 4), (4, 5)], [10, 12, 12, 240], [4000, 3000, 5000, 4500, 6000])
    assert found.merge[0] > bodies(read_calibration(), firm, ONE).merge[0]
    assert found.merge[1] == 0


def test_a_body_with_a_faint_border_is_likelier_to_lack_a_part() -> None:
    faint = graph_of([(1, 2), (2, 3), (3, 4), (4, 5)], [10, 12, 12, 130], [4000, 3000, 5000, 4500, 6000])
    here, there = (bodies(read_calibration(), graph, ONE).missing for graph in (faint, CHAIN))
    assert (here > there).all()


def test_joining_in_turn_tells_the_lesser_part_first() -> None:
    came = join_in_turn(np.array([[0, 1], [2, 3], [1, 2], [0, 3]]), np.array([5, 6, 1, 9]))
    assert came.tolist() == [[5, 6], [1, 9], [10, 11], [0, 0]]


def test_a_graph_that_was_not_cut_is_refused() -> None:
    bare = RegionGraph(CHAIN.sizes, CHAIN.edges, CHAIN.count, CHAIN.total, CHAIN.minimum, CHAIN.maximum)
    with pytest.raises(ValueError, match="graph must have costs and margins"):
        evidence_of(bare, ONE)
    with pytest.raises(ValueError, match="must name the segment of 5 fragments, got 4"):
        evidence_of(CHAIN, ONE[:4])


def test_a_graph_without_edges_has_bodies_without_errors() -> None:
    none = np.zeros(0, np.int64)
    cut = RegionGraph(
        np.array([7]), np.zeros((0, 2), np.uint64), none, none, none, none, costs=np.zeros(0), margin=np.zeros(0)
    )
    found = bodies(read_calibration(), cut, np.array([1], np.uint64))
    assert found.merge.tolist() == [0.0]
    assert len(probabilities(read_calibration(), cut, np.array([1], np.uint64))) == 0
