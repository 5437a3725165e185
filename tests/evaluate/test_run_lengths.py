"""Expected run lengths: an example worked by hand, a direct formula, and laws."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savem3.evaluate import Forgiven, count_pairs, pairs_of_points, run_lengths, run_lengths_of, voi_merge, voi_split
from savem3.evaluate.run_length import look_up
from savem3.grid import Grid
from savem3.skeleton import Skeletons
from savem3.volume import Labels

VOXEL_SIZE = (30.0, 6.0, 4.0)
some_segments = arrays(np.uint64, 12, elements=st.integers(0, 5))
blocks = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))


def path(*places_um: float) -> list[tuple[float, float, float]]:
    """Points along x, nm."""
    return [(15.0, 3.0, 1000 * x) for x in places_um]


def skeletons(*bodies: list[tuple[float, float, float]]) -> Skeletons:
    """Paths, each point joined to the one before it."""
    first = np.cumsum([0, *map(len, bodies)])
    edges = [(a, a + 1) for start, stop in pairwise(first) for a in range(start, stop - 1)]
    return Skeletons(
        tuple(f"body {i}" for i in range(len(bodies))),
        np.repeat(np.arange(len(bodies)), np.diff(first)),
        np.array([place for body in bodies for place in body], np.float64).reshape(-1, 3),
        np.array(edges, np.int64).reshape(-1, 2),
    )


TWO = skeletons(path(0, 1, 2, 3, 4), path(0, 1, 2, 3))


def segments(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)


def direct(held: list[int], traced: Skeletons, points: int, loses: str) -> tuple[float, float]:
    """ERL and the best there is, µm, from the definition: skeleton by skeleton, segment by segment."""
    body = traced.body.tolist()
    merging = {
        s
        for s in set(held) - {0}
        if sum(sum(h == s and b == c for h, b in zip(held, body, strict=True)) >= points for c in set(body)) > 1
    }
    total = float(traced.lengths_nm.sum())
    erl = best = 0.0
    for c in set(body):
        edges = [
            (a, b, n)
            for (a, b), n in zip(traced.edges.tolist(), traced.lengths_nm.tolist(), strict=True)
            if body[a] == c
        ]
        length = sum(n for *_, n in edges)
        if not length:
            continue
        best += length / total * length
        if loses == "skeleton" and merging & {h for h, b in zip(held, body, strict=True) if b == c}:
            continue
        for s in set(held) - {0} - merging:
            run = sum(n for a, b, n in edges if held[a] == held[b] == s)
            erl += length / total * run * run / length
    return erl / 1000, best / 1000


def test_run_lengths_worked_by_hand() -> None:
    """Runs of 2 and 1 µm on a path of 4, a run of 2 µm on a path of 3: (4 + 1 + 4) / 7 µm of (16 + 9) / 7."""
    found = run_lengths_of(segments(1, 1, 1, 2, 2, 3, 3, 3, 0), TWO)
    assert found.erl_um == pytest.approx(9 / 7, abs=1e-12)
    assert found.best_um == pytest.approx(25 / 7, abs=1e-12)
    assert found.nerl == pytest.approx(9 / 25, abs=1e-12)
    assert (found.correct, found.split, found.omitted, found.merged) == pytest.approx((5 / 7, 1 / 7, 1 / 7, 0))
    assert (found.mergers, found.skeletons, found.points, found.outside) == (0, 2, 9, 0)


def test_edges_in_a_segment_that_merges_count_nothing() -> None:
    """The last point of the second path lies in the first's segment 1: its run of 2 µm is lost."""
    found = run_lengths_of(segments(1, 1, 1, 2, 2, 3, 3, 3, 1), TWO)
    assert found.erl_um == pytest.approx((1 + 4) / 7)
    assert (found.mergers, found.merged) == (1, pytest.approx(4 / 7))


