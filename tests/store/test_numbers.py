"""Numbers of files → numbers of nouns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_every_format import save_hdf5

from savem3.store import UnreadableVolume, grey, open_boundary, open_image, open_labels
from savem3.volume import IntensityMap

SIZE = (30.0, 6.0, 4.0)


def random(shape: tuple[int, int, int] = (5, 6, 7), *, low: float, high: float, dtype: str) -> np.ndarray:
    return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint16", 3000, 9000), ("int16", -900, 800), ("int32", -9e6, 9e6), ("float32", -2, 5)]
)
def test_other_number_types_pass_through_one_map(dtype: str, low: float, high: float, tmp_path: Path) -> None:
    voxels = random(low=low, high=high, dtype=dtype)
    image = open_image(save_hdf5(tmp_path, voxels, SIZE)).load().voxels
    assert image.dtype == np.uint8
    assert (image.min(), image.max()) == (0, 255)
    order = np.argsort(voxels, axis=None)
    assert np.all(np.diff(image.ravel()[order].astype(int)) >= 0)


def test_a_section_gets_the_same_values_alone_and_in_the_volume(tmp_path: Path) -> None:
    voxels = random(low=0, high=1, dtype="float32") * np.arange(1, 6)[:, None, None].astype(np.float32)
    image = open_image(save_hdf5(tmp_path, voxels, SIZE))
    np.testing.assert_array_equal(image.voxels[0], image.load().voxels[0])


def test_the_map_does_not_depend_on_how_much_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_hdf5(tmp_path, random(low=3000, high=9000, dtype="uint16"), SIZE)
    whole = open_image(path).load().voxels
    monkeypatch.setattr(grey, "READ_AT_ONCE", 50)
    np.testing.assert_array_equal(open_image(path).load().voxels, whole)


def test_padding_and_saturation_do_not_move_the_map(tmp_path: Path) -> None:
    voxels = random(low=3000, high=9000, dtype="uint16")
    plain = open_image(save_hdf5(tmp_path, voxels, SIZE)).load().voxels
    padded = np.concatenate([voxels, np.zeros((2, 6, 7), np.uint16), np.full((1, 6, 7), 65535, np.uint16)])
    np.testing.assert_array_equal(open_image(save_hdf5(tmp_path, padded, SIZE)).load().voxels[:5], plain)


def test_the_map_of_an_earlier_run_is_used_without_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_hdf5(tmp_path, np.full((2, 3, 4), 150, np.uint16), SIZE)
    monkeypatch.setattr(grey, "measure_intensity", None)
    image = open_image(path, intensity=IntensityMap(100.0, 200.0)).load().voxels
    assert np.unique(image).tolist() == [128]


@pytest.mark.parametrize("value", [0, 700])
@pytest.mark.parametrize("dtype", ["uint16", "float64"])
def test_a_constant_volume_opens(value: int, dtype: str, tmp_path: Path) -> None:
    image = open_image(save_hdf5(tmp_path, np.full((2, 3, 4), value, dtype), SIZE)).load().voxels
    assert np.unique(image).size == 1


def test_a_mask_becomes_black_and_white(tmp_path: Path) -> None:
    mask = np.arange(24).reshape(2, 3, 4) % 2 == 0
    path = save_hdf5(tmp_path, mask, SIZE)
    np.testing.assert_array_equal(open_image(path).load().voxels, mask * 255)
    np.testing.assert_array_equal(open_boundary(path).load().voxels, mask * 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_inverting_exchanges_bright_and_dark(dtype: str, tmp_path: Path) -> None:
    path = save_hdf5(tmp_path, random(low=1, high=250, dtype=dtype), SIZE)
    np.testing.assert_array_equal(open_image(path, invert=True).load().voxels, 255 - open_image(path).load().voxels)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused_with_its_section(value: float, tmp_path: Path) -> None:
    voxels = random(low=0, high=1, dtype="float32")
    voxels[3, 2, 1:4] = value
    path = save_hdf5(tmp_path, voxels, SIZE)
    with pytest.raises(UnreadableVolume, match=r"got 3 that are NaN or infinite, the first in section 3 at y 2, x 1"):
        open_image(path)
    with pytest.raises(UnreadableVolume, match="section 3 at y 2, x 2"):
        _ = open_image(path, intensity=IntensityMap(0.0, 1.0)).voxels[2:, 1:, 2]


def test_membrane_probability_is_rounded_to_a_byte(tmp_path: Path) -> None:
    path = save_hdf5(tmp_path, np.array([0, 0.5, 1, 0.1, 0.999, 0.25], np.float32).reshape(1, 2, 3), SIZE)
    assert open_boundary(path).load().voxels.ravel().tolist() == [0, 128, 255, 26, 255, 64]


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
def test_membrane_probability_beyond_one_is_refused_with_its_section(value: float, tmp_path: Path) -> None:
    voxels = np.full((4, 5, 6), 0.5)
    voxels[2, 1, 3] = value
    boundary = open_boundary(save_hdf5(tmp_path, voxels, SIZE))
    with pytest.raises(UnreadableVolume, match=r"probability from 0 to 1, got .* in section 2 at y 1, x 3"):
        boundary.load()


def test_a_boundary_map_of_large_integers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match="got uint16"):
        open_boundary(save_hdf5(tmp_path, np.zeros((2, 3, 4), np.uint16), SIZE))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_labels_of_any_integer_type_keep_their_numbers(dtype: str, tmp_path: Path) -> None:
    largest = np.iinfo(dtype).max
    labels = open_labels(save_hdf5(tmp_path, np.array([0, 1, 7, largest], dtype).reshape(1, 2, 2), SIZE))
    assert labels.load().voxels.ravel().tolist() == [0, 1, 7, largest]


def test_negative_labels_are_refused_with_their_section(tmp_path: Path) -> None:
    voxels = np.ones((3, 4, 5), np.int32)
    voxels[2, 3, 4] = -1
    with pytest.raises(UnreadableVolume, match="at least 0, got -1 in section 2 at y 3, x 4"):
        open_labels(save_hdf5(tmp_path, voxels, SIZE)).load()


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_labels_that_are_no_integers_are_refused(dtype: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match=f"integer type, got {dtype}"):
        open_labels(save_hdf5(tmp_path, np.zeros((2, 3, 4), dtype), SIZE))
