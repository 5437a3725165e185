"""The laws of unification (METHOD §3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompters import Drawing, by_chance, grown, the_same
from scipy import ndimage

from savem3.engine.parts import parts_of
from savem3.engine.recipe import RedrawRecipe, refinement
from savem3.engine.unifying import FATES, unify_section
from savem3.prompt import Answer, BoxPrompt

ANY = replace(RedrawRecipe(), smallest=1, boundary_gain=None)
SEEDS = st.integers(0, 10_000)


def section_of(seed, *, background=True, shape=(18, 25)):
    """Blobs that touch, some labels in several parts, large numbers among them."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(5, *shape)), (0, 2.0, 2.0))
    numbers = np.array([0 if background else 11, 3, 7, 2**63 + 1, 12], np.uint64)
    return numbers[noise.argmax(0)]


def grey_of(section):
    return (section % np.uint64(251)).astype(np.uint8)


def unify(section, draw, *, recipe=ANY, **options):
    return unify_section(grey_of(section), section, Drawing(draw), model="m", recipe=recipe, **options)


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_ids_are_preserved_and_no_new_ones_appear(seed, background):
    section = section_of(seed, background=background)
    after = unify(section, by_chance(seed)).labels
    assert set(np.unique(after)) - {0} == set(np.unique(section)) - {0}


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_a_part_that_agrees_too_little_stays_bit_for_bit(seed, background):
    section = section_of(seed, background=background)
    done = unify(section, by_chance(seed, spread=2.0))
    for redrawn, fate in zip(done.redrawn, done.fates, strict=True):
        if fate != "replaced":
            assert (done.labels[redrawn.box][redrawn.old] == redrawn.label).all()
    replaced = {r.label for r, fate in zip(done.redrawn, done.fates, strict=True) if fate == "replaced"}
    for label in set(np.unique(section)) - {0} - replaced:
        np.testing.assert_array_equal(done.labels == label, section == label)
    assert all(r.iou > 0.7 for r, fate in zip(done.redrawn, done.fates, strict=True) if fate == "replaced")


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_nobody_loses_a_pixel_that_it_still_claims(seed, background):
    section = section_of(seed, background=background)
    done = unify(section, by_chance(seed))
    given_up = np.zeros(section.shape, bool)
    for redrawn, fate in zip(done.redrawn, done.fates, strict=True):
        if fate == "replaced":
            given_up[redrawn.box] |= redrawn.old & ~redrawn.new
    changed = done.labels != section
    assert not (changed & (section > 0) & ~given_up).any()


@settings(max_examples=25)
@given(SEEDS)
def test_old_pixels_that_nobody_claims_are_cleared_and_new_ones_are_as_drawn(seed):
    section = section_of(seed)
    done = unify(section, by_chance(seed))
    claimed = {}
    for redrawn, fate in zip(done.redrawn, done.fates, strict=True):
        if fate == "replaced":
            whole = claimed.setdefault(redrawn.label, np.zeros(section.shape, bool))
            whole[redrawn.box] |= redrawn.new
    for label in set(np.unique(section)) - {0}:
        gained = (done.labels == label) & (section != label)
        assert not (gained & ~claimed.get(int(label), np.zeros(section.shape, bool))).any()
    everything = np.any(list(claimed.values()), axis=0) if claimed else np.zeros(section.shape, bool)
    assert not ((done.labels == 0) & everything).any()


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_running_twice_with_the_same_model_changes_nothing(seed, background):
    section = section_of(seed, background=background)
    once = unify(section, by_chance(seed))
    twice = unify(once.labels, by_chance(seed), settled=once.settled)
    np.testing.assert_array_equal(twice.labels, once.labels)
    assert twice.redrawn == ()
    assert twice.settled == once.settled


def test_without_marks_a_second_run_would_drift_which_is_why_there_are_some():
    section = np.zeros((20, 31), np.uint64)
    section[4:16, 5:25] = 9
    once = unify(section, grown)
    assert np.count_nonzero(unify(once.labels, grown).labels) > np.count_nonzero(once.labels)
    assert np.count_nonzero(unify(once.labels, grown, settled=once.settled).labels) == np.count_nonzero(once.labels)


def test_another_model_and_what_a_person_changed_are_asked_again():
    section = np.zeros((20, 31), np.uint64)
    section[4:16, 2:12] = 9
    section[4:16, 18:28] = 8
    once = unify(section, the_same)
    edited = once.labels.copy()
    edited[4, 2:12] = 0
    asked = Drawing(the_same)
    unify_section(grey_of(section), edited, asked, model="m", recipe=ANY, settled=once.settled)
    assert [int(prompt.mask.sum()) for prompt in asked.asked] == [110]
    other = Drawing(the_same)
    unify_section(grey_of(section), once.labels, other, model="n", recipe=ANY, settled=once.settled)
    assert len(other.asked) == 2