def test_a_merger_may_void_whole_skeletons() -> None:
    held = segments(1, 1, 1, 2, 2, 3, 3, 3, 1)
    found = run_lengths_of(held, TWO, forgiven=Forgiven(loses="skeleton"))
    assert (found.erl_um, found.merged) == (0, 1)
    apart = skeletons(path(0, 1, 2, 3, 4), path(0, 1, 2, 3), path(0, 2))
    found = run_lengths_of(segments(*held.tolist(), 7, 7), apart, forgiven=Forgiven(loses="skeleton"))
    assert found.erl_um == pytest.approx(4 / 9)


def test_small_mergers_may_be_forgiven_by_points_or_by_share() -> None:
    held = segments(1, 1, 1, 2, 2, 3, 3, 3, 1)
    assert run_lengths_of(held, TWO, forgiven=Forgiven(points=2)).erl_um == pytest.approx(9 / 7)
    assert run_lengths_of(held, TWO, forgiven=Forgiven(share=0.3)).erl_um == pytest.approx(9 / 7)
    assert run_lengths_of(held, TWO, forgiven=Forgiven(share=0.25)).erl_um == pytest.approx(5 / 7)


def test_unsegmented_points_merge_nothing() -> None:
    found = run_lengths_of(segments(0, 1, 1, 1, 1, 0, 3, 3, 3), TWO, forgiven=Forgiven(loses="skeleton"))
    assert (found.mergers, found.erl_um) == (0, pytest.approx((9 + 4) / 7))


def test_two_visits_of_a_segment_are_one_run() -> None:
    found = run_lengths_of(segments(1, 1, 2, 1, 1, 3, 3, 3, 3), TWO)
    assert found.erl_um == pytest.approx((2**2 + 3**2) / 7)
    assert found.pieces == 1


@given(some_segments, st.integers(1, 3), st.sampled_from(["segment", "skeleton"]))
def test_run_lengths_are_those_of_the_definition(held: np.ndarray, points: int, loses: str) -> None:
    rng = np.random.default_rng(int(held.sum()))
    traced = skeletons(*(list(map(tuple, rng.uniform(0, 5000, (n, 3)))) for n in (4, 1, 5, 2)))
    found = run_lengths_of(held, traced, forgiven=Forgiven(points=points, loses=loses))
    assert (found.erl_um, found.best_um) == pytest.approx(direct(held.tolist(), traced, points, loses), abs=1e-9)
    assert found.correct + found.split + found.omitted + found.merged == pytest.approx(1)


@given(some_segments, st.permutations(range(1, 6)))
def test_renaming_segments_changes_no_run(held: np.ndarray, names: list[int]) -> None:
    traced = skeletons(path(0, 1, 2, 3, 4), path(0, 1, 2, 3), path(0, 1, 5))
    renamed = np.array([0, *names], np.uint64)[held] * np.uint64(10**12)
    assert run_lengths_of(renamed, traced).erl_um == pytest.approx(run_lengths_of(held, traced).erl_um)


@given(some_segments)
def test_joining_two_segments_never_helps_where_it_merges_skeletons(held: np.ndarray) -> None:
    traced = skeletons(path(0, 1, 2, 3, 4), path(0, 1, 2, 3), path(0, 1, 5))
    before = run_lengths_of(held, traced)
    for a, b in combinations(sorted(set(held.tolist()) - {0}), 2):
        bodies = {int(traced.body[i]) for i in np.flatnonzero(np.isin(held, [a, b]))}
        after = run_lengths_of(np.where(held == b, np.uint64(a), held), traced)
        if len(bodies) > 1:
            assert after.erl_um <= before.erl_um + 1e-12
        else:
            assert after.erl_um >= before.erl_um - 1e-12


def test_a_perfect_segmentation_reaches_all_there_is() -> None:
    found = run_lengths_of(TWO.body.astype(np.uint64) + np.uint64(1), TWO)
    assert (found.nerl, found.correct, found.pieces) == (1, 1, 0)


