"""Contrast, voxel size, values and sizes: what a whole volume can have wrong, and what a user reads then."""

import json

import h5py
import numpy as np
import pytest
from damage import VOXEL_SIZE, blackened, damaged, folded, tissue

from savem3.check import (
    check_image,
    darkness_of_lines,
    doubtful_axes,
    draw_finding,
    edges_by_likeness,
    find_bad_values,
    hide_bad_values,
)
from savem3.cli import run
from savem3.grid import Grid
from savem3.shipped import EXAMPLE
from savem3.store import open_image, open_stored
from savem3.volume import Image


@pytest.fixture(scope="module")
def crop():
    return open_image(f"{EXAMPLE}:raw").load()


def thinned(image, *, axis, step):
    """Every so many voxels along an axis, as if sections were thick; the voxel size says so."""
    index = [slice(None)] * 3
    index[axis] = slice(None, None, step)
    voxels = np.ascontiguousarray(np.asarray(image.voxels)[tuple(index)])
    edges = [edge * step if i == axis else edge for i, edge in enumerate(image.grid.voxel_size)]
    return Image(voxels, Grid(voxels.shape, (edges[0], edges[1], edges[2])))


def written(folder, voxels, *, voxel_size=VOXEL_SIZE):
    path = folder / "volume.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=voxels)
        if voxel_size is not None:
            file["raw"].attrs["resolution_nm"] = voxel_size
    return f"{path}:raw"


def told(capsys, *arguments):
    code = run(["check", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_dark_membranes_are_told_from_bright_ones(crop):
    for image in (crop, tissue()):
        inverted = Image(255 - np.asarray(image.voxels), image.grid)
        assert darkness_of_lines(image) > 0.1
        assert darkness_of_lines(inverted) < -0.1
        assert check_image(inverted).inverted
        assert check_image(image).inverted is False


def test_the_right_voxel_size_is_not_doubted(crop):
    for image in (crop, thinned(crop, axis=0, step=4)):
        edges = edges_by_likeness(image)
        assert edges is not None
        assert doubtful_axes(edges, image.grid.voxel_size) == {}


def test_a_wrong_voxel_size_and_swapped_axes_are_doubted(crop):
    thick = thinned(crop, axis=0, step=4)
    wrong = Image(thick.voxels, Grid(thick.grid.shape, crop.grid.voxel_size))
    swapped = Image(np.asarray(thick.voxels).transpose(2, 1, 0), Grid(thick.grid.shape[::-1], thick.grid.voxel_size))
    for image, axes in ((wrong, {"z"}), (swapped, {"x"})):
        edges = edges_by_likeness(image)
        assert edges is not None
        assert axes <= set(doubtful_axes(edges, image.grid.voxel_size))
        assert any("voxel edges (z, y, x) are declared" in sentence for sentence in check_image(image).warnings)


def test_one_grey_value_everywhere_is_said_and_nothing_else():
    checked = check_image(Image(np.full((6, 20, 30), 9, np.uint8), Grid((6, 20, 30), VOXEL_SIZE)))
    assert checked.warnings == ("the volume must show tissue, got one grey value everywhere: all labels will be 0",)
    assert not checked.lost.any()


def test_strange_voxels_are_said():
    image = tissue()
    said = check_image(Image(image.voxels, Grid(image.grid.shape, (900.0, 0.4, 10.0)))).warnings
    assert any(
        sentence.startswith("voxel edges should lie between 1 and 500 nm, got 900 × 0.4 × 10") for sentence in said
    )
    assert check_image(image).warnings == ()


def test_a_gap_is_said():
    said = check_image(damaged(tissue(), blackened, [9, 10, 11])).warnings
    assert any(sentence.startswith("sections 9 to 11 are lost in a row") for sentence in said)


def test_values_that_are_no_number_are_counted_refused_or_hidden(tmp_path, capsys):
    voxels = np.asarray(tissue().voxels).astype(np.float32)
    voxels[17, 5, 9], voxels[3, 2, 40], voxels[3, 1, 50] = np.nan, np.inf, -np.inf
    path = written(tmp_path, voxels)
    stored = open_stored(path)
    assert (find_bad_values(stored).count, find_bad_values(stored).first) == (3, (3, 1, 50))
    assert hide_bad_values(stored).voxels[3, 1, 50] == 0
    code, _, error = told(capsys, path)
    assert code == 2
    assert "got 3 that are NaN or infinite, the first in section 3 at y 1, x 50" in " ".join(error.split())
    code, shown, _ = told(capsys, path, "--nan", "mask")
    assert code == 0
    assert "3 values are NaN or infinite" in shown


def test_the_command_tells_what_the_volume_is(tmp_path, capsys):
    code, shown, _ = told(capsys, written(tmp_path, tissue().voxels), "--voxel-size", "12,10,10")
    assert code == 0
    for text in ("24 × 96 × 128, uint8", "12 × 10 × 10 nm, from --voxel-size", "0.288 × 0.96 × 1.28 µm", "0 of 24"):
        assert text in shown


def test_the_command_leaves_a_record_a_table_and_pictures(tmp_path, capsys):
    path, out = written(tmp_path, damaged(tissue(), folded, [7]).voxels), tmp_path / "données a b"
    code, shown, _ = told(capsys, path, "--voxel-size", "12,10,10", "--json", "--out", str(out))
    record = json.loads(shown)
    assert (code, record["lost"], record["findings"][0]["kind"]) == (0, [7], "folded")
    assert json.loads((out / "check.json").read_text(encoding="utf-8")) == record
    assert (out / "sections.csv").read_text(encoding="utf-8").splitlines()[1].startswith("7,folded,")
    assert (out / "section_000007_folded.png").stat().st_size > 5000
    assert told(capsys, path, "--voxel-size", "12,10,10", "--out", str(out))[0] == 4


def test_what_no_run_could_read_is_refused(tmp_path, capsys):
    assert told(capsys, written(tmp_path, np.zeros((4, 20, 30, 3), np.uint8)))[0] == 2
    assert told(capsys, written(tmp_path, tissue().voxels, voxel_size=None))[0] == 2
    assert told(capsys, str(tmp_path / "missing.h5"))[0] == 2


@pytest.mark.parametrize(
    ("choice", "sentence"), [("auto", "it is read inverted"), ("yes", ""), ("no", "or pass --invert yes")]
)
def test_the_user_may_know_better_about_contrast(tmp_path, capsys, choice, sentence):
    path = written(tmp_path, 255 - np.asarray(tissue().voxels))
    code, shown, _ = told(capsys, path, "--voxel-size", "12,10,10", "--invert", choice)
    assert code == 0
    assert sentence in shown
    assert ("--invert" in shown) == bool(sentence)


def test_a_picture_shows_a_section_between_its_neighbours():
    image = damaged(tissue(), folded, [0, 7])
    first, middle = (f for f in check_image(image).findings)
    assert draw_finding(image, middle).width > draw_finding(image, first).width