@settings(max_examples=25)
@given(SEEDS)
def test_renumbering_labels_renumbers_the_result(seed):
    """Scores are made to differ by where a part lies, so that no tie is decided by the numbers."""
    section = section_of(seed)

    def draw(prompt, grey):
        answer = by_chance(seed)(prompt, grey)
        return replace(answer, predicted_iou=0.3 + 0.6 * float(np.flatnonzero(prompt.mask)[0]) / prompt.mask.size)

    swap = {0: 0, 3: 12, 7: 3, 2**63 + 1: 7, 12: 2**63 + 1}
    numbers, places = np.unique(section, return_inverse=True)
    other = np.array([swap[int(n)] for n in numbers], np.uint64)[places.reshape(section.shape)]
    expected_numbers, at = np.unique(unify(section, draw).labels, return_inverse=True)
    expected = np.array([swap[int(n)] for n in expected_numbers], np.uint64)[at.reshape(section.shape)]
    np.testing.assert_array_equal(unify(other, draw).labels, expected)


def test_of_equal_scores_the_smaller_label_takes_what_nobody_has():
    section = np.zeros((34, 67), np.uint64)
    section[1:33, 1:33], section[1:33, 34:66] = 5, 4
    after = unify(section, grown).labels
    assert (after[1:33, 33] == 4).all()


def test_the_better_score_takes_what_nobody_has_whatever_the_labels():
    section = np.zeros((34, 67), np.uint64)
    section[1:33, 1:33], section[1:33, 34:66] = 5, 4

    def draw(prompt, grey):
        return replace(grown(prompt, grey), predicted_iou=0.95 if prompt.mask[1, 1] else 0.9)

    assert (unify(section, draw).labels[1:33, 33] == 5).all()


def test_what_one_part_gives_up_another_may_take():
    section = np.full((8, 30), 1, np.uint64)
    section[:, 15:] = 2

    def draw(prompt, grey):
        edge = np.zeros(prompt.mask.shape, bool)
        edge[:, :13] = True
        return Answer(edge if prompt.mask[0, 0] else ~edge, 0.9)

    after = unify(section, draw).labels
    assert (after[:, :13] == 1).all()
    assert (after[:, 13:] == 2).all()


def test_a_label_that_is_not_asked_about_keeps_all_its_pixels():
    section = np.full((8, 30), 1, np.uint64)
    section[:, 15:] = 2
    weight = np.ones(section.shape, np.uint8)
    weight[:, 15:] = 0
    done = unify(section, grown, weight=weight)
    np.testing.assert_array_equal(done.labels, section)
    assert [r.label for r in done.redrawn] == [1]


def test_two_parts_of_a_label_are_asked_about_one_by_one():
    section = np.zeros((14, 60), np.uint64)
    section[2:12, 2:22], section[2:12, 38:58] = 6, 6

    def draw(prompt, grey):
        left = prompt.mask[:, :30].any()
        return Answer(ndimage.binary_erosion(prompt.mask) if left else np.zeros_like(prompt.mask), 0.9)

    done = unify(section, draw)
    assert done.fates == ("replaced", "unlike")
    assert np.count_nonzero(done.labels[:, :30]) == 144
    np.testing.assert_array_equal(done.labels[:, 30:], section[:, 30:])
    assert len(done.queued) == 1


def test_the_threshold_itself_is_not_enough():
    section = np.zeros((5, 14), np.uint64)
    section[2, 2:12] = 1

    def draw(prompt, grey):
        mask = prompt.mask.copy()
        mask[2, 9:] = False
        return Answer(mask, 0.9)

    assert unify(section, draw).fates == ("unlike",)
    assert unify(section, draw, recipe=replace(ANY, replace_above=0.69)).fates == ("replaced",)


def test_the_better_one_of_two_masks_that_say_the_same_wins():
    section = np.zeros((12, 24), np.uint64)
    section[1:11, 1:11], section[1:11, 11:13] = 1, 2

    def draw(prompt, grey):
        mask = np.zeros(prompt.mask.shape, bool)
        mask[1:11, 1:12] = True
        return Answer(mask, 0.9 if prompt.mask[1, 1] else 0.95)

    assert unify(section, draw).fates == ("repeated", "unlike")


