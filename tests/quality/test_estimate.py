"""The estimate of VoI without truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from savem3.quality.calibration import VoiScale, read_calibration
from savem3.quality.edges import evidence_of
from savem3.quality.estimate import draw_voi, estimate_voi
from savem3.regions import RegionGraph

PLAIN = VoiScale(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def graph_of(edges: list[tuple[int, int]], sizes: list[int], *, mean: int = 100) -> RegionGraph:
    count = np.full(len(edges), 20)
    costs = np.full(len(edges), 1.0)
    return RegionGraph(
        np.array(sizes), np.array(edges, np.uint64), count, count * mean, count, count + 200, costs=costs, margin=costs
    )


def drawn(
    graph: RegionGraph, segment_of: list[int], probability: list[float], scale: VoiScale = PLAIN, draws: int = 400
):
    named = np.array(segment_of, np.uint64)
    evidence = evidence_of(graph, named)
    return draw_voi(graph, named, graph.sizes, evidence, np.array(probability), scale, seed=0, draws=draws)


PAIR = graph_of([(1, 2)], [100, 100])


def test_a_join_that_is_wrong_for_certain_costs_the_bit_that_it_merges() -> None:
    found = drawn(PAIR, [1, 1], [1 - 1e-12])
    assert (found.split, found.merge) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_a_part_that_is_wrong_for_certain_costs_the_bit_that_it_splits() -> None:
    found = drawn(PAIR, [1, 2], [1 - 1e-12])
    assert (found.split, found.merge) == pytest.approx((1.0, 0.0), abs=1e-6)


def test_decisions_that_are_surely_right_cost_nothing() -> None:
    found = drawn(PAIR, [1, 2], [1e-12])
    assert (found.split, found.merge) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_an_even_chance_costs_half_a_bit_in_the_mean() -> None:
    assert drawn(PAIR, [1, 2], [0.5], draws=4000).split == pytest.approx(0.5, abs=0.03)


def test_errors_of_one_volume_that_come_together_leave_the_mean_nearly_as_it_was() -> None:
    many = graph_of([(2 * n + 1, 2 * n + 2) for n in range(20)], [50] * 40)
    segments, chances = list(range(1, 41)), [0.2] * 20
    alone = drawn(many, segments, chances, draws=2000).split
    together = drawn(many, segments, chances, replace(PLAIN, by_volume=1.0, by_segment=0.5), draws=2000).split
    assert together == pytest.approx(alone, abs=0.04)


def test_borders_join_along_the_likeliest_ones_that_form_no_ring() -> None:
    ring = graph_of([(1, 2), (1, 3), (2, 3)], [100, 100, 100])
    found = drawn(ring, [1, 2, 3], [1 - 1e-12, 1e-12, 1 - 1e-12])
    assert found.split == pytest.approx(np.log2(3), abs=1e-6)


def test_an_estimate_is_the_same_for_a_seed_and_holds_its_parts_and_its_interval() -> None:
    graph = graph_of([(1, 2), (2, 3), (3, 4)], [900, 800, 700, 600], mean=150)
    segment_of = np.array([1, 1, 2, 3], np.uint64)
    calibration = read_calibration()
    found = estimate_voi(calibration, graph, segment_of, graph.sizes, seed=3)
    assert found == estimate_voi(calibration, graph, segment_of, graph.sizes, seed=3)
    assert found.voi == pytest.approx(found.split + found.merge)
    assert 0 < found.low < found.voi < found.high
    assert found.high / found.voi == pytest.approx(np.exp(calibration.voi.width))


def test_what_a_truth_does_not_name_does_not_count() -> None:
    graph = graph_of([(1, 2), (3, 4)], [500, 500, 500, 500])
    segment_of = np.array([1, 2, 3, 4], np.uint64)
    evidence = evidence_of(graph, segment_of)
    chances = np.array([1 - 1e-12, 1e-12])
    half = draw_voi(graph, segment_of, np.array([500, 500, 0, 0]), evidence, chances, PLAIN, seed=0, draws=5)
    assert half.split == pytest.approx(1.0, abs=1e-6)


def test_no_draws_and_sizes_of_others_are_refused() -> None:
    segment_of = np.array([1, 1], np.uint64)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        estimate_voi(read_calibration(), PAIR, segment_of, PAIR.sizes, draws=0)
    with pytest.raises(ValueError, match="sizes must be those of 2 fragments, got 3"):
        estimate_voi(read_calibration(), PAIR, segment_of, np.array([1, 2, 3]))
