"""Average precision, bodies split and merged, and a row a body: each against a direct count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savem3.evaluate import (
    average_precision,
    count_errors,
    count_pairs,
    per_body,
    settle_unsegmented,
    voi_merge,
    voi_split,
)

any_labels = arrays(np.uint64, (3, 4, 5), elements=st.integers(0, 4))
thresholds = st.floats(0.5, 0.99)


def line(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)[None, None]


def names(labels: np.ndarray) -> list[int]:
    return sorted(set(labels.ravel().tolist()) - {0})


def direct_precision(segmentation: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """Every segment against every body, voxel by voxel; what the truth does not name belongs to nobody."""
    segmentation = np.where(truth == 0, 0, segmentation)
    segments, bodies, true = names(segmentation), names(truth), 0
    for s in segments:
        for b in bodies:
            mask, body = segmentation == s, truth == b
            true += (mask & body).sum() / (mask | body).sum() > threshold
    return true / max(1, len(segments) + len(bodies) - true)


@given(any_labels, any_labels, thresholds)
def test_average_precision_is_its_definition(segmentation: np.ndarray, truth: np.ndarray, threshold: float) -> None:
    found = average_precision(count_pairs(segmentation, truth), thresholds=[threshold])
    assert found[threshold] == pytest.approx(direct_precision(segmentation, truth, threshold), abs=1e-12)


def test_average_precision_of_three_bodies_of_which_one_is_found() -> None:
    found = average_precision(count_pairs(line(1, 1, 1, 1, 2, 2, 3, 3), line(1, 1, 1, 2, 2, 3, 3, 3)))
    assert found[0.5] == 2 / 4  # body 1: 3 of 4, body 3: 2 of 3, body 2: 1 of 3
    assert found[0.7] == 1 / 5
    assert found[0.75] == 0  # equal is not more
    assert list(found) == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def test_half_an_overlap_matches_nobody_so_that_no_segment_matches_two() -> None:
    assert average_precision(count_pairs(line(1, 1), line(1, 2)))[0.5] == 0


@given(arrays(np.uint64, (3, 4, 5), elements=st.integers(1, 4)))
def test_a_perfect_segmentation_has_precision_1_and_no_errors(truth: np.ndarray) -> None:
    table = count_pairs(truth + 7, truth)
    assert set(average_precision(table).values()) == {1.0}
    errors = count_errors(table)
    assert (len(errors.split), len(errors.merged), errors.splits, errors.merges) == (0, 0, 0, 0)


def test_a_threshold_below_a_half_is_refused() -> None:
    with pytest.raises(ValueError, match="thresholds must lie in"):
        average_precision(count_pairs(line(1), line(1)), thresholds=[0.4])


@given(any_labels, any_labels, st.sampled_from([0.05, 0.2, 0.49]))
def test_splits_and_merges_are_those_of_a_direct_count(
    segmentation: np.ndarray, truth: np.ndarray, share: float
) -> None:
    held = {
        (s, b)
        for s in names(segmentation)
        for b in names(truth)
        if ((segmentation == s) & (truth == b)).sum() >= share * (truth == b).sum()
        and ((segmentation == s) & (truth == b)).any()
    }
    holders = {b: sum(c == b for _, c in held) for b in names(truth)}
    loads = {s: sum(c == s for c, _ in held) for s in names(segmentation)}
    errors = count_errors(count_pairs(segmentation, truth), share=share)
    assert errors.split.tolist() == [b for b, n in holders.items() if n > 1]
    assert errors.merged.tolist() == [s for s, n in loads.items() if n > 1]
    assert errors.splits == sum(max(0, n - 1) for n in holders.values())
    assert errors.merges == sum(max(0, n - 1) for n in loads.values())


def test_a_border_drawn_otherwise_is_no_error() -> None:
    truth, segmentation = [1] * 30 + [2] * 30, [1] * 31 + [2] * 29
    errors = count_errors(count_pairs(line(*segmentation), line(*truth)))
    assert (errors.splits, errors.merges) == (0, 0)
    assert count_errors(count_pairs(line(*segmentation), line(*truth)), share=0.03).splits == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_share_that_holds_everything_or_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must lie in"):
        count_errors(count_pairs(line(1), line(1)), share=share)


def test_a_row_a_body_says_what_became_of_it() -> None:
    rows = per_body(count_pairs(line(5, 5, 6, 0, 5, 7, 7, 0), line(1, 1, 1, 1, 2, 2, 2, 3)))
    assert rows.bodies.tolist() == [1, 2, 3]
    assert rows.voxels.tolist() == [4, 3, 1]
    assert rows.unsegmented.tolist() == [1, 0, 1]
    assert rows.segments.tolist() == [2, 2, 0]
    assert rows.shared.tolist() == [2, 1, 0]  # segment 5 holds bodies 1 and 2
    assert rows.largest.tolist() == [5, 7, 0]
    assert rows.iou.tolist() == pytest.approx([2 / 5, 2 / 3, 0])


@given(any_labels, arrays(np.uint64, (3, 4, 5), elements=st.integers(1, 4)), st.sampled_from(["segment", "singletons"]))
def test_what_bodies_add_to_voi_is_the_voi(segmentation: np.ndarray, truth: np.ndarray, unsegmented: str) -> None:
    table = settle_unsegmented(count_pairs(segmentation, truth), unsegmented=unsegmented)
    rows = per_body(table)
    assert rows.voi_split.sum() == pytest.approx(voi_split(table), abs=1e-9)
    assert rows.voi_merge.sum() == pytest.approx(voi_merge(table), abs=1e-9)
    assert rows.voxels.sum() == table.voxels
