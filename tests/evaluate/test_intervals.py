"""Intervals by bootstrap: against draws that are made one by one, and laws."""

from __future__ import annotations

import numpy as np
import pytest

from savem3.evaluate import (
    METRICS,
    Contingency,
    blocks_to_draw,
    compare,
    compare_blocks,
    count_pairs,
    intervals,
    settle_unsegmented,
)
from savem3.evaluate.bootstrap import ERRORS
from savem3.grid import Grid
from savem3.volume import Labels

VOXEL_SIZE = (30.0, 6.0, 4.0)


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 7, (3, 4, 5)), np.ones((2, 3, 4), int))
    noise = rng.random(truth.shape)
    segmentation = np.where(noise < 0.2, rng.integers(0, 9, truth.shape), truth + (noise > 0.9))
    return segmentation.astype(np.uint64), truth.astype(np.uint64)


def contributions(table: Contingency) -> dict[tuple[int, int], list[float]]:
    """What a voxel of each pair adds, row by row: split, merge, its partners in both, and in either."""
    bodies, segments = table.body_sizes.tolist(), table.segment_sizes.tolist()
    rows = zip(table.segments.tolist(), table.bodies.tolist(), table.overlaps.tolist(), segments, bodies, strict=True)
    return {(s, b): [np.log2(m / n), np.log2(k / n), n - 1, k + m - 2] for s, b, n, k, m in rows}


def drawn_one_by_one(table: Contingency, clusters: list[Contingency], draws: int, seed: int) -> np.ndarray:
    """Errors of each draw: clusters picked, their voxels gone through."""
    adds, rng, errors = contributions(table), np.random.default_rng(seed), []
    share = np.full(len(clusters), 1 / len(clusters))
    for times in rng.multinomial(len(clusters), share, size=draws).tolist():
        voxels = split = merge = both = either = 0.0
        for often, cluster in zip(times, clusters, strict=True):
            pairs = zip(cluster.segments.tolist(), cluster.bodies.tolist(), cluster.counts.tolist(), strict=True)
            for s, b, n in pairs:
                a = adds[s, b]
                voxels += often * n
                split, merge = split + often * n * a[0], merge + often * n * a[1]
                both, either = both + often * n * a[2], either + often * n * a[3]
        errors.append([split / voxels, merge / voxels, (split + merge) / voxels, 1 - 2 * both / either])
    return np.array(errors)


def expected(errors: np.ndarray) -> dict[str, tuple[float, float]]:
    return {name: tuple(np.quantile(errors[:, i], (0.025, 0.975))) for i, name in enumerate(ERRORS)}


@pytest.mark.parametrize("unsegmented", ["segment", "singletons", "ignore"])
def test_bodies_are_drawn_with_all_their_voxels(unsegmented: str) -> None:
    table = settle_unsegmented(count_pairs(*random_pair(1)), unsegmented=unsegmented)
    bodies = [
        Contingency(table.segments[own], table.bodies[own], table.counts[own])
        for own in (table.bodies == b for b in np.unique(table.bodies))
    ]
    found = intervals(table, draws=40, seed=3)
    for name, ends in expected(drawn_one_by_one(table, bodies, 40, 3)).items():
        assert found[name] == pytest.approx(ends, abs=1e-9)


@pytest.mark.parametrize("unsegmented", ["segment", "ignore"])
def test_blocks_are_drawn_and_those_without_truth_are_none(unsegmented: str) -> None:
    segmentation, truth = random_pair(2)
    truth[:2, :6] = 0
    volumes = [Labels(v, Grid(v.shape, VOXEL_SIZE)) for v in (segmentation, truth)]
    blocks = list(compare_blocks(*volumes, block=(2, 6, 7)))
    table = settle_unsegmented(compare(*volumes), unsegmented=unsegmented)
    known = set(zip(table.segments.tolist(), table.bodies.tolist(), strict=True))
    kept = [settle_unsegmented(block, unsegmented=unsegmented) for block in blocks]
    kept = [block for block in kept if block.voxels]
    assert known
    assert len(kept) < len(blocks)
    found = intervals(table, blocks=blocks, draws=40, seed=5)
    for name, ends in expected(drawn_one_by_one(table, kept, 40, 5)).items():
        assert found[name] == pytest.approx(ends, abs=1e-9)


def test_one_cluster_can_only_be_drawn_whole() -> None:
    table = count_pairs(np.array([[[1, 1, 2, 2, 3]]], np.uint64), np.ones((1, 1, 5), np.uint64))
    for name, ends in intervals(table, draws=7).items():
        assert ends == pytest.approx((METRICS[name](table),) * 2)


def test_the_errors_of_the_volume_lie_inside() -> None:
    table = count_pairs(*random_pair(4))
    for name, (low, high) in intervals(table).items():
        assert low < METRICS[name](table) < high


def test_a_perfect_segmentation_is_certain() -> None:
    _, truth = random_pair(0)
    assert set(intervals(count_pairs(truth, truth)).values()) == {(0.0, 0.0)}


def test_the_seed_decides_and_the_level_widens() -> None:
    table = count_pairs(*random_pair(4))
    assert intervals(table, draws=200, seed=1) == intervals(table, draws=200, seed=1)
    assert intervals(table, draws=200, seed=1) != intervals(table, draws=200, seed=2)
    narrow, wide = (intervals(table, draws=200, level=level)["voi"] for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_blocks_to_draw_are_a_quarter_of_each_axis_and_bounded() -> None:
    assert blocks_to_draw((250, 6, 3)) == (63, 2, 1)
    assert blocks_to_draw((5000, 1000, 4000)) == (256, 250, 256)


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"level": 1.0}])
def test_draws_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="draws must be at least 1 and level lie between 0 and 1"):
        intervals(count_pairs(*random_pair(0)), **wrong)


def test_nothing_to_draw_from_is_refused() -> None:
    nothing = count_pairs(np.ones((1, 1, 2), np.uint64), np.zeros((1, 1, 2), np.uint64))
    with pytest.raises(ValueError, match="at least one pair"):
        intervals(nothing)
    with pytest.raises(ValueError, match="at least one pair"):
        intervals(nothing, blocks=[nothing])
