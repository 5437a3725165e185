"""Masks against masks: areas, and bands along the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import erosion, footprint_rectangle

from savem3.evaluate import band_of, boundary_iou, depth_of, iou

SQUARE = np.ones((3, 3), bool)

masks = arrays(bool, (9, 14))
"""Noise; most bands are all of it."""

blobs = st.tuples(*(st.integers(0, n) for n in (9, 9, 14, 14))).map(
    lambda e: rectangle(min(e[:2]), max(e[:2]), min(e[2:]), max(e[2:]), shape=(9, 14))
)
depths = st.integers(1, 6)


def rectangle(y: int, y_stop: int, x: int, x_stop: int, *, shape: tuple[int, int] = (10, 17)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y:y_stop, x:x_stop] = True
    return mask


def direct_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    pairs = list(zip(mask.ravel().tolist(), truth.ravel().tolist(), strict=True))
    either = sum(a or b for a, b in pairs)
    return sum(a and b for a, b in pairs) / either if either else 1.0


def direct_band(mask: np.ndarray, depth: int) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask, SQUARE, iterations=depth)


def test_iou_is_the_pixels_of_both_by_those_of_either() -> None:
    assert iou(rectangle(2, 6, 3, 8), rectangle(3, 7, 3, 8)) == 15 / 25


def test_masks_that_share_nothing_score_0() -> None:
    left, right = rectangle(0, 4, 0, 5), rectangle(0, 4, 5, 9)
    assert (iou(left, right), boundary_iou(left, right, depth=2)) == (0, 0)


def test_an_empty_answer_scores_0_unless_nothing_was_there() -> None:
    empty, mask = rectangle(0, 0, 0, 0), rectangle(2, 6, 3, 8)
    assert (iou(empty, mask), boundary_iou(empty, mask, depth=1)) == (0, 0)
    assert (iou(empty, empty), boundary_iou(empty, empty, depth=1)) == (1, 1)


def test_a_band_of_1_is_the_outermost_pixels() -> None:
    band = band_of(rectangle(2, 8, 3, 14), depth=1)
    assert (band == (rectangle(2, 8, 3, 14) & ~rectangle(3, 7, 4, 13))).all()


def test_the_edge_of_the_section_counts_as_the_edge_of_what_it_cuts() -> None:
    assert (band_of(rectangle(0, 10, 0, 17), depth=2) == ~rectangle(2, 8, 2, 15)).all()


def test_a_thin_mask_is_all_band() -> None:
    neurite = rectangle(1, 9, 6, 10)
    assert (band_of(neurite, depth=2) == neurite).all()
    assert (band_of(neurite, depth=1) != neurite).any()


def test_a_pixel_more_all_around_costs_the_band_more_than_the_area() -> None:
    truth, answer = rectangle(3, 27, 4, 34, shape=(30, 40)), rectangle(2, 28, 3, 35, shape=(30, 40))
    assert iou(answer, truth) == 24 * 30 / (26 * 32)
    inner, outer = 24 * 30 - 20 * 26, 26 * 32 - 22 * 28
    common = 24 * 30 - 22 * 28
    assert boundary_iou(answer, truth, depth=2) == common / (inner + outer - common)


@given(masks, masks)
def test_iou_is_its_formula(mask: np.ndarray, truth: np.ndarray) -> None:
    assert iou(mask, truth) == direct_iou(mask, truth) == iou(truth, mask)


@given(blobs, blobs, depths)
def test_boundary_iou_of_blobs_is_its_formula(mask: np.ndarray, truth: np.ndarray, depth: int) -> None:
    assert boundary_iou(mask, truth, depth=depth) == direct_iou(direct_band(mask, depth), direct_band(truth, depth))


@given(st.one_of(masks, st.tuples(blobs, blobs).map(lambda pair: pair[0] | pair[1])), depths)
def test_a_band_is_what_an_erosion_takes_away(mask: np.ndarray, depth: int) -> None:
    assert (band_of(mask, depth=depth) == direct_band(mask, depth)).all()


@given(blobs, depths)
def test_a_band_is_what_another_librarys_erosion_takes_away(mask: np.ndarray, depth: int) -> None:
    padded = np.pad(mask, depth).astype(np.uint8)
    edge = 2 * depth + 1
    eroded = erosion(padded, footprint_rectangle((edge, edge)))[depth:-depth, depth:-depth]
    assert (band_of(mask, depth=depth) == (mask & (eroded == 0))).all()


@given(blobs, blobs)
def test_a_band_deeper_than_the_section_is_the_whole_mask(mask: np.ndarray, truth: np.ndarray) -> None:
    assert boundary_iou(mask, truth, depth=14) == iou(mask, truth)


@given(blobs, blobs, depths, st.integers(1, 3), st.integers(1, 5))
def test_a_mask_off_the_edge_may_lie_anywhere(
    mask: np.ndarray, truth: np.ndarray, depth: int, down: int, right: int
) -> None:
    near, far = ([np.pad(m, ((a, 4 - a), (b, 6 - b))) for m in (mask, truth)] for a, b in ((1, 1), (down, right)))
    assert boundary_iou(*near, depth=depth) == boundary_iou(*far, depth=depth)


@pytest.mark.parametrize(("shape", "depth"), [((1024, 1024), 29), ((250, 250), 7), ((300, 400), 10), ((8, 9), 1)])
def test_the_published_depth_is_2_per_cent_of_the_diagonal(shape: tuple[int, int], depth: int) -> None:
    assert depth_of(shape) == depth == max(1, round(0.02 * math.sqrt(shape[0] ** 2 + shape[1] ** 2)))


def test_a_mask_of_another_shape_is_refused() -> None:
    mask, truth = np.ones((4, 6), bool), np.ones((6, 4), bool)
    with pytest.raises(ValueError, match=r"mask must have the shape of truth \(6, 4\), got \(4, 6\)"):
        iou(mask, truth)
    with pytest.raises(ValueError, match="mask must have the shape of truth"):
        boundary_iou(mask, truth, depth=1)


def test_a_band_without_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1 pixel, got 0"):
        boundary_iou(rectangle(2, 6, 3, 8), rectangle(3, 7, 3, 8), depth=0)
