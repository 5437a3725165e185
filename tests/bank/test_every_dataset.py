"""The laws that every card of the table keeps, on tiny files with the layout of the real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from savem3.bank import DATASETS, Card, load_image, load_sample

ROWS, COLUMNS = 14, 22


def write_file(card: Card, folder: Path) -> None:
    """A file of the card's name: a gradient, two cells side by side that meet in the middle, membrane between."""
    shape = (len(card.splits["all"]), ROWS, COLUMNS)
    grey = np.broadcast_to((np.arange(shape[0]) % 256).astype(np.uint8)[:, None, None], shape)
    labels = np.ones(shape, np.uint32)
    labels[:, :, COLUMNS // 2 :] = 2
    with h5py.File(folder / card.file, "w") as file:
        file.attrs["resolution_nm"] = card.voxel_size
        file[card.image] = grey
        if card.truth and card.truth.membranes:
            membranes = np.zeros(shape, np.uint8)
            membranes[:, :, 8:12] = 1
            file[card.truth.membranes] = membranes
            labels[membranes > 0] = 0
        if card.truth:
            file[card.truth.labels] = labels


@pytest.fixture(params=sorted(DATASETS))
def card(request: pytest.FixtureRequest) -> Card:
    return DATASETS[request.param]


@pytest.fixture(params=sorted(name for name, card in DATASETS.items() if card.truth))
def annotated(request: pytest.FixtureRequest) -> Card:
    return DATASETS[request.param]


@pytest.fixture(params=sorted(name for name, card in DATASETS.items() if not card.truth))
def raw(request: pytest.FixtureRequest) -> Card:
    return DATASETS[request.param]


def test_the_table_finds_a_card_by_its_name(card: Card) -> None:
    assert DATASETS[card.name] is card


def test_no_two_cards_read_the_same_file() -> None:
    assert len({card.file for card in DATASETS.values()}) == len(DATASETS)


def test_a_card_says_whom_to_thank_and_on_what_terms(card: Card) -> None:
    assert all((card.superset, card.imaging, card.species, card.licence, card.citation, card.source))


def test_what_forbids_commercial_use_is_not_permissive(card: Card) -> None:
    assert not (card.permissive and ("NC" in card.licence or "non-commercial" in card.licence))


def test_training_and_validation_share_no_section(card: Card) -> None:
    training, validation = (set(card.splits.get(split, ())) for split in ("train", "validation"))
    assert training.isdisjoint(validation)


def test_an_image_has_the_sections_of_its_split(card: Card, tmp_path: Path) -> None:
    write_file(card, tmp_path)
    for split, sections in card.splits.items():
        image = load_image(card, tmp_path, split, pixel_nm=card.voxel_size[1])
        assert image.voxels[:, 0, 0].tolist() == [z % 256 for z in sections]
        assert image.grid.origin[0] == sections.start * card.voxel_size[0]


def test_a_sample_is_offered_at_about_eight_nm(card: Card, tmp_path: Path) -> None:
    write_file(card, tmp_path)
    image = load_image(card, tmp_path, "all")
    factor = round(image.grid.voxel_size[1] / card.voxel_size[1])
    assert 7 <= image.grid.voxel_size[1] <= 10
    assert image.grid.shape[1:] == (ROWS // factor, COLUMNS // factor)


def test_a_sample_is_complete_and_carries_the_licence(annotated: Card, tmp_path: Path) -> None:
    write_file(annotated, tmp_path)
    sample = load_sample(annotated, tmp_path, "train")
    assert sample.licence == annotated.licence
    assert sample.linked == annotated.truth.linked  # type: ignore[union-attr]
    assert len({volume.grid for volume in (sample.image, sample.labels, sample.boundary, sample.distance)}) == 1
    assert len(np.unique(sample.labels.voxels[sample.labels.voxels > 0])) == 2


def test_the_boundary_of_a_sample_stands_between_its_cells(annotated: Card, tmp_path: Path) -> None:
    write_file(annotated, tmp_path)
    sample = load_sample(annotated, tmp_path, "train")
    row = sample.boundary.voxels[3, 2]
    binned = round(sample.image.grid.voxel_size[1] / annotated.voxel_size[1])
    expected = slice(8 // binned, 12 // binned) if annotated.truth.membranes else slice(10, 12)  # type: ignore[union-attr]
    assert np.flatnonzero(row).tolist() == list(range(COLUMNS // binned))[expected]
    assert (sample.distance.voxels[sample.boundary.voxels > 0] == 0).all()


def test_raw_data_gives_no_sample(raw: Card, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="card must have truth"):
        load_sample(raw, tmp_path, "all")


def test_a_split_that_does_not_exist_is_refused(card: Card, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of"):
        load_image(card, tmp_path, "test")


def test_a_missing_file_is_named_with_its_source(card: Card, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=card.file):
        load_image(card, tmp_path)


def test_a_file_of_another_voxel_size_is_refused(card: Card, tmp_path: Path) -> None:
    write_file(card, tmp_path)
    with pytest.raises(ValueError, match="must have voxels of"):
        load_image(replace(card, voxel_size=(30.0, 6.0, 4.0)), tmp_path)


def test_a_split_beyond_the_volume_is_refused(card: Card) -> None:
    beyond = range(card.splits["all"].stop + 1)
    with pytest.raises(ValueError, match="must lie within"):
        replace(card, splits={**card.splits, "train": beyond})


def test_a_cell_that_returns_into_a_crop_is_two_cells(tmp_path: Path) -> None:
    card = replace(DATASETS["fib25_training_sample2"], splits={"all": range(9), "train": range(5)})
    labels = np.full((9, 12, 20), 7, np.uint32)
    labels[:5, :, 8:12] = 3
    with h5py.File(tmp_path / card.file, "w") as file:
        file["raw"], file["labels"] = np.zeros(labels.shape, np.uint8), labels
    assert len(np.unique(load_sample(card, tmp_path, "all").labels.voxels)) == 2
    assert len(np.unique(load_sample(card, tmp_path, "train").labels.voxels)) == 3


def test_small_instances_of_single_sections_become_background(tmp_path: Path) -> None:
    card = DATASETS["isbi2012_train"]
    write_file(card, tmp_path)
    with h5py.File(tmp_path / card.file, "r+") as file:
        file["labels2d"][0, :2, :2] = 99
    assert 99 not in load_sample(card, tmp_path, "train").labels.voxels
