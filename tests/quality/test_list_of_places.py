"""The list of places: its order, the decisions of a cut that enter it, where they are, and what truth says of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.quality import Doubts, Place, confirm, confirm_there, doubt_places, find_doubts, kept_share, locate, rank
from savem3.regions import RegionGraph
from savem3.volume import Labels

NAN = float("nan")
LINE = np.array([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], np.uint64)
"""Six fragments in a row."""


def graph_of(costs: list[float], *, margin: list[float] | None = None, edges: np.ndarray = LINE) -> RegionGraph:
    count = np.full(len(edges), 4)
    total, least, most = count * 100, count * 10, count * 50
    sizes = np.array([10, 20, 40, 80, 160, 320])
    told = None if margin is None else np.array(margin)
    return RegionGraph(sizes, edges, count, total, least, most, costs=np.array(costs), margin=told)


def place(kind: str, probability: float, impact: float, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Place:
    return Place(kind, at, (1,), probability, impact, "")


def test_the_most_urgent_place_stands_first() -> None:
    small_but_sure, large_but_unlikely, unknown = (
        place("merge", 0.9, 100),
        place("split", 0.1, 1000),
        place("orphan", NAN, 190),
    )
    assert rank([unknown, large_but_unlikely, small_but_sure]) == [small_but_sure, unknown, large_but_unlikely]
    assert rank([small_but_sure, place("split", 0.1, 1e5)])[0].kind == "split"


def test_the_order_of_equal_places_depends_on_nothing_but_the_places() -> None:
    places = [place("split", 0.5, 8, (1.0, 2.0, 3.0)), place("merge", 0.5, 8), place("split", 0.5, 8, (1.0, 1.0, 9.0))]
    assert rank(places) == rank(reversed(places))
    assert [found.kind for found in rank(places)] == ["merge", "split", "split"]


@pytest.mark.parametrize(
    ("kind", "probability", "impact", "said"),
    [
        ("ghost", 0.5, 1.0, "kind must be one of"),
        ("merge", 1.5, 1.0, "probability must lie between 0 and 1"),
        ("merge", 0.5, math.inf, "impact must be a number"),
        ("merge", 0.5, -1.0, "impact must be a number"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(kind: str, probability: float, impact: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        place(kind, probability, impact)


def test_a_doubt_has_its_lesser_side_at_stake() -> None:
    graph = graph_of([5.0, 1.0, -2.0, 3.0, -1.0], margin=[9.0, 0.0, 0.0, 9.0, 0.0])
    doubts = find_doubts(graph, np.array([7, 7, 7, 8, 8, 9], np.uint64))
    found = {int(edge): (bool(m), tuple(map(int, labels)), int(i)) for edge, m, labels, i in rows_of(doubts)}
    assert found == {1: (True, (7, 0), 30), 2: (False, (7, 8), 70), 4: (False, (8, 9), 240)}
    assert np.isnan(doubts.probability).all()


def rows_of(doubts: Doubts) -> list[tuple[int, bool, np.ndarray, int]]:
    return list(zip(doubts.edge, doubts.is_merge, doubts.labels, doubts.impact, strict=True))


def test_probabilities_take_the_place_of_margins_and_order_the_doubts() -> None:
    graph = graph_of([5.0, 1.0, -2.0, 3.0, -1.0])
    chances = np.array([0.9, 0.01, 0.5, 0.4, 0.1])
    doubts = find_doubts(graph, np.array([7, 7, 7, 8, 8, 9], np.uint64), chances)
    assert doubts.edge.tolist() == [3, 0, 1, 2, 4]
    np.testing.assert_array_equal(doubts.probability, chances[doubts.edge])


def test_only_so_many_doubts_of_each_kind_are_kept() -> None:
    graph = graph_of([1.0, 1.0, 1.0, 1.0, 1.0])
    doubts = find_doubts(graph, np.full(6, 3, np.uint64), np.array([0.1, 0.2, 0.3, 0.4, 0.5]), most=2)
    assert doubts.edge.tolist() == [4, 3]


def test_of_two_segments_that_meet_at_many_fragments_the_likeliest_contact_is_listed_once() -> None:
    edges = np.array([[1, 2], [1, 4], [2, 3], [3, 4]], np.uint64)
    graph = graph_of([1.0, -1.0, -1.0, 1.0], edges=edges)
    doubts = find_doubts(graph, np.array([1, 1, 2, 2, 3, 4], np.uint64), np.array([0.0, 0.3, 0.6, 0.0]))
    assert [int(edge) for edge, is_merge, *_ in rows_of(doubts) if not is_merge] == [2]


def test_doubts_of_a_graph_without_costs_are_refused() -> None:
    bare = RegionGraph(*(np.array([4, 5]), np.array([[1, 2]], np.uint64), *(np.array([1]) for _ in range(4))))
    with pytest.raises(ValueError, match="graph must have costs"):
        find_doubts(bare, np.array([1, 2], np.uint64))


def test_a_doubt_says_what_it_is_about() -> None:
    graph = graph_of([5.0, 1.0, -2.0, 3.0, -1.0], margin=[9.0, 0.5, -0.5, 9.0, 9.0])
    doubts = find_doubts(graph, np.array([7, 7, 7, 8, 8, 9], np.uint64))
    merge, split = doubt_places(doubts, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert (merge.kind, merge.labels, merge.at) == ("merge", (7,), (1.0, 2.0, 3.0))
    assert (split.kind, split.labels) == ("split", (7, 8))
    assert merge.why == "joined over this contact; the energy would lose 0.5 by the other choice"
    assert split.why == "parted at this contact; the energy would gain 0.5 by the other choice"


def test_a_contact_is_found_near_its_middle_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = np.ones((7, 9, 11), np.uint64)
    voxels[:, :, 6:] = 2
    voxels[0, 0, 0] = 3
    labels = Labels(voxels, Grid(voxels.shape, (30.0, 6.0, 4.0)))
    pairs = np.array([[1, 2], [1, 3], [2, 3]], np.uint64)
    at = locate(labels, pairs)
    np.testing.assert_array_equal(at[0], [3, 4, 5])
    assert at[1].max() <= 1
    assert np.isnan(at[2]).all()
    monkeypatch.setattr("savem3.quality.contacts.BLOCK", (2, 4, 3))
    np.testing.assert_array_equal(locate(labels, pairs, workers=2), at)


def test_truth_confirms_what_it_can() -> None:
    segments = np.array([1, 1, 2, 3, 4, 5], np.uint64)
    bodies = np.array([10, 11, 10, 12, 13, 12], np.uint64)
    counts = np.array([90, 10, 50, 7, 40, 70])
    asked = [
        Place("merge", (0.0, 0.0, 0.0), (1,), NAN, 1.0, ""),
        Place("merge", (0.0, 0.0, 0.0), (2,), NAN, 1.0, ""),
        Place("split", (0.0, 0.0, 0.0), (1, 2), NAN, 1.0, ""),
        Place("split", (0.0, 0.0, 0.0), (2, 4), NAN, 1.0, ""),
        Place("orphan", (0.0, 0.0, 0.0), (3,), NAN, 1.0, ""),
        Place("orphan", (0.0, 0.0, 0.0), (4,), NAN, 1.0, ""),
        Place("seam", (0.0, 0.0, 0.0), (), NAN, 1.0, ""),
        Place("merge", (0.0, 0.0, 0.0), (99,), NAN, 1.0, ""),
    ]
    found = confirm(asked, segments, bodies, counts)
    np.testing.assert_array_equal(found, [1, 0, 1, 0, 1, 0, NAN, NAN])


def test_a_second_body_below_its_share_is_no_merge() -> None:
    for second, expected in ((1, 0.0), (2, 1.0)):
        counts = np.array([100 - second, second])
        found = confirm([place("merge", NAN, 1)], np.ones(2, np.uint64), np.array([5, 6], np.uint64), counts)
        assert found[0] == expected


def test_a_body_keeps_what_it_has_in_common_with_its_best_match() -> None:
    bodies = np.array([0, 1, 1, 2, 3], np.uint64)
    others = np.array([5, 5, 6, 6, 0], np.uint64)
    names, voxels, kept = kept_share(bodies, others, np.array([3, 30, 10, 10, 9]))
    assert names.tolist() == [1, 2, 3]
    assert voxels.tolist() == [40, 10, 9]
    np.testing.assert_allclose(kept, [30 / 43, 10 / 20, 0.0])


def test_a_merge_is_there_or_elsewhere_in_the_body() -> None:
    grid = Grid((8, 30, 40), (30.0, 6.0, 4.0))
    truth = np.full(grid.shape, 5, np.uint64)
    truth[:, :, 20:], truth[0] = 6, 0
    segments = np.full(grid.shape, 1, np.uint64)
    segments[:, :, 39] = 2
    volumes = {"segments": Labels(segments, grid), "truth": Labels(truth, grid)}
    assert confirm_there(place("merge", NAN, 1, (4.0, 15.0, 19.0)), **volumes) == 1
    assert confirm_there(place("merge", NAN, 1, (4.0, 15.0, 0.0)), **volumes) == 1
    narrow = {name: Labels(labels.voxels, Grid(grid.shape, (30.0, 6.0, 40.0))) for name, labels in volumes.items()}
    assert confirm_there(place("merge", NAN, 1, (4.0, 15.0, 0.0)), **narrow) == 0
    assert confirm_there(place("merge", NAN, 1, (4.0, 15.0, 19.0)), **narrow) == 1
    unknown = {**volumes, "truth": Labels(np.zeros_like(truth), grid)}
    assert np.isnan(confirm_there(place("merge", NAN, 1, (4.0, 15.0, 19.0)), **unknown))
