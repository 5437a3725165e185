"""Suppression: the best of those that say the same stays, in whatever order they come."""

import time

import numpy as np
import pytest
from planted_cells import found, random_masks

from savem3.prompt import Answer
from savem3.sam import suppress
from savem3.sam.found import pack, ranked

SHAPE = (30, 44)


def iou(a, b, *, of):
    """By the definition, on whole sections."""
    a, b = (mask.within(SHAPE) for mask in (a, b))
    if of == "box":
        a, b = (np.outer(mask.any(1), mask.any(0)) for mask in (filled(a), filled(b)))
    return (a & b).sum() / (a | b).sum()


def filled(mask):
    """The box of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = np.zeros_like(mask)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def by_definition(masks, *, above, of):
    kept = []
    for mask in ranked(masks):
        if all(iou(mask, other, of=of) <= above for other in kept):
            kept.append(mask)
    return kept


def names(masks):
    return [(mask.score, mask.box, mask.bits.tobytes()) for mask in masks]


@pytest.mark.parametrize("of", ["mask", "box"])
@pytest.mark.parametrize("above", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_it_keeps_what_the_definition_keeps(seed, above, of):
    masks = random_masks(seed, shape=SHAPE, count=25)
    assert names(suppress(masks, above=above, of=of)) == names(by_definition(masks, above=above, of=of))


@pytest.mark.parametrize("seed", range(6))
def test_the_order_that_masks_come_in_does_not_matter(seed):
    masks = random_masks(seed, count=25)
    shuffled = [masks[i] for i in np.random.default_rng(seed).permutation(len(masks))]
    assert names(suppress(masks, above=0.4)) == names(suppress(shuffled, above=0.4))


def test_an_iou_of_just_the_threshold_is_allowed():
    wide, half = found(SHAPE, (0, 2), (3, 13)), found(SHAPE, (0, 2), (3, 8), predicted_iou=0.8)
    assert len(suppress([wide, half], above=0.5)) == 2
    assert len(suppress([wide, half], above=0.49)) == 1


def test_the_better_one_stays_and_score_is_predicted_iou_times_stability():
    sure = found(SHAPE, (4, 9), (5, 20), predicted_iou=0.7, stability=1.0)
    shaky = found(SHAPE, (4, 9), (5, 21), predicted_iou=0.95, stability=0.7)
    assert suppress([shaky, sure], above=0.5) == [sure]


def test_a_suppressed_mask_suppresses_nothing():
    first, second, third = (
        found(SHAPE, (0, 4), (start, start + 12), predicted_iou=score)
        for start, score in [(0, 0.9), (4, 0.8), (8, 0.7)]
    )
    assert suppress([first, second, third], above=0.4) == [first, third]


def test_thin_cells_side_by_side_are_lost_to_boxes_and_kept_by_masks():
    lower = np.tri(*SHAPE, k=-1, dtype=bool)
    upper = ~np.tri(*SHAPE, k=3, dtype=bool)
    masks = [pack(Answer(lower, 0.9)), pack(Answer(upper[:, : SHAPE[0] + 4], 0.8))]
    assert len(suppress(masks, above=0.7)) == 2
    assert len(suppress(masks, above=0.7, of="box")) == 1


def test_nothing_comes_of_nothing_and_a_threshold_must_be_a_share():
    assert suppress([], above=0.5) == []
    with pytest.raises(ValueError, match="above must lie in 0–1, got 1\\.5"):
        suppress([], above=1.5)


@pytest.mark.slow
def test_four_thousand_masks_take_no_longer_than_a_look():
    rng = np.random.default_rng(0)
    masks = []
    for y, x in rng.integers(0, 960, (4096, 2)).tolist():
        masks.append(pack(Answer(rng.random((64, 64)) < 0.7, float(rng.random())), y=y, x=x))
    suppress(masks[:9], above=0.7)
    begun = time.process_time()
    assert len(suppress(masks, above=0.7)) > 3000
    assert time.process_time() - begun < 20
