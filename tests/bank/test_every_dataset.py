"""The laws that every card of the table keeps, on tiny files in each of the layouts of the real ones."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_datasets import AROUND, COLUMNS, ROWS, grey_of, labels_of, small, write

from savem3.bank import DATASETS, Block, Card, Layout, check_card, is_here, load_image, load_sample
from savem3.bank.layout import apply_mapping

CARDS = sorted(DATASETS)
LAYOUTS = [(name, i) for name in CARDS for i in range(len(DATASETS[name].blocks[0].layouts))]
ANNOTATED = [(name, i) for name, i in LAYOUTS if DATASETS[name].is_annotated]


def image_of(name: str, layout: int) -> str:
    return DATASETS[name].blocks[0].layouts[layout].image


def named(pair: tuple[str, int]) -> str:
    return f"{pair[0]}-{pair[1]}"


@pytest.fixture(params=CARDS)
def whole(request: pytest.FixtureRequest) -> Card:
    return DATASETS[request.param]


@pytest.fixture(params=LAYOUTS, ids=named)
def card(request: pytest.FixtureRequest) -> Card:
    name, layout = request.param
    return small(DATASETS[name], layout=layout)


@pytest.fixture(params=ANNOTATED, ids=named)
def annotated(request: pytest.FixtureRequest) -> Card:
    name, layout = request.param
    return small(DATASETS[name], layout=layout)


@pytest.fixture(params=[(n, i) for n, i in LAYOUTS if not image_of(n, i).endswith(".tif")], ids=named)
def sized(request: pytest.FixtureRequest) -> Card:
    """A card in a layout whose files say a voxel size."""
    name, layout = request.param
    return small(DATASETS[name], layout=layout)


def native(card: Card) -> float:
    return card.voxel_size[1]


def test_the_table_finds_a_card_by_its_name() -> None:
    assert all(DATASETS[name].name == name for name in CARDS)


def test_no_two_blocks_read_the_same_file() -> None:
    places = [
        place.partition(":")[0]
        for card in DATASETS.values()
        for block in card.blocks
        for layout in block.layouts
        for place in {layout.image.partition(":")[0]}
    ]
    assert len(set(places)) == len(places)


def test_a_card_says_whom_to_thank_and_on_what_terms(whole: Card) -> None:
    facts = (whole.superset, whole.dataset, whole.imaging, whole.species, whole.licence, whole.citation, whole.source)
    assert all(facts)


def test_what_forbids_commercial_use_or_is_not_known_is_not_permissive(whole: Card) -> None:
    doubtful = any(word in whole.licence for word in ("NC", "non-commercial", "unknown"))
    assert not (whole.permissive and doubtful)


def test_training_validation_and_test_share_no_section(whole: Card) -> None:
    for block in whole.blocks:
        sections = [z for split in block.splits.values() for z in split]
        assert len(set(sections)) == len(sections)


def test_the_datasets_of_the_method_are_all_there() -> None:
    method = {"SNEMI3D", "AxonEM-H", "FIB-25", "HemiBrain", "CREMI-A", "CREMI-B", "CREMI-C", "AxonEM-M", "J0126"}
    assert method | {"SegEM"} <= {card.dataset for card in DATASETS.values() if card.is_annotated}


def test_an_image_has_the_sections_of_its_split_and_no_padding(card: Card, tmp_path: Path) -> None:
    write(card, tmp_path)
    for block in card.blocks:
        expected = grey_of(block.shape)
        for split in ("all", *block.splits):
            sections = card.sections(split, block.name)
            image = load_image(card, tmp_path, split, block=block.name, pixel_nm=native(card))
            np.testing.assert_array_equal(image.voxels, expected[sections.start : sections.stop])
            assert image.grid.voxel_size == card.voxel_size
            assert image.grid.origin[0] == sections.start * card.voxel_size[0]


def test_labels_lie_on_the_voxels_that_they_were_drawn_on(annotated: Card, tmp_path: Path) -> None:
    write(annotated, tmp_path)
    block = annotated.blocks[-1]
    sample = load_sample(annotated, tmp_path, "all", block=block.name, pixel_nm=native(annotated))
    expected = labels_of(np.asarray(sample.image.voxels))
    if block.layouts[0].membranes:
        expected[:, :, 8:12] = 0
    np.testing.assert_array_equal(sample.labels.voxels, expected)
    assert len({volume.grid for volume in (sample.image, sample.labels, sample.boundary, sample.distance)}) == 1


def test_a_sample_is_offered_at_about_eight_nm(card: Card, tmp_path: Path) -> None:
    write(card, tmp_path)
    image = load_image(card, tmp_path, "all", block=card.blocks[0].name)
    factor = round(image.grid.voxel_size[1] / card.voxel_size[1])
    assert 6 <= image.grid.voxel_size[1] <= 11.24
    assert image.grid.shape[1:] == (ROWS // factor, COLUMNS // factor)


def test_a_sample_carries_the_licence_and_the_name_of_its_card(annotated: Card, tmp_path: Path) -> None:
    write(annotated, tmp_path)
    sample = load_sample(annotated, tmp_path, "all", block=annotated.blocks[0].name)
    assert sample.licence == annotated.licence
    assert sample.linked == annotated.linked
    assert sample.name.split("/")[:2] == [annotated.name, "all"]
    assert (sample.distance.voxels[sample.boundary.voxels > 0] == 0).all()


def test_nothing_is_written_where_a_dataset_is_read(card: Card, tmp_path: Path) -> None:
    write(card, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    load_image(card, tmp_path, "all", block=card.blocks[0].name)
    check_card(card, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_folder_that_holds_a_dataset_passes_the_check(card: Card, tmp_path: Path) -> None:
    write(card, tmp_path)
    assert [one.problem for one in check_card(card, tmp_path)] == [""] * len(card.blocks)
    assert is_here(card, tmp_path)


def test_a_missing_file_is_named_with_its_source(card: Card, tmp_path: Path) -> None:
    (one, *_) = check_card(card, tmp_path)
    assert one.is_missing
    assert not is_here(card, tmp_path)
    place = card.blocks[0].layouts[0].image.partition(":")[0]
    assert one.problem == f"{card.name} must lie at {tmp_path / place}; get it from {card.source}"
    with pytest.raises(FileNotFoundError, match="get it from"):
        load_image(card, tmp_path, block=card.blocks[0].name)


def test_exchanged_axes_are_refused_with_the_file_and_the_page(card: Card, tmp_path: Path) -> None:
    write(card, tmp_path, turn=True)
    (one, *_) = check_card(card, tmp_path)
    file = Path(card.blocks[0].layouts[0].image.partition(":")[0]).name.partition("*")[0]
    assert file in one.problem
    assert card.source in one.problem
    assert "must" in one.problem
    with pytest.raises(ValueError, match="must"):
        load_image(card, tmp_path, block=card.blocks[0].name)


def test_a_file_of_another_voxel_size_is_refused(sized: Card, tmp_path: Path) -> None:
    write(sized, tmp_path, voxel_size=(31.0, 6.5, 4.5))
    with pytest.raises(ValueError, match=r"must have voxels of .* got \(31"):
        load_image(sized, tmp_path, block=sized.blocks[0].name)


def test_a_split_that_does_not_exist_is_refused(whole: Card, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of"):
        load_image(whole, tmp_path, "exam", block=whole.blocks[0].name)


def test_raw_data_gives_no_sample(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="card must have truth"):
        load_sample(DATASETS["vnc_stack2_raw"], tmp_path, "all")


def test_a_block_is_named_where_there_are_several(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"block must be one of 950-0-0, .* got None"):
        load_image(DATASETS["axonem_h"], tmp_path)


def test_a_split_beyond_its_block_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie within"):
        Block("tiny", (5, 6, 7), (Layout("raw.h5"),), splits={"train": range(6)})


def test_labels_that_are_padded_like_their_image_are_cropped_too(tmp_path: Path) -> None:
    card = small(DATASETS["axonem_h"], blocks=1)
    write(card, tmp_path)
    (block,) = card.blocks
    wide = tuple(n + 2 * p for n, p in zip(block.shape, AROUND, strict=True))
    with h5py.File(next(tmp_path.rglob("seg_*.h5")), "r+") as file:
        del file["main"]
        file["main"] = labels_of(grey_of(wide, AROUND)).astype(np.uint16)
    sample = load_sample(card, tmp_path, "all", pixel_nm=native(card))
    np.testing.assert_array_equal(sample.labels.voxels, labels_of(np.asarray(sample.image.voxels)))


def test_labels_that_reach_out_of_their_image_are_refused(tmp_path: Path) -> None:
    card = small(DATASETS["cremi_b"], layout=1)
    write(card, tmp_path)
    with h5py.File(next(tmp_path.glob("*.hdf")), "r+") as file:
        file["volumes/labels/neuron_ids"].attrs["offset"] = (40.0 * 5, 12.0, 20.0)
    with pytest.raises(ValueError, match=r"must hold all of its labels, .* from \(5, 3, 5\)"):
        load_sample(card, tmp_path, "all")


def test_labels_between_the_voxels_of_their_image_are_refused(tmp_path: Path) -> None:
    card = small(DATASETS["cremi_b"], layout=1)
    write(card, tmp_path)
    with h5py.File(next(tmp_path.glob("*.hdf")), "r+") as file:
        file["volumes/labels/neuron_ids"].attrs["offset"] = (80.0, 12.0, 18.0)
    with pytest.raises(ValueError, match="must lie a whole number of voxels from its labels"):
        load_sample(card, tmp_path, "all")


def test_stored_numbers_without_their_table_are_refused(tmp_path: Path) -> None:
    card = small(DATASETS["fib25_training_sample2"], layout=1)
    write(card, tmp_path)
    with h5py.File(tmp_path / "training_sample2/groundtruth.h5", "r+") as file:
        del file["transforms"]
    (one,) = check_card(card, tmp_path)
    assert "groundtruth.h5:transforms must be a table of pairs of numbers, got none" in one.problem


def test_a_number_that_means_two_cells_is_refused() -> None:
    labels = np.array([[[1, 2, 3]]], np.uint64)
    np.testing.assert_array_equal(apply_mapping(labels, np.array([[1, 7], [3, 9], [3, 9]])), [[[7, 2, 9]]])
    with pytest.raises(ValueError, match="mapping must say one meaning of each number"):
        apply_mapping(labels, np.array([[1, 7], [1, 9]]))


def test_numbers_that_are_no_cells_are_background(tmp_path: Path) -> None:
    card = small(DATASETS["cremi_a"])
    write(card, tmp_path)
    with h5py.File(next(tmp_path.glob("*.hdf")), "r+") as file:
        labels = file["volumes/labels/neuron_ids"][()].astype(np.uint64)
        labels[3, 4:8] = 2**64 - 3
        del file["volumes/labels/neuron_ids"]
        file["volumes/labels/neuron_ids"] = labels
    sample = load_sample(card, tmp_path, "all", pixel_nm=4.0)
    assert (sample.labels.voxels[3, 4:8] == 0).all()
    assert sample.labels.voxels.max() == 2


def test_a_cell_that_returns_into_a_crop_is_two_cells(tmp_path: Path) -> None:
    (layout, *_) = DATASETS["fib25_training_sample2"].blocks[0].layouts
    block = Block("tiny", (9, 12, 20), (layout,), splits={"train": range(5)})
    card = replace(DATASETS["fib25_training_sample2"], blocks=(block,))
    labels = np.full((9, 12, 20), 7, np.uint32)
    labels[:5, :, 8:12] = 3
    with h5py.File(tmp_path / "fib25_training_sample2.h5", "w") as file:
        file["raw"], file["labels"] = np.zeros(labels.shape, np.uint8), labels
    assert len(np.unique(load_sample(card, tmp_path, "all").labels.voxels)) == 2
    assert len(np.unique(load_sample(card, tmp_path, "train").labels.voxels)) == 3


def test_small_instances_of_single_sections_become_background(tmp_path: Path) -> None:
    card = small(DATASETS["isbi2012_train"])
    write(card, tmp_path)
    with h5py.File(tmp_path / "isbi2012_train.h5", "r+") as file:
        file["labels2d"][0, :2, :2] = 99
    assert 99 not in load_sample(card, tmp_path, "train").labels.voxels


@pytest.mark.real
@pytest.mark.parametrize("name", [n for n in CARDS if n.startswith(("fib25_", "gala", "isbi", "vnc"))])
def test_the_real_files_are_as_their_cards_say(name: str) -> None:
    assert [one.problem for one in check_card(DATASETS[name], Path(os.environ["SAVEM3_DATA"]))] == [""]
