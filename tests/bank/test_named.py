"""Volumes by name: what a command line may call them."""

from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import small, write

from savem3.bank import DATASETS, card_of, keep_sections, load_named, own_sample
from savem3.grid import Grid
from savem3.volume import Image, Labels


def own(shape=(3, 16, 20), *, labels_shape=None):
    grid = Grid(shape, (30.0, 6.0, 4.0))
    labels = np.ones(labels_shape or shape, np.uint64)
    labels[..., 10:] = 2
    image = Image(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), grid)
    return image, Labels(labels, Grid(labels.shape, grid.voxel_size))


def test_drawn_volumes_come_in_the_number_asked_for_isotropic_and_thick_by_turns(monkeypatch):
    small = Grid((12, 24, 32), (10.0, 10.0, 10.0)), Grid((4, 24, 32), (40.0, 8.0, 8.0))
    monkeypatch.setattr("savem3.bank.named.DRAWN", small)
    first, second = load_named("synthetic:2", Path(), cards=DATASETS)
    assert first.image.grid.is_isotropic
    assert not second.image.grid.is_isotropic


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fib26:train", "name must begin with one of ac3, axonem_h"),
        ("fib25_training_sample2", "must be CARD:SPLIT"),
        ("gala_fib_train:all:1-2:3", "must be CARD:SPLIT"),
        ("axonem_h/7:train", "block must be one of 950-0-0, .* of axonem_h, got '7'"),
        ("axonem_h:validation", r"split must be one of \['all', 'test', 'train'\] of axonem_h"),
        ("vnc_stack2_raw:all", "card must have truth"),
        ("synthetic:many", "name must begin with one of"),
        ("fib25_training_sample2:tain", "split must be one of"),
    ],
)
def test_other_names_are_refused_with_what_there_is(name, message):
    with pytest.raises(ValueError, match=message):
        load_named(name, Path(), cards=DATASETS)


def test_a_name_has_its_card():
    assert card_of("vnc_stack1:train", cards=DATASETS) is DATASETS["vnc_stack1"]


def test_a_split_of_several_blocks_gives_a_volume_each(tmp_path):
    card = small(DATASETS["axonem_m"], blocks=9)
    write(card, tmp_path)
    test = load_named("axonem_m:test", tmp_path, cards={"axonem_m": card})
    assert [sample.name for sample in test] == [
        f"axonem_m/test/{block}" for block in ("0-0-3584", "0-3584-0", "0-3584-3584", "700-0-0")
    ]
    (one,) = load_named("axonem_m/0-3584-0:test:3-5", tmp_path, cards={"axonem_m": card})
    np.testing.assert_array_equal(one.labels.voxels, test[1].labels.voxels[3:6])


def test_sections_are_kept_from_the_first_to_the_last():
    sample = own_sample("mine", *own(), licence="mine")
    kept = keep_sections(sample, "1-2")
    np.testing.assert_array_equal(kept.image.read(kept.image.grid.box), sample.image.voxels[1:])
    assert kept.boundary.grid.shape == kept.labels.grid.shape == (2, 16, 20)
    assert kept.name == "mine:1-2"


@pytest.mark.parametrize("sections", ["2-3", "2-1", "1", "-1-2", "a-b"])
def test_sections_that_are_not_there_are_refused(sections):
    with pytest.raises(ValueError, match="sections must be FIRST-LAST within 0-2"):
        keep_sections(own_sample("mine", *own(), licence="mine"), sections)


def test_an_own_volume_has_membranes_where_its_cells_touch():
    sample = own_sample("mine", *own(), licence="mine")
    boundary = sample.boundary.voxels
    assert (boundary[:, :, 9:11] == 255).all()
    assert (boundary[:, :, :5] == 0).all()
    assert sample.distance.voxels[:, :, 9:11].max() == 0 < sample.distance.voxels[:, :, 0].min()


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"labels must have the image's shape \(3, 16, 20\), got \(3, 16, 21\)"):
        own_sample("mine", *own(labels_shape=(3, 16, 21)), licence="mine")