def test_the_guard_leaves_alone_what_would_move_off_the_membrane():
    section = np.zeros((20, 30), np.uint64)
    section[5:15, 5:25] = 3
    ring = ndimage.binary_dilation(section > 0) & (section == 0)
    evidence = np.where(ring, np.uint8(200), np.uint8(10))
    guarded = replace(ANY, boundary_gain=0.0, section_gain=0.0)

    def much(prompt, grey):
        return Answer(ndimage.binary_dilation(prompt.mask, iterations=2), 0.9)

    assert unify(section, the_same, recipe=guarded, evidence=evidence).fates == ("replaced",)
    recipe = replace(guarded, replace_above=0.5)
    assert unify(section, much, recipe=recipe, evidence=evidence).fates == ("fainter",)
    lax = replace(recipe, boundary_gain=-250.0, section_gain=-250.0)
    assert unify(section, much, recipe=lax, evidence=evidence).fates == ("replaced",)
    with pytest.raises(ValueError, match="evidence must be given where the recipe has a boundary_gain, got none"):
        unify(section, the_same, recipe=guarded)


def test_stray_pieces_of_an_answer_are_not_taken():
    section = np.zeros((12, 40), np.uint64)
    section[2:10, 2:12] = 6

    def draw(prompt, grey):
        mask = prompt.mask.copy()
        mask[3:9, 34:36] = True
        return Answer(mask, 0.9)

    np.testing.assert_array_equal(unify(section, draw).labels, section)


def test_a_section_is_encoded_once_and_not_at_all_where_nothing_is_asked():
    section = section_of(3)
    prompter = Drawing(the_same)
    unify_section(grey_of(section), section, prompter, model="m", recipe=ANY)
    assert prompter.encoded == 1
    assert len(prompter.asked) == len(list(parts_of(section)))
    prompter = Drawing(the_same)
    unify_section(grey_of(section), np.zeros_like(section), prompter, model="m", recipe=ANY)
    assert prompter.encoded == 0


def test_who_only_answers_is_enough():
    class Asked:
        def ask(self, section, prompts):
            return [the_same(prompt, section) for prompt in prompts]

    section = section_of(1)
    done = unify_section(grey_of(section), section, Asked(), model="m", recipe=ANY)
    np.testing.assert_array_equal(done.labels, section)
    assert set(done.fates) == {"replaced"} < set(FATES)


def test_refinement_asks_with_eroded_masks_and_queues_what_it_would_change_much():
    section = np.zeros((14, 30), np.uint64)
    section[2:12, 2:12], section[5:7, 20:28] = 4, 5

    def draw(prompt, grey):
        return Answer(prompt.mask, 0.9)

    prompter = Drawing(draw)
    recipe = replace(refinement(erode=2), smallest=1, boundary_gain=None)
    done = unify_section(grey_of(section), section, prompter, model="m", recipe=recipe)
    assert [int(p.mask.sum()) for p in prompter.asked] == [36, 16]
    assert done.fates == ("unlike", "replaced")
    assert [r.label for r in done.queued] == [4]


def test_a_box_may_be_the_prompt():
    section = np.zeros((9, 13), np.uint64)
    section[2:5, 3:9] = 1

    def draw(prompt, grey):
        assert prompt == BoxPrompt(6, 2.0, 5.0, 3.0, 9.0)
        return Answer(section == 1, 0.9)

    assert unify(section, draw, recipe=replace(ANY, prompt="box"), z=6).fates == ("replaced",)


@pytest.mark.parametrize("wrong", [{"replace_above": 1.1}, {"review_below": 0.8}, {"erode": -1}, {"smallest": 0}])
def test_a_recipe_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        RedrawRecipe(**wrong)


@pytest.mark.parametrize(("off", "fates"), [(0, {"fainter"}), (2, {"replaced"})])
def test_a_section_whose_outlines_lie_well_on_the_whole_is_left_alone(off, fates):
    truth = np.zeros((40, 120), np.uint64)
    for i in range(4):
        truth[6:34, 5 + 29 * i : 30 + 29 * i] = i + 1
    walls = np.where(ndimage.binary_dilation(truth > 0) & (truth == 0), np.uint8(200), np.uint8(10))
    section = np.roll(truth, off, 0)

    def draw(prompt, grey):
        return Answer(truth == section[prompt.mask][0], 0.9)

    recipe = replace(ANY, boundary_gain=0.0, section_gain=28.0)
    done = unify(section, draw, recipe=recipe, evidence=walls)
    assert set(done.fates) == fates
    np.testing.assert_array_equal(done.labels, section if fates == {"fainter"} else truth)
