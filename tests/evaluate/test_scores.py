"""Scores, the fragments' oracle, and truth cut to a crop."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savem3.evaluate import METRICS, count_pairs, join_by_truth, relabel_components, score, voi
from savem3.grid import Grid
from savem3.volume import Labels

few_labels = arrays(np.uint64, (3, 4, 5), elements=st.integers(1, 3))


def labels(voxels: list[int] | np.ndarray) -> Labels:
    array = np.atleast_3d(np.asarray(voxels, np.uint64)).reshape(
        (1, 1, -1) if isinstance(voxels, list) else voxels.shape
    )
    return Labels(array, Grid(array.shape, (30.0, 6.0, 4.0)))


def test_scores_hold_every_metric() -> None:
    segmentation, truth = labels([1, 1, 2, 0, 3, 3]), labels([1, 1, 1, 2, 2, 0])
    plain = score(segmentation, truth).to_dict()
    table = count_pairs(segmentation.voxels, truth.voxels)
    assert {name: plain[name] for name in METRICS} == pytest.approx(
        {name: metric(table) for name, metric in METRICS.items()}
    )


def test_scores_say_what_was_compared() -> None:
    scores = score(labels([1, 1, 2, 0, 3, 3]), labels([1, 1, 1, 2, 2, 0]), unsegmented="ignore")
    assert (scores.voxels, scores.unsegmented, scores.unsegmented_share) == (4, "ignore", 0.2)
    assert (scores.segments, scores.bodies) == (3, 2)
    assert (scores.fragments, scores.oracle) == (None, None)


def test_what_an_unsegmented_voxel_counts_as_moves_the_score() -> None:
    segmentation, truth = labels([1, 1, 0, 0, 0, 0, 2, 2]), labels([1, 1, 1, 1, 2, 2, 2, 2])
    found = [score(segmentation, truth, unsegmented=u).voi for u in ("ignore", "segment", "singletons")]
    assert found == pytest.approx([0, 1.5, 1.5])
    assert score(segmentation, truth, unsegmented="segment").voi_merge == 0.5
    assert score(segmentation, truth, unsegmented="singletons").voi_merge == 0


def test_the_oracle_gives_each_fragment_to_the_body_with_most_of_it() -> None:
    fragments, truth = [1, 1, 1, 2, 3, 3, 0], [5, 5, 6, 6, 6, 6, 6]
    joined = join_by_truth(count_pairs(labels(fragments).voxels, labels(truth).voxels))
    assert list(zip(joined.segments, joined.bodies, joined.counts, strict=True)) == [
        (0, 6, 1),
        (5, 5, 2),
        (5, 6, 1),
        (6, 6, 3),
    ]


def test_a_tie_goes_to_the_smaller_body() -> None:
    joined = join_by_truth(count_pairs(labels([4, 4]).voxels, labels([9, 7]).voxels))
    assert joined.segments.tolist() == [7, 7]


@given(few_labels, few_labels)
def test_fragments_inside_bodies_have_a_perfect_oracle(cuts: np.ndarray, truth: np.ndarray) -> None:
    assert voi(join_by_truth(count_pairs(cuts * np.uint64(10) + truth, truth))) == 0


@given(few_labels, few_labels)
def test_the_oracle_of_the_oracle_is_itself(fragments: np.ndarray, truth: np.ndarray) -> None:
    once = join_by_truth(count_pairs(fragments, truth))
    assert voi(join_by_truth(once)) == pytest.approx(voi(once))


def test_scores_with_fragments_are_plain_json_with_the_oracle_beside() -> None:
    truth = labels([1, 1, 2, 2])
    scores = score(labels([1, 1, 1, 1]), truth, fragments=labels([1, 2, 3, 4]))
    plain = json.loads(json.dumps(scores.to_dict()))
    assert (plain["voi"], plain["oracle_voi"], plain["fragments"]) == (1.0, 0.0, 4)
    assert "oracle" not in plain


def test_scores_without_fragments_name_no_oracle() -> None:
    assert not [name for name in score(labels([1]), labels([1])).to_dict() if "oracle" in name or name == "fragments"]


def test_a_truth_of_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="truth must name at least one voxel"):
        score(labels([1, 1]), labels([0, 0]))


def test_an_empty_segmentation_is_refused_only_if_its_voxels_are_ignored() -> None:
    assert score(labels([0, 0]), labels([1, 1]), unsegmented="segment").voi == 0
    with pytest.raises(ValueError, match="segmentation must label at least one of the 2 voxels"):
        score(labels([0, 0]), labels([1, 1]), unsegmented="ignore")


def test_pieces_of_a_body_get_labels_in_the_order_of_their_first_voxels() -> None:
    truth = labels([8, 8, 0, 3, 8, 8])
    assert relabel_components(truth).voxels.ravel().tolist() == [1, 1, 0, 2, 3, 3]
    assert truth.voxels.ravel().tolist() == [8, 8, 0, 3, 8, 8]


def test_pieces_that_touch_at_an_edge_alone_are_apart() -> None:
    assert relabel_components(labels(np.array([[[1, 2], [2, 1]]]))).voxels.ravel().tolist() == [1, 2, 3, 4]


@given(few_labels, st.permutations([1, 2, 3]))
def test_pieces_do_not_depend_on_the_names_of_bodies(truth: np.ndarray, names: list[int]) -> None:
    renamed = np.array([0, *names], np.uint64)[truth]
    np.testing.assert_array_equal(relabel_components(labels(renamed)).voxels, relabel_components(labels(truth)).voxels)