def labels(voxels: np.ndarray, *, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Labels:
    return Labels(voxels.astype(np.uint64), Grid(voxels.shape, VOXEL_SIZE, origin))


@given(arrays(np.uint64, (3, 4, 5), elements=st.integers(0, 4)), blocks, st.integers(0, 9))
def test_points_find_their_voxels_in_any_blocks(voxels: np.ndarray, block: tuple[int, int, int], seed: int) -> None:
    origin = (60.0, -12.0, 400.0)
    places = np.random.default_rng(seed).uniform(-0.5, 5.5, (9, 3))
    traced = Skeletons(
        ("one",), np.zeros(9, np.int64), places * VOXEL_SIZE + np.array(origin), np.array([[0, 1]], np.int64)
    )
    expected = [
        int(voxels[tuple(at)]) if (at >= 0).all() and (at < voxels.shape).all() else 0
        for at in np.floor(places).astype(int)
    ]
    found, inside = look_up(labels(voxels, origin=origin), traced, block=block)
    assert found.tolist() == expected
    assert inside.tolist() == [bool((p >= 0).all() and (p < voxels.shape).all()) for p in places]


class Watched:
    """Voxels that remember how large the largest box was that was read."""

    dtype, shape = np.dtype(np.uint64), (3, 4, 5)

    def __init__(self) -> None:
        self.largest = np.zeros(3, int)

    def __getitem__(self, index: tuple[slice, slice, slice]) -> np.ndarray:
        found = np.ones(self.shape, np.uint64)[index]
        self.largest = np.maximum(self.largest, found.shape)
        return found


def test_no_more_than_a_block_is_read_for_points() -> None:
    voxels = Watched()
    places = np.argwhere(np.ones(voxels.shape)) + 0.5
    traced = Skeletons(("one",), np.zeros(60, np.int64), places * VOXEL_SIZE, np.zeros((0, 2), np.int64))
    segment, _ = look_up(Labels(voxels, Grid(voxels.shape, VOXEL_SIZE)), traced, block=(2, 3, 2))
    assert segment.tolist() == [1] * 60
    assert voxels.largest.tolist() == [2, 3, 2]


def test_points_outside_are_counted_and_held_by_nothing() -> None:
    traced = skeletons([(15, 3, 2), (15, 3, 6), (15, 3, 1e300)])
    found = run_lengths(
        labels(np.ones((1, 1, 5))), Skeletons(traced.names, traced.body, traced.points, traced.edges[:1])
    )
    assert (found.outside, found.points, found.nerl) == (1, 3, 1)


def test_the_voxels_of_points_give_voi_too() -> None:
    held = segments(1, 1, 1, 2, 2, 3, 3, 3, 1)
    table, dense = pairs_of_points(held, TWO), count_pairs(held[None, None], TWO.body[None, None].astype(np.uint64) + 1)
    assert (voi_split(table), voi_merge(table)) == (voi_split(dense), voi_merge(dense))


def test_skeletons_without_length_are_refused() -> None:
    with pytest.raises(ValueError, match="edges of some length, got none"):
        run_lengths_of(segments(1, 1), skeletons(path(0), path(1)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"points": 0}, "points must be at least 1"), ({"share": 0.5}, "share must lie in"), ({"loses": "all"}, "loses")],
)
def test_what_is_forgiven_must_make_sense(wrong: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Forgiven(**wrong)


def test_skeletons_that_hang_together_wrongly_are_refused() -> None:
    points, edges = np.zeros((2, 3)), np.array([[0, 1]], np.int64)
    with pytest.raises(ValueError, match="of one body, got two"):
        Skeletons(("a", "b"), np.array([0, 1]), points, edges)
    with pytest.raises(ValueError, match="must join points 0 to 1, got 0–2"):
        Skeletons(("a",), np.array([0, 0]), points, np.array([[0, 2]], np.int64))
    with pytest.raises(ValueError, match="must be finite"):
        Skeletons(("a",), np.array([0, 0]), points * np.nan, edges)
    with pytest.raises(ValueError, match="body must name rows 0 to 0"):
        Skeletons(("a",), np.array([0, 1]), points, edges)
