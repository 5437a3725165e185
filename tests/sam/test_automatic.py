"""Automatic masks: every cell is found once, what cannot be believed is not, and memory holds rectangles alone."""

import tracemalloc

import numpy as np
import pytest
from planted_cells import Planted, cells

from savem3.prompt import Answer, Proposer
from savem3.sam import RECIPES, AutomaticRecipe, automatic_masks, dense_neuropil, depth_of, for_tiny, sam_defaults
from savem3.sam.found import pack, ranked, tidy
from savem3.sam.peaks import peaks_of

BELIEVING = AutomaticRecipe(side=16, least_predicted_iou=0.5, least_stability=0.5)


def as_pixels(masks, shape):
    """The masks, whole, in an order of their own."""
    return sorted(mask.within(shape).tobytes() for mask in masks)


def truth(section):
    return sorted((section == cell).tobytes() for cell in np.unique(section[section > 0]))


def test_each_cell_is_found_once_though_many_points_lie_in_it():
    section = cells()
    assert isinstance(Planted(), Proposer)
    masks = automatic_masks(section, Planted(), recipe=BELIEVING)
    assert len(masks) == 12
    assert as_pixels(masks, section.shape) == truth(section)


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [("least_predicted_iou", 0.71, 0), ("least_predicted_iou", 0.7, 12), ("least_stability", 0.61, 0)],
)
def test_answers_that_are_not_believed_are_dropped(name, value, left):
    recipe = AutomaticRecipe(**{"side": 16, "least_predicted_iou": 0.5, "least_stability": 0.5, name: value})
    assert len(automatic_masks(cells(), Planted(0.7, 0.6), recipe=recipe)) == left


def test_small_masks_are_dropped():
    section = cells()
    section[:2, :] = 0
    section[0, 0] = 200
    recipe = AutomaticRecipe(side=48, least_predicted_iou=0.5, least_area=2)
    assert len(automatic_masks(section, Planted(), recipe=recipe)) == 12
    assert len(automatic_masks(section, Planted(), recipe=AutomaticRecipe(side=48, least_predicted_iou=0.5))) == 13


def test_all_that_is_proposed_for_a_point_is_looked_at():
    section = cells()
    masks = automatic_masks(section, Planted(halves=True), recipe=BELIEVING)
    assert len(masks) == 24
    assert [round(mask.score, 6) for mask in masks] == [0.9] * 12 + [0.8] * 12


def test_the_section_is_encoded_once_and_asked_about_in_batches():
    asked = Planted()
    recipe = AutomaticRecipe(side=10, least_predicted_iou=0.5, batch=7)
    automatic_masks(cells(), asked, recipe=recipe)
    assert asked.encoded == [(48, 64)]
    assert {len(batch) for batch in asked.batches} == {7, 100 % 7}
    assert sum(map(len, asked.batches)) == 100


def test_crops_find_the_same_cells_and_encode_each_crop_once():
    section, asked = cells(), Planted()
    recipe = AutomaticRecipe(side=16, crop_layers=2, least_predicted_iou=0.5)
    masks = automatic_masks(section, asked, recipe=recipe)
    assert len(asked.encoded) == 1 + 4 + 16
    assert as_pixels(masks, section.shape) == truth(section)


def test_a_crop_alone_gives_no_cut_off_cell():
    section = np.ones((40, 56), np.uint8)
    section[4:12, 3:20] = 2
    asked = OnlyCrops(shape=section.shape)
    recipe = AutomaticRecipe(side=16, crop_layers=1, least_predicted_iou=0.5)
    masks = automatic_masks(section, asked, recipe=recipe)
    assert as_pixels(masks, section.shape) == [(section == 2).tobytes()]


