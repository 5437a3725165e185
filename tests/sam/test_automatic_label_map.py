"""Label maps: a partition, whatever masks overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_cells import cells, found, random_masks
from scipy import ndimage

from savem3.prompt import Answer
from savem3.sam import label_map
from savem3.sam.found import pack

SHAPE = (24, 36)
Seeds = st.integers(0, 10_000)


def covered(masks):
    return np.any([mask.within(SHAPE) for mask in masks], axis=0)


@given(Seeds, st.sampled_from([1, 5, 30]))
def test_a_pixel_has_a_label_where_a_mask_is_and_nowhere_else(seed, least_part):
    masks = random_masks(seed)
    np.testing.assert_array_equal(label_map(masks, SHAPE, least_part=least_part) > 0, covered(masks))


@given(Seeds, st.sampled_from([1, 5, 30]))
def test_labels_are_1_to_n_and_each_is_connected(seed, least_part):
    labels = label_map(random_masks(seed), SHAPE, least_part=least_part)
    assert labels.dtype == np.uint64
    count = int(labels.max())
    assert np.unique(labels[labels > 0]).tolist() == list(range(1, count + 1))
    assert [ndimage.label(labels == label)[1] for label in range(1, count + 1)] == [1] * count


@given(Seeds)
def test_the_order_that_masks_come_in_does_not_matter(seed):
    masks = random_masks(seed)
    shuffled = [masks[i] for i in np.random.default_rng(seed).permutation(len(masks))]
    np.testing.assert_array_equal(label_map(masks, SHAPE), label_map(shuffled, SHAPE))
    np.testing.assert_array_equal(label_map(masks, SHAPE), label_map(masks, SHAPE))


@given(Seeds)
def test_filled_maps_leave_nothing_out_and_keep_what_was_labelled(seed):
    boundary = np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)
    masks = random_masks(seed, count=3)
    labels, filled = label_map(masks, SHAPE), label_map(masks, SHAPE, fill=boundary, least_seed=9)
    assert filled.min() > 0
    np.testing.assert_array_equal(filled[labels > 0], labels[labels > 0])
    assert [ndimage.label(filled == label)[1] for label in range(1, int(filled.max()) + 1)] == [1] * int(filled.max())


def test_masks_that_do_not_overlap_are_the_labels():
    section = cells(SHAPE)
    masks = [pack(Answer(section == cell, 0.5)) for cell in np.unique(section[section > 0])]
    np.testing.assert_array_equal(label_map(masks, SHAPE), section)


def test_the_higher_score_wins_what_two_masks_claim():
    better, worse = found(SHAPE, (2, 12), (3, 20)), found(SHAPE, (2, 12), (15, 34), predicted_iou=0.4)
    labels = label_map([worse, better], SHAPE)
    assert (labels[2:12, 3:20] == 1).all()
    assert (labels[2:12, 20:34] == 2).all()


def test_of_equal_scores_the_smaller_wins():
    whole, part = found(SHAPE, (2, 20), (3, 33)), found(SHAPE, (5, 12), (9, 20))
    labels = label_map([whole, part], SHAPE)
    assert (labels[5:12, 9:20] == 2).all()
    assert (labels == 1).sum() == whole.area - part.area


def test_a_mask_that_is_split_becomes_two_objects():
    bar, across = found(SHAPE, (10, 16), (2, 34), predicted_iou=0.5), found(SHAPE, (1, 23), (14, 20))
    labels = label_map([bar, across], SHAPE)
    assert len({int(labels[12, 4]), int(labels[12, 30]), int(labels[12, 16])}) == 3


def test_what_is_left_over_is_given_to_its_neighbour_unless_it_is_large():
    wide, narrow = found(SHAPE, (2, 12), (3, 21), predicted_iou=0.5), found(SHAPE, (2, 12), (3, 20))
    assert label_map([wide, narrow], SHAPE, least_part=11).max() == 1
    assert label_map([wide, narrow], SHAPE, least_part=10).max() == 2


def test_a_small_mask_on_its_own_stays():
    labels = label_map([found(SHAPE, (2, 4), (3, 5)), found(SHAPE, (2, 12), (8, 21))], SHAPE, least_part=50)
    assert labels[2, 3] > 0
    assert labels.max() == 2


def test_membranes_stop_the_filling():
    boundary = np.zeros(SHAPE, np.uint8)
    boundary[:, 17] = 255
    masks = [found(SHAPE, (2, 9), (3, 9)), found(SHAPE, (15, 22), (30, 34))]
    filled = label_map(masks, SHAPE, fill=boundary, least_seed=1000)
    assert np.unique(filled[:, :17]).tolist() == [1]
    assert np.unique(filled[:, 18:]).tolist() == [2]


def test_a_space_between_membranes_that_no_mask_claims_is_a_cell_if_it_is_large():
    boundary = np.zeros(SHAPE, np.uint8)
    boundary[:, 17] = boundary[9, :] = 255
    masks = [found(SHAPE, (2, 7), (3, 9)), found(SHAPE, (12, 20), (20, 34))]
    filled = label_map(masks, SHAPE, fill=boundary, least_seed=14 * 17)
    assert len({int(filled[2, 3]), int(filled[12, 3]), int(filled[12, 30])}) == 3
    assert np.unique(filled[10:, :17]).tolist() == [3]
    assert label_map(masks, SHAPE, fill=boundary, least_seed=14 * 18 + 1).max() == 2


def test_no_mask_is_background_alone_and_nothing_is_filled():
    assert not label_map([], SHAPE).any()
    assert not label_map([], SHAPE, fill=np.full(SHAPE, 255, np.uint8)).any()


def test_masks_and_boundaries_of_another_section_are_refused():
    with pytest.raises(ValueError, match=r"masks must lie within the section of \(20, 36\)"):
        label_map([found(SHAPE, (2, 22), (3, 9))], (20, 36))
    with pytest.raises(ValueError, match=r"fill must have the shape \(24, 36\)"):
        label_map([], SHAPE, fill=np.zeros((36, 24), np.uint8))
