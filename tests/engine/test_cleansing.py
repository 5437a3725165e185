"""Operations of cleansing, one by one and together."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from savem3.engine import (
    OPERATIONS,
    Clear,
    Erode,
    HideLabels,
    HideSections,
    Move,
    Resample,
    Section,
    Tidy,
    cleanse,
    find_move,
    operation_of,
    replay,
    told,
)
from savem3.grid import Grid
from savem3.volume import Image, Labels

GRID = Grid((4, 20, 30), (40.0, 6.0, 4.0))
EXAMPLES = {
    "clear": Clear((3,)),
    "erode": Erode(1),
    "hide_labels": HideLabels((7, 2**63 + 1)),
    "hide_sections": HideSections((2,)),
    "move": Move(((0, 0), (0, 2), (-3, 2), (1, 0))),
    "resample": Resample(8.0),
    "tidy": Tidy(),
}


def volume(seed=0, grid=GRID):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, grid.shape, np.uint8)
    noise = ndimage.gaussian_filter(rng.normal(size=(4, *grid.shape)), (0, 0, 1.5, 1.5))
    labels = np.array([0, 3, 7, 2**63 + 1], np.uint64)[noise.argmax(0)]
    return Image(grey, grid), Labels(labels, grid)


def apply(operation, labels, *, grey=None, weight=None, z=0):
    """One operation on one section of labels."""
    labels = np.array(labels, np.uint64)
    grey = np.zeros(labels.shape, np.uint8) if grey is None else np.array(grey, np.uint8)
    weight = np.ones(labels.shape, np.uint8) if weight is None else weight
    grid = Grid((z + 1, *labels.shape), (40.0, 4.0, 4.0))
    return operation.apply(Section(z, grey, labels, weight), grid)


def test_every_operation_has_an_example_here():
    assert set(EXAMPLES) == set(OPERATIONS)
    assert {name: type(operation) for name, operation in EXAMPLES.items()} == OPERATIONS


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_comes_back_from_its_record(name):
    record = json.loads(json.dumps(told(EXAMPLES[name])))
    assert operation_of(record) == EXAMPLES[name]
    assert record["operation"] == name


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_nothing_is_changed_in_place(name):
    image, labels = volume()
    before = [image.voxels.copy(), labels.voxels.copy()]
    cleanse(image, labels, None, [EXAMPLES[name]])
    np.testing.assert_array_equal(image.voxels, before[0])
    np.testing.assert_array_equal(labels.voxels, before[1])


@settings(max_examples=10)
@given(st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=5), st.integers(0, 99))
def test_a_replayed_record_gives_the_same_bytes(names, seed):
    image, labels = volume(seed)
    weight = np.ones(GRID.shape, np.uint8)
    weight[1, 3:9] = 0
    operations = [EXAMPLES[name] for name in names if name != "resample"] + [Resample(8.0)] * ("resample" in names)
    done = cleanse(image, labels, weight, operations)
    again = replay(json.loads(json.dumps(done.records)), image, labels, weight)
    assert again.records == done.records
    for a, b in ((again.image, done.image), (again.labels, done.labels)):
        assert a.grid == b.grid
        assert a.voxels.tobytes() == b.voxels.tobytes()
    assert again.weight.tobytes() == done.weight.tobytes()


def test_a_record_says_what_changed_and_its_digests_form_a_chain():
    image, labels = volume()
    threes = int(np.count_nonzero(labels.voxels == 3))
    done = cleanse(image, labels, None, [Clear((3,)), HideSections((1,))])
    first, second = done.records
    assert first["changed"] == {"grey": 0, "labels": threes, "weight": 0}
    assert second["changed"] == {"grey": 0, "labels": 0, "weight": 600}
    assert first["after"] == second["before"] != first["before"]


def test_other_results_on_the_same_input_are_refused_and_another_input_is_not():
    image, labels = volume()
    records = cleanse(image, labels, None, [Erode(1)]).records
    replay(records, *volume(1), None)
    wrong = [{**records[0], "after": "0" * 64}]
    with pytest.raises(ValueError, match="erode must leave what its record says, got other bytes from the same input"):
        replay(wrong, image, labels, None)


def test_volumes_of_other_shapes_are_refused():
    image, labels = volume()
    with pytest.raises(ValueError, match=r"mask must have the image's shape \(4, 20, 30\), got \(1, 20, 30\)"):
        cleanse(image, labels, np.ones((1, 20, 30), np.uint8), [])


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"operation": "burn", "parameters": {}}, "operation must be one of clear, erode"),
        ({"operation": "erode", "parameters": {"px": 1}}, "parameters of erode must be pixels, got px"),
        ({"operation": "erode", "parameters": {"pixels": "1"}}, "pixels of erode must be a number, got '1'"),
        ({"operation": "erode", "parameters": {"pixels": True}}, "pixels of erode must be a number, got True"),
        ({"operation": "clear", "parameters": {"labels": 3}}, "labels of clear must be a list of numbers, got 3"),
        ({"operation": "move", "parameters": {"steps": [[1]]}}, "steps of move must be a list of numbers"),
    ],
)
def test_a_record_that_cannot_be_meant_is_refused(record, says):
    with pytest.raises(ValueError, match=says):
        operation_of(record)


def test_from_4_to_8_nm_grey_values_are_means_and_labels_are_nearest():
    grid = Grid((1, 2, 4), (40.0, 4.0, 4.0))
    grey = np.array([[[10, 20, 0, 255], [30, 40, 0, 0]]], np.uint8)
    labels = np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.uint64)
    done = cleanse(Image(grey, grid), Labels(labels, grid), None, [Resample(8.0)])
    assert done.image.grid == Grid((1, 1, 2), (40.0, 8.0, 8.0))
    np.testing.assert_array_equal(done.image.voxels, [[[25, 64]]])
    np.testing.assert_array_equal(done.labels.voxels, [[[6, 8]]])


def test_from_8_to_4_nm_grey_values_lie_between_and_labels_are_repeated():
    grid = Grid((1, 1, 3), (40.0, 8.0, 8.0))
    image, labels = Image(np.array([[[0, 100, 20]]], np.uint8), grid), Labels(np.array([[[5, 6, 7]]], np.uint64), grid)
    done = cleanse(image, labels, None, [Resample(4.0)])
    np.testing.assert_array_equal(done.image.voxels, [[[0, 25, 75, 80, 40, 20]] * 2])
    np.testing.assert_array_equal(done.labels.voxels, [[[5, 5, 6, 6, 7, 7]] * 2])


@given(st.integers(0, 99), st.sampled_from([4.0, 5.0, 8.0, 11.24]))
@settings(max_examples=20)
def test_resampling_makes_no_new_labels_and_leaves_z(seed, nm):
    image, labels = volume(seed)
    done = cleanse(image, labels, None, [Resample(nm)])
    assert set(np.unique(done.labels.voxels)) <= set(np.unique(labels.voxels))
    assert done.labels.grid.shape[0] == GRID.shape[0]
    assert done.labels.grid.voxel_size == (40.0, nm, nm)
    assert abs(done.labels.grid.shape[1] * nm - 120) <= nm / 2
    assert done.image.voxels.min() >= image.voxels.min()
    assert done.image.voxels.max() <= image.voxels.max()


def test_a_volume_that_is_at_the_pixel_already_stays():
    image, labels = volume(grid=Grid((2, 9, 7), (30.0, 8.0, 8.0)))
    done = cleanse(image, labels, None, [Resample(8.0)])
    assert done.image.voxels.tobytes() == image.voxels.tobytes()


def test_a_section_moves_with_its_labels_and_what_comes_in_counts_for_nothing():
    done = apply(Move(((1, -2),)), [[1, 2, 3, 4], [5, 6, 7, 8]], grey=[[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(done.labels, [[0, 0, 0, 0], [3, 4, 0, 0]])
    np.testing.assert_array_equal(done.weight, [[0, 0, 0, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(done.grey, [[3, 4, 4, 4], [3, 4, 4, 4]])


def test_moves_are_found_and_undo_what_was_done():
    rng = np.random.default_rng(5)
    tissue = ndimage.gaussian_filter(rng.normal(size=(5, 120, 150)), (1.0, 2.0, 2.0))
    tissue = ((tissue - tissue.min()) / np.ptp(tissue) * 255).astype(np.uint8)
    off = [(0, 0), (0, 0), (5, -3), (5, -3), (0, 0)]
    moved = np.stack([np.roll(s, o, (0, 1)) for s, o in zip(tissue, off, strict=True)])
    grid = Grid(moved.shape, (40.0, 6.0, 4.0))
    assert find_move(Image(moved, grid)).steps == tuple((-y, -x) for y, x in off)
    assert find_move(Image(tissue, grid)).steps == ((0, 0),) * 5


def test_sections_that_have_nothing_in_common_are_not_moved():
    grey = np.random.default_rng(0).integers(0, 256, (3, 64, 80), np.uint8)
    assert find_move(Image(grey, Grid(grey.shape, (40.0, 6.0, 4.0)))).steps == ((0, 0),) * 3


def test_moves_must_be_one_a_section():
    image, labels = volume()
    with pytest.raises(ValueError, match="steps must be one for each of the 4 sections, got 1"):
        cleanse(image, labels, None, [Move(((0, 0),))])


def test_hidden_labels_stay_labels():
    done = apply(HideLabels((2,)), [[1, 2], [2, 0]])
    np.testing.assert_array_equal(done.labels, [[1, 2], [2, 0]])
    np.testing.assert_array_equal(done.weight, [[1, 0], [0, 1]])


def test_erosion_takes_what_touches_another_label_and_leaves_the_sections_edge():
    done = apply(Erode(1), [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(done.labels, [[1, 1, 0, 0, 2], [0, 1, 0, 0, 2], [0, 0, 0, 0, 2]])


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_eroding_twice_by_one_is_eroding_by_two(seed):
    image, labels = volume(seed)
    once, twice = (cleanse(image, labels, None, ops).labels.voxels for ops in ([Erode(1)] * 2, [Erode(2)]))
    np.testing.assert_array_equal(once, twice)


def test_slivers_specks_and_holes_go():
    labels = np.zeros((12, 16), np.uint64)
    labels[2:10, 2:10] = 4
    labels[4:6, 4:6] = 0
    labels[5, 10:15] = 4
    labels[10:12, 13:15] = 9
    done = apply(Tidy(thin=2, speck=5, hole=5), labels).labels
    expected = np.zeros_like(labels)
    expected[2:10, 2:10] = 4
    np.testing.assert_array_equal(done, expected)


def test_a_hole_between_two_labels_or_at_the_edge_stays():
    labels = np.ones((6, 9), np.uint64)
    labels[:, 5:] = 2
    labels[2, 4:6] = 0
    labels[0, 1] = 0
    np.testing.assert_array_equal(apply(Tidy(thin=1, speck=1, hole=9), labels).labels, labels)


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_labels_never_take_pixels_of_others(seed):
    image, labels = volume(seed)
    for operation in (Erode(1), Tidy(), Clear((7,))):
        after = cleanse(image, labels, None, [operation]).labels.voxels
        kept = (after == labels.voxels) | (after == 0) | (labels.voxels == 0)
        assert kept.all() or isinstance(operation, Tidy)
        assert set(np.unique(after)) <= set(np.unique(labels.voxels)), asdict(operation)