class OnlyCrops(Planted):
    """Finds nothing in the whole section."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def propose(self, encoded, prompts):
        return [[]] * len(prompts) if encoded.shape == self.shape else super().propose(encoded, prompts)


def test_the_masks_do_not_depend_on_the_batch():
    section = cells((50, 70))
    several = [
        automatic_masks(
            section, Planted(halves=True), recipe=AutomaticRecipe(side=9, least_predicted_iou=0.5, batch=batch)
        )
        for batch in (1, 5, 64)
    ]
    first = [(mask.box, mask.score, mask.bits.tobytes()) for mask in several[0]]
    for masks in several[1:]:
        assert [(mask.box, mask.score, mask.bits.tobytes()) for mask in masks] == first


def test_peaks_ask_each_cell_once():
    section, asked = cells((51, 76)), Planted()
    recipe = AutomaticRecipe(points="peaks", least_predicted_iou=0.5)
    depth = depth_of(np.where(section == 0, 255, 0).astype(np.uint8))
    masks = automatic_masks(section, asked, recipe=recipe, depth=depth)
    assert as_pixels(masks, section.shape) == truth(section)
    assert sum(map(len, asked.batches)) == 12


def test_a_peak_is_the_middle_of_a_cell_and_membrane_has_none():
    boundary = np.full((15, 25), 255, np.uint8)
    boundary[2:9, 3:12] = boundary[4:7, 16:19] = 127
    assert peaks_of(depth_of(boundary)).tolist() == [[5, 7], [5, 17]]
    assert len(peaks_of(np.zeros((5, 7), np.float32))) == 0


def test_peaks_need_a_depth_of_the_section():
    recipe = AutomaticRecipe(points="peaks")
    with pytest.raises(ValueError, match=r"depth must be given for points at its peaks.*got none"):
        automatic_masks(cells(), Planted(), recipe=recipe)
    with pytest.raises(ValueError, match=r"depth must be given .* got one of \(64, 48\)"):
        automatic_masks(cells(), Planted(), recipe=recipe, depth=np.zeros((64, 48), np.float32))


def test_memory_holds_a_batch_and_rectangles_never_a_section_a_point():
    section = cells((160, 216), rows=6, columns=8)
    recipe = AutomaticRecipe(side=20, least_predicted_iou=0.5, batch=4)
    automatic_masks(section, Planted(), recipe=recipe)  # compiles
    tracemalloc.start()
    masks = automatic_masks(section, Planted(), recipe=recipe)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(masks) == 6 * 8
    assert sum(mask.bits.nbytes for mask in masks) < section.size / 6
    assert peak < 30 * section.size  # all answers together would take 400 sections


def test_large_sections_are_asked_in_smaller_batches(monkeypatch):
    monkeypatch.setattr("savem3.sam.automatic.PIXELS_AT_ONCE", 3 * 48 * 64 + 1)
    asked = Planted()
    automatic_masks(cells(), asked, recipe=AutomaticRecipe(side=4, least_predicted_iou=0.5))
    assert {len(batch) for batch in asked.batches} == {3, 1}


@pytest.mark.parametrize("seed", range(8))
def test_a_packed_mask_is_the_mask(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((11, 45), bool)
    y, x = rng.integers(0, 8), rng.integers(0, 40)
    mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 25)] = True
    mask &= rng.random(mask.shape) < 0.8
    packed = pack(Answer(mask, 0.5, 0.5))
    np.testing.assert_array_equal(packed.within(mask.shape), mask)
    assert packed.area == mask.sum()
    assert packed.x % 8 == 0
    moved = pack(Answer(mask[:, 5:], 0.5, 0.5), y=2, x=5)
    np.testing.assert_array_equal(moved.within((13, 45))[2:, 5:], mask[:, 5:])


def test_small_islands_are_dropped_and_small_holes_filled():
    mask = np.zeros((12, 20), bool)
    mask[2:10, 3:15] = True
    mask[5, 6:9] = mask[7, 12] = False
    mask[0, 17:19] = mask[11, 18] = True
    tidied = tidy(Answer(mask, 0.5, 0.25), least=3)
    assert (tidied.predicted_iou, tidied.stability) == (0.5, 0.25)
    assert tidied.mask.sum() == 8 * 12 - 3
    assert not tidied.mask[5, 6:9].any()
    assert tidy(Answer(mask, 0.5), least=4).mask.sum() == 8 * 12
    assert not tidy(Answer(mask, 0.5), least=97).mask.any()
    assert (tidy(Answer(mask, 0.5), least=1).mask == mask).all()


def test_an_empty_mask_is_nothing():
    assert pack(Answer(np.zeros((4, 9), bool), 1.0)) is None


def test_of_equal_scores_the_smaller_mask_comes_first():
    wide, narrow = np.ones((3, 9), bool), np.eye(3, 9, dtype=bool)
    masks = [pack(Answer(wide, 0.5, 0.8)), pack(Answer(narrow, 0.8, 0.5)), pack(Answer(wide, 0.9))]
    assert [(mask.score, mask.area) for mask in ranked(masks)] == [(0.9, 27), (0.4, 3), (0.4, 27)]


def test_recipes_say_what_sam_and_the_method_say():
    sam, dense = sam_defaults(), dense_neuropil()
    assert (sam.side, sam.least_predicted_iou, sam.least_stability, sam.overlap_above) == (32, 0.88, 0.95, 0.7)
    assert (sam.overlap_of, sam.crop_layers) == ("box", 0)
    assert (dense.side, dense.least_predicted_iou, dense.least_stability) == (64, 0.8, 0.9)
    assert (dense.overlap_above, dense.overlap_of) == (0.7, "mask")
    assert {name: make() for name, make in RECIPES.items()}["for_tiny"] == for_tiny()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"least_stability": 1.1}, "least_stability must lie in 0–1, got 1.1"),
        ({"overlap_above": -0.1}, "overlap_above must lie in 0–1"),
        ({"side": 0}, "side and batch must be at least 1"),
        ({"crop_layers": -1}, "crop_layers at least 0, got 32, 64 and -1"),
    ],
)
def test_a_recipe_out_of_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        AutomaticRecipe(**setting)
