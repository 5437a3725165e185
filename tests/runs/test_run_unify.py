"""What unifying one volume leaves, and how labels are scored."""

from __future__ import annotations

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.runs.unify import agreement, open_cleansed, read_settled, write_settled
from savem3.store import write_image, write_labels
from savem3.volume import Image, Labels

GRID = Grid((2, 14, 30), (40.0, 6.0, 4.0))


def cells():
    labels = np.zeros(GRID.shape, np.uint64)
    labels[:, 2:12, 2:12], labels[:, 2:12, 16:26] = 5, 2**63 + 1
    return labels


def test_labels_agree_with_themselves_whatever_their_numbers():
    other = np.where(cells() == 5, np.uint64(77), cells())
    assert agreement(Labels(other, GRID), Labels(cells(), GRID)) == {
        "iou": 1.0,
        "biou_2": 1.0,
        "biou_share": 1.0,
        "instances": 4,
    }


def test_an_instance_is_compared_with_the_part_that_shares_most_with_it():
    drawn = cells()
    drawn[:, 2:12, 2:4] = 9
    drawn[1, 2:12, 16:26] = 0
    told = agreement(Labels(drawn, GRID), Labels(cells(), GRID))
    assert told["iou"] == pytest.approx((0.8 + 0.8 + 1.0 + 0.0) / 4)
    assert told["biou_2"] < told["iou"]


def test_truth_of_another_shape_is_refused():
    small = Grid((1, 14, 30), (40.0, 6.0, 4.0))
    with pytest.raises(ValueError, match=r"truth must have the shape \(2, 14, 30\) of the labels, got \(1, 14, 30\)"):
        agreement(Labels(cells(), GRID), Labels(cells()[:1], small))


def test_marks_come_back(tmp_path):
    marks = frozenset(bytes([n]) * 32 for n in (3, 200))
    write_settled(tmp_path / "a.safetensors", marks)
    assert read_settled(tmp_path / "a.safetensors") == marks
    write_settled(tmp_path / "b.safetensors", frozenset())
    assert read_settled(tmp_path / "b.safetensors") == read_settled(tmp_path / "c.safetensors") == frozenset()


def test_a_folder_must_hold_volumes_of_one_shape_and_have_a_plain_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder must hold raw\.zarr, as savem3 cleanse leaves it"):
        open_cleansed(tmp_path)
    for name in ("a", "not plain"):
        write_image(Image(np.zeros(GRID.shape, np.uint8), GRID), tmp_path / name / "raw.zarr")
        write_labels(Labels(cells(), GRID), tmp_path / name / "labels.zarr")
    assert open_cleansed(tmp_path / "a").name == "a"
    assert open_cleansed(tmp_path / "a").weight is None
    with pytest.raises(ValueError, match="folder must have a name of letters, digits"):
        open_cleansed(tmp_path / "not plain")
    small = Grid((1, 14, 30), (40.0, 6.0, 4.0))
    write_labels(Labels(cells()[:1], small), tmp_path / "a" / "mask.zarr")
    with pytest.raises(ValueError, match="raw, labels and mask must have one shape"):
        open_cleansed(tmp_path / "a")
