"""Masks of a volume: section by section, resumable, with a picture and a record; no number in two sections."""

import json
import warnings
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from PIL import Image as Picture
from scipy import ndimage

from savem3.cli import run
from savem3.grid import Grid
from savem3.prompt import Answer
from savem3.runs.masks import MaskFiles, digest_of_folder, draw_masks, stages_of
from savem3.sam import AutomaticRecipe
from savem3.sam.sections import FindMasks
from savem3.store import open_boundary, open_labels
from savem3.teacher import Look
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels

GRID = Grid((3, 30, 44), (40.0, 6.0, 5.0))
BRIGHT = 180


def volume():
    """Cells with dark walls, moved on from section to section."""
    z, y, x = np.indices(GRID.shape)
    wall = ((y + z) % 14 < 2) | (x % 15 < 2)
    return Image(np.where(wall, 40, BRIGHT).astype(np.uint8), GRID)


@dataclass(frozen=True)
class Sees:
    """Draws walls as boundary, and answers a point with the bright pixels that are connected with it."""

    def look_at(self, sections):
        assert sections.shape[1] % 8 == sections.shape[2] % 8 == 0
        wall = (sections < 0).astype(np.float32)
        batch, height, width = sections.shape
        feature = np.zeros((batch, 1, height // 2, width // 2), np.float32)
        return Look(wall, None, feature, np.zeros((batch, 1, height // 8, width // 8), np.float32))

    def encode(self, section):
        return section

    def propose(self, encoded, prompts):
        return [[answer] for answer in self.answer(encoded, prompts)]

    def answer(self, encoded, prompts):
        parts, _ = ndimage.label(encoded == BRIGHT)
        found = [parts[int(p.y[0]), int(p.x[0])] for p in prompts]
        return [Answer((parts == part) & (part > 0), 0.9) for part in found]

    def ask(self, section, prompts):
        return self.answer(section, prompts)


def finder(**changes):
    recipe = AutomaticRecipe(points="peaks", least_predicted_iou=0.5, least_area=4)
    settings = {"recipe": recipe, "teacher": Sees, "intensity": IntensityMap(40.0, 180.0)} | changes
    return FindMasks(volume(), Sees, **settings)


def tiles():
    return split(GRID.shape, block=(1, 30, 44))


def test_each_section_gets_its_cells_and_no_number_is_in_two_sections():
    numbers = []
    for tile in tiles():
        product = finder()(tile)
        labels = product.volumes["labels"]
        raw = volume().read(tile.write)
        np.testing.assert_array_equal(labels > 0, raw == BRIGHT)
        numbers.append(set(np.unique(labels[labels > 0]).tolist()))
        assert len(numbers[-1]) == product.tables["objects"][0] == len(product.tables["area"])
        np.testing.assert_array_equal(product.volumes["boundary"] == 255, raw == 40)
    assert [len(cells) for cells in numbers] == [6, 9, 9]
    assert len(set.union(*numbers)) == sum(map(len, numbers))


def test_filling_leaves_no_pixel_out():
    assert (finder(fill=True)(tiles()[1]).volumes["labels"] > 0).all()


def test_who_only_answers_prompts_is_asked_on_a_grid_and_leaves_no_boundary():
    grid = AutomaticRecipe(side=20, least_predicted_iou=0.5)
    product = finder(teacher=None, recipe=grid)(tiles()[0])
    assert set(product.volumes) == {"labels"}
    assert product.tables["objects"][0] == 6
    with pytest.raises(ValueError, match="teacher must draw a boundary map to ask at its peaks"):
        finder(teacher=None)
    with pytest.raises(ValueError, match="teacher must draw a boundary map to fill"):
        finder(teacher=None, recipe=grid, fill=True)


def test_a_block_must_be_a_whole_section():
    with pytest.raises(ValueError, match="tile must be one whole section"):
        finder()(split(GRID.shape, block=(2, 30, 44))[0])


def test_stages_leave_out_a_boundary_that_nobody_draws(tmp_path):
    files = MaskFiles(tmp_path, Grid((2, 600, 500), (40.0, 5.0, 5.0)))
    both = [stage.name for stage in stages_of(finder(), files)]
    grid = AutomaticRecipe(side=20)
    assert both == ["masks", "labels level 1", "boundary level 1"]
    assert [stage.name for stage in stages_of(finder(teacher=None, recipe=grid), files)] == both[:2]


def test_the_picture_shows_three_sections_in_three_ways():
    image = volume()
    labels = Labels((image.read(GRID.box) == BRIGHT).astype(np.uint64), GRID)
    boundary = BoundaryMap(255 * (image.read(GRID.box) == 40).astype(np.uint8), GRID)
    picture = np.asarray(draw_masks(image, labels, boundary))
    rows, columns = 30 * 16, 44 * 16
    assert picture.shape == (3 * rows + 12, 3 * columns + 12, 3)
    assert draw_masks(image, labels, None).size == (2 * columns + 6, 3 * rows + 12)
    outlines, membrane = picture[:rows, :columns], picture[:rows, -columns:]
    assert np.ptp(outlines.astype(int), axis=2).max() > 50
    assert np.ptp(membrane.astype(int), axis=2).max() == 0
    assert set(np.unique(membrane)) == {0, 255}


def test_a_folder_without_weights_is_no_teacher(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"teacher must be a folder with config.json and .safetensors"):
        digest_of_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"1")
    first = digest_of_folder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert digest_of_folder(tmp_path) != first


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Masks of two sections, by the command."""
    folder = tmp_path_factory.mktemp("my masks")
    with h5py.File(folder / "cells.h5", "w") as file:
        file["raw"] = volume().read(GRID.box)
    assert masks(folder) == 0
    return folder


def masks(folder, *options):
    command = ["masks", f"{folder}/cells.h5:raw", f"{folder}/out", "--voxel-size", "40,6,5", "--sections", "1:3"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run([*command, "--threads", "1", "--fill", *options])


def test_the_command_leaves_labels_a_boundary_map_a_picture_and_a_record(done):
    labels, boundary = open_labels(done / "out" / "labels.zarr"), open_boundary(done / "out" / "boundary.zarr")
    assert labels.grid.shape == boundary.grid.shape == (2, 30, 44)
    assert labels.grid.voxel_size == (40, 6, 5)
    record = json.loads((done / "out" / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["sections"] == 2
    assert record["objects"] == len(np.unique(labels.load().voxels))
    assert set(record["seconds"]) >= {"survey", "masks", "picture"}
    with Picture.open(done / "out" / "picture.png") as picture:
        assert picture.size == (3 * 44 * 16 + 12, 2 * 30 * 16 + 6)


def test_what_is_there_is_kept_and_only_what_is_missing_is_done_again(done, capsys):
    assert masks(done) == 4
    assert "--resume" in capsys.readouterr().err
    before = open_labels(done / "out" / "labels.zarr").load().voxels
    records = done / "out" / "done" / "masks"
    kept = (records / "0.json").stat().st_mtime_ns
    (records / "1.json").unlink()
    assert masks(done, "--resume") == 0
    assert (records / "0.json").stat().st_mtime_ns == kept
    assert (records / "1.json").exists()
    np.testing.assert_array_equal(open_labels(done / "out" / "labels.zarr").load().voxels, before)


def test_another_recipe_is_another_run(done, capsys):
    assert masks(done, "--resume", "--side", "4") == 4
    assert "settings.recipe" in capsys.readouterr().err


def test_an_unknown_teacher_is_named(done, capsys):
    assert masks(done, "--overwrite", "--teacher", "nobody") == 2
    assert "model must be a shipped one" in capsys.readouterr().err
    assert (done / "out" / "run.json").is_file()


@pytest.mark.slow
def test_a_folder_of_a_sam_answers_too(done):
    transformers = pytest.importorskip("transformers")
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "mlp_dim": 8}
    sizes = {"output_channels": 8, "num_pos_feats": 4, "window_size": 2, "global_attn_indexes": [0]}
    config = transformers.SamConfig(
        vision_config=vision | sizes,
        prompt_encoder_config={"hidden_size": 8, "image_size": 64, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 8, "mlp_dim": 8, "num_attention_heads": 2, "iou_head_hidden_dim": 8},
    )
    transformers.SamModel(config).save_pretrained(done / "sam")
    command = ["masks", f"{done}/cells.h5:raw", f"{done}/by_sam", "--voxel-size", "40,6,5", "--sections", "0:2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run([*command, "--threads", "1", "--side", "3", "--teacher", str(done / "sam")]) == 0
        assert open_labels(done / "by_sam" / "labels.zarr").grid.shape == (2, 30, 44)
        assert not (done / "by_sam" / "boundary.zarr").exists()
        assert run([*command, "--teacher", str(done / "sam"), "--fill", "--overwrite"]) == 2
