"""A user's own card: believed where every word of it can be meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_datasets import grey_of, labels_of, write_hdf5, write_n5, write_precomputed, write_zarr

from savem3.bank import DATASETS, card_of, cards_in, check_card, load_named, read_own, refuse_leakage

VOXEL_SIZE = (30.0, 6.0, 4.0)
SHAPE = (9, 14, 22)
WRITERS = {"raw.zarr": write_zarr, "raw.n5": write_n5, "raw": write_precomputed}

CARD = """
name = "my_cortex"
superset = "{superset}"
imaging = "SBEM"
species = "Mus musculus"
voxel_size_nm = [30, 6, 4.0]
licence = "mine"
permissive = true

[[blocks]]
name = "a"
image = "{image}"
labels = "labels.h5:labels"
splits = {{ train = [0, 4], test = [6, 8] }}
"""


def write_own(folder: Path, *, image: str = "raw.zarr", superset: str = "my cortex") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    grey = grey_of(SHAPE)
    WRITERS[image](folder / image, "", grey, VOXEL_SIZE, (0, 0, 0))
    write_hdf5(folder / "labels.h5", "labels", labels_of(grey), VOXEL_SIZE, (0, 0, 0))
    (folder / "card.toml").write_text(CARD.format(image=image, superset=superset))
    return folder / "card.toml"


@pytest.mark.parametrize("image", WRITERS)
def test_own_volumes_are_read_in_any_format_as_their_card_says(tmp_path, image):
    write_own(tmp_path, image=image)
    (sample,) = load_named("my_cortex:test", tmp_path, cards=cards_in(tmp_path))
    assert sample.name == "my_cortex/test"
    assert sample.image.grid.shape == (3, 14, 22)
    (whole,) = load_named("my_cortex:all", tmp_path, cards=cards_in(tmp_path))
    np.testing.assert_array_equal(whole.labels.voxels, labels_of(whole.image.voxels))
    card = read_own(tmp_path / "card.toml")
    assert card.voxel_size == VOXEL_SIZE
    assert card.blocks[0].shape == SHAPE
    assert [one.problem for one in check_card(card, tmp_path)] == [""]


def test_an_own_card_in_a_folder_below_is_found_with_its_volumes(tmp_path):
    write_own(tmp_path / "mine")
    cards = cards_in(tmp_path)
    assert set(cards) - set(DATASETS) == {"my_cortex"}
    (sample,) = load_named("my_cortex/a:train:1-2", tmp_path, cards=cards)
    assert len(sample.image.voxels) == 2


def test_without_own_cards_the_table_is_all_there_is(tmp_path):
    assert cards_in(tmp_path) == DATASETS


@pytest.mark.parametrize("superset", ["FAFB", "fafb", "cremi_b", "CREMI-A"])
def test_an_own_volume_of_a_known_tissue_does_not_train_for_its_test(tmp_path, superset):
    write_own(tmp_path, superset=superset)
    own = card_of("my_cortex:train", cards=cards_in(tmp_path))
    with pytest.raises(ValueError, match="got my_cortex and cremi_b, both of FAFB"):
        refuse_leakage([own], [DATASETS["cremi_b"]])
    refuse_leakage([own], [DATASETS["ac3"]])


@pytest.mark.parametrize(("superset", "meant"), [("Kasturi", "Kasthuri"), ("HemiBrian", "HemiBrain")])
def test_a_slip_in_a_tissue_is_asked_about(tmp_path, superset, meant):
    write_own(tmp_path, superset=superset)
    with pytest.raises(ValueError, match=rf"got '{superset}'; did you mean '{meant}'\? \(in .*card.toml\)"):
        cards_in(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("imaging =", "imagin =", r"got 'imagin'; did you mean 'imaging'\?"),
        ('labels = "labels', 'lables = "labels', r"got 'lables'; did you mean 'labels'\?"),
        ('name = "my_cortex"', "name = 3", "'name' in .* must be text, got 3"),
        ('name = "my_cortex"', 'name = "Cremi A"', "must be unlike those of other cards, got 'Cremi A'"),
        ('name = "my_cortex"', 'name = "my:cortex"', "must have no ':' or '/'"),
        ("[30, 6, 4.0]", "[30, 6]", "must be three lengths above 0 in nm"),
        ("[30, 6, 4.0]", "[30, 0, 4]", "must be three lengths above 0 in nm"),
        ("[30, 6, 4.0]", "[30, nan, 4]", "must be three lengths above 0 in nm"),
        ("permissive = true", 'permissive = "yes"', "'permissive' in .* must be true or false, got 'yes'"),
        ("permissive = true", "", "'permissive' in .* must be true or false, got nothing"),
        ("[0, 4]", "[4, 0]", r"must be \[first, last\] section, got \[4, 0\]"),
        ("[0, 4]", "[0, 9]", "must lie within"),
        ("train = [0, 4]", "all = [0, 4]", "must be a table without 'all'"),
        ("labels.h5:labels", "../labels.h5:labels", r"must lie in the card's folder, without '..' or '\*'"),
        ("[[blocks]]", "[blocks]", "must hold at least one table"),
        ('superset = "my cortex"', 'superset = "-"', "superset must name the tissue"),
        ("imaging", "imaging = [", "must be valid TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(tmp_path, old, new, message):
    file = write_own(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        cards_in(tmp_path)


def test_a_volume_that_is_not_there_is_named(tmp_path):
    file = write_own(tmp_path)
    (tmp_path / "labels.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"must name volumes that are there, got none at .*labels\.h5"):
        read_own(file)


def test_an_image_of_another_shape_than_its_labels_is_refused(tmp_path):
    write_own(tmp_path)
    write_hdf5(tmp_path / "labels.h5", "fewer", labels_of(grey_of(SHAPE))[:, :-1], VOXEL_SIZE, (0, 0, 0))
    file = tmp_path / "card.toml"
    file.write_text(file.read_text().replace("labels.h5:labels", "labels.h5:fewer"))
    with pytest.raises(ValueError, match=r"raw.zarr must have \(9, 13, 22\) voxels"):
        load_named("my_cortex:train", tmp_path, cards=cards_in(tmp_path))


def test_grey_values_of_16_bits_pass_one_intensity_map(tmp_path):
    write_own(tmp_path)
    write_hdf5(tmp_path / "deep.h5", "raw", grey_of(SHAPE).astype(np.uint16) * 200 + 1000, VOXEL_SIZE, (0, 0, 0))
    file = tmp_path / "card.toml"
    file.write_text(file.read_text().replace("raw.zarr", "deep.h5:raw"))
    (sample,) = load_named("my_cortex:all", tmp_path, cards=cards_in(tmp_path))
    assert sample.image.voxels.dtype == np.uint8
    assert np.ptp(sample.image.voxels) > 100
