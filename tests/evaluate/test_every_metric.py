"""Laws that hold for every metric, and parity with scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import adapted_rand_error, variation_of_information

from savem3.evaluate import (
    METRICS,
    Contingency,
    arand_cremi,
    arand_skimage,
    count_pairs,
    cremi_score,
    settle_unsegmented,
    voi,
    voi_merge,
    voi_split,
)

SHAPE = (3, 4, 5)
any_labels = arrays(np.uint64, SHAPE, elements=st.integers(0, 5))
named_labels = arrays(np.uint64, SHAPE, elements=st.integers(1, 5))
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
Metric = Callable[[Contingency], float]


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy segmentation and a truth of blocks, with some of both unknown."""
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 6, (3, 4, 5)), np.ones((2, 3, 4), int))
    noise = rng.random(truth.shape)
    segmentation = np.where(noise < 0.2, rng.integers(0, 9, truth.shape), truth + (noise > 0.9))
    return segmentation.astype(np.uint64), truth.astype(np.uint64)


@every_metric
@given(labels=named_labels)
def test_a_perfect_segmentation_scores_zero(metric: Metric, labels: np.ndarray) -> None:
    assert metric(count_pairs(labels + 7, labels)) == 0


@every_metric
@given(segmentation=any_labels, truth=named_labels, names=st.permutations(range(1, 6)))
def test_renaming_ids_changes_nothing(
    metric: Metric, segmentation: np.ndarray, truth: np.ndarray, names: list[int]
) -> None:
    renamed = np.array([0, *names], np.uint64) * np.uint64(10**12)
    assert metric(count_pairs(renamed[segmentation], renamed[truth])) == metric(count_pairs(segmentation, truth))


@every_metric
@given(segmentation=any_labels, truth=named_labels)
def test_an_error_is_never_negative(metric: Metric, segmentation: np.ndarray, truth: np.ndarray) -> None:
    assert metric(count_pairs(segmentation, truth)) >= 0


@pytest.mark.parametrize("seed", range(5))
def test_voi_equals_that_of_scikit_image(seed: int) -> None:
    segmentation, truth = random_pair(seed)
    split, merge = variation_of_information(truth, segmentation, ignore_labels=(0,))
    table = count_pairs(segmentation, truth)
    assert (voi_split(table), voi_merge(table)) == pytest.approx((split, merge), abs=1e-6)
    assert voi(table) == pytest.approx(split + merge, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_arand_equals_that_of_scikit_image(seed: int) -> None:
    segmentation, truth = random_pair(seed)
    expected, _, _ = adapted_rand_error(truth, segmentation)
    assert arand_skimage(count_pairs(segmentation, truth)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_singletons_equal_a_segmentation_that_names_each_unsegmented_voxel(seed: int) -> None:
    segmentation, truth = random_pair(seed)
    apart = segmentation.copy()
    apart[segmentation == 0] = 100 + np.arange((segmentation == 0).sum())
    settled = settle_unsegmented(count_pairs(segmentation, truth), unsegmented="singletons")
    for metric in METRICS.values():
        assert metric(settled) == pytest.approx(metric(count_pairs(apart, truth)), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_ignored_voxels_are_as_if_the_truth_did_not_name_them(seed: int) -> None:
    segmentation, truth = random_pair(seed)
    settled = settle_unsegmented(count_pairs(segmentation, truth), unsegmented="ignore")
    blind = count_pairs(segmentation, np.where(segmentation == 0, 0, truth).astype(np.uint64))
    for metric in METRICS.values():
        assert metric(settled) == metric(blind)


def test_cremi_counts_voxels_with_themselves_and_unsegmented_ones_apart() -> None:
    table = count_pairs(np.array([[[1, 1, 2, 0, 0]]], np.uint64), np.ones((1, 1, 5), np.uint64))
    assert arand_cremi(table) == pytest.approx(1 - 2 * 7 / (25 + 7))
    assert arand_skimage(table) == pytest.approx(1 - 2 * 4 / (20 + 4))


def test_everything_merged_costs_the_entropy_of_the_truth() -> None:
    truth = np.repeat(np.array([1, 2, 3], np.uint64), [2, 1, 1]).reshape(1, 2, 2)
    table = count_pairs(np.ones_like(truth), truth)
    assert (voi_split(table), voi_merge(table)) == (0, 1.5)


def test_every_voxel_apart_costs_splits_alone() -> None:
    table = count_pairs(np.arange(1, 9, dtype=np.uint64).reshape(2, 2, 2), np.ones((2, 2, 2), np.uint64))
    assert (voi_split(table), voi_merge(table)) == (3, 0)
    assert arand_skimage(table) == 1


def test_the_cremi_score_is_the_geometric_mean_of_voi_and_rand_error() -> None:
    table = count_pairs(np.array([[[1, 1, 2, 0, 0]]], np.uint64), np.ones((1, 1, 5), np.uint64))
    assert cremi_score(table) ** 2 == pytest.approx(voi(table) * arand_cremi(table))
