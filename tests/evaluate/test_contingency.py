"""Counting pairs of labels."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savem3.evaluate import (
    Contingency,
    compare,
    count_pairs,
    merge_tables,
    settle_unsegmented,
    voi_merge,
    voi_split,
)
from savem3.grid import Grid
from savem3.volume import Labels

SHAPE = (3, 4, 5)
VOXEL_SIZE = (30.0, 6.0, 4.0)
few_labels = arrays(np.uint64, SHAPE, elements=st.integers(0, 4))


def labels(voxels: np.ndarray) -> Labels:
    return Labels(voxels.astype(np.uint64), Grid(voxels.shape, VOXEL_SIZE))


def rows(table: Contingency) -> list[tuple[int, int, int]]:
    return list(zip(table.segments.tolist(), table.bodies.tolist(), table.counts.tolist(), strict=True))


def test_pairs_are_counted_and_truth_zero_is_left_out() -> None:
    segmentation = np.array([[[7, 7, 0, 9, 9, 9]]])
    truth = np.array([[[1, 2, 2, 0, 2, 2]]])
    assert rows(compare(labels(segmentation), labels(truth))) == [(0, 2, 1), (7, 1, 1), (7, 2, 1), (9, 2, 2)]


def test_runs_do_not_join_across_another_pair() -> None:
    segmentation = np.array([[[5, 6, 5, 5]]])
    assert rows(compare(labels(segmentation), labels(np.ones((1, 1, 4))))) == [(5, 1, 3), (6, 1, 1)]


def test_ids_beyond_32_bits_keep_apart() -> None:
    segmentation = np.array([[[2**63 + 1, 2**63, 1, 2**32 + 1]]], np.uint64)
    table = compare(labels(segmentation), labels(np.ones((1, 1, 4))))
    assert table.segments.tolist() == [1, 2**32 + 1, 2**63, 2**63 + 1]


@given(few_labels, few_labels)
def test_the_table_is_that_of_a_plain_count(segmentation: np.ndarray, truth: np.ndarray) -> None:
    plain: dict[tuple[int, int], int] = {}
    for pair in zip(segmentation.ravel().tolist(), truth.ravel().tolist(), strict=True):
        plain[pair] = plain.get(pair, 0) + (pair[1] != 0)
    expected = [(s, b, n) for (s, b), n in sorted(plain.items()) if n]
    assert rows(count_pairs(segmentation, truth)) == expected


@given(few_labels, few_labels, st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)))
def test_merged_tables_of_blocks_equal_the_whole(
    segmentation: np.ndarray, truth: np.ndarray, block: tuple[int, int, int]
) -> None:
    whole = count_pairs(segmentation, truth)
    assert rows(compare(labels(segmentation), labels(truth), block=block)) == rows(whole)
    assert rows(merge_tables([whole, whole])) == [(s, b, 2 * n) for s, b, n in rows(whole)]


def test_unsegmented_voxels_are_one_segment_or_many_or_left_out() -> None:
    table = count_pairs(np.array([[[0, 0, 0, 3]]], np.uint64), np.array([[[1, 1, 2, 2]]], np.uint64))
    one = settle_unsegmented(table, unsegmented="segment")
    assert one.segment_sizes.tolist() == [3, 3, 1]
    assert one.overlaps.tolist() == [2, 1, 1]
    many = settle_unsegmented(table, unsegmented="singletons")
    assert many.segment_sizes.tolist() == [1, 1, 1]
    assert many.overlaps.tolist() == [1, 1, 1]
    assert many.body_sizes.tolist() == [2, 2, 2]
    assert rows(settle_unsegmented(table, unsegmented="ignore")) == [(3, 2, 1)]
    assert table.unsegmented == 3


def test_unequal_shapes_are_refused_with_both_named() -> None:
    with pytest.raises(ValueError, match=r"shape of truth \(1, 1, 3\), got \(1, 1, 2\)"):
        compare(labels(np.ones((1, 1, 2))), labels(np.ones((1, 1, 3))))


def test_an_unknown_decision_on_unsegmented_voxels_is_refused() -> None:
    table = count_pairs(np.ones((1, 1, 1), np.uint64), np.ones((1, 1, 1), np.uint64))
    with pytest.raises(ValueError, match="must be one of segment, ignore, singletons, got 'drop'"):
        inspect.unwrap(settle_unsegmented)(table, unsegmented="drop")


@given(st.lists(few_labels, max_size=9), few_labels)
def test_tables_merge_to_the_same_however_many_there_are(segmentations: list[np.ndarray], truth: np.ndarray) -> None:
    parts = [count_pairs(s, truth) for s in segmentations]
    whole = {pair: 0 for part in parts for pair in zip(part.segments.tolist(), part.bodies.tolist(), strict=True)}
    for part in parts:
        for s, b, n in rows(part):
            whole[s, b] += n
    assert rows(merge_tables(iter(parts))) == [(s, b, n) for (s, b), n in sorted(whole.items())]


def test_tables_that_wait_to_be_merged_are_few() -> None:
    alive, most = set[int](), 0

    def tables() -> Iterator[Contingency]:
        nonlocal most
        for i in range(200):
            table = count_pairs(np.full((1, 1, 2), i + 1, np.uint64), np.ones((1, 1, 2), np.uint64))
            alive.add(i)
            weakref.finalize(table.counts, alive.discard, i)
            most = max(most, len(alive))
            yield table

    assert len(merge_tables(tables()).counts) == 200
    assert most < 12


@given(few_labels, few_labels, st.integers(2, 4))
@settings(max_examples=10)
def test_workers_change_no_table(segmentation: np.ndarray, truth: np.ndarray, workers: int) -> None:
    found = compare(labels(segmentation), labels(truth), block=(1, 2, 3), workers=workers)
    assert rows(found) == rows(count_pairs(segmentation, truth))


@given(few_labels, few_labels, st.sampled_from([(1, 2), (3, 4)]))
def test_joining_two_segments_never_lowers_merges_nor_raises_splits(
    segmentation: np.ndarray, truth: np.ndarray, pair: tuple[int, int]
) -> None:
    before = count_pairs(segmentation, truth)
    after = count_pairs(np.where(segmentation == pair[1], np.uint64(pair[0]), segmentation), truth)
    if before.voxels:
        assert voi_merge(after) >= voi_merge(before) - 1e-12
        assert voi_split(after) <= voi_split(before) + 1e-12
