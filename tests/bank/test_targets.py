"""Membranes and distances on arrays whose answer can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import boundary_target, distance_target
from savem3.bank.targets import contacts, drop_fragments
from savem3.grid import Grid
from savem3.volume import BoundaryMap, Labels

VOXEL = (30.0, 6.0, 4.0)


def volume(array: object, voxel_size: tuple[float, float, float] = VOXEL) -> Labels:
    voxels = np.asarray(array, np.uint64)
    return Labels(voxels, Grid(voxels.shape, voxel_size))  # type: ignore[arg-type]


def halves(axis: int, shape: tuple[int, int, int] = (8, 10, 12)) -> Labels:
    """Cell 1 below and cell 2 above the middle of an axis."""
    place = np.indices(shape)[axis]
    return volume(np.where(place < shape[axis] // 2, 1, 2))


def thickness(boundary: BoundaryMap, axis: int) -> float:
    """Membrane voxels along an axis, in nm."""
    line = np.asarray(boundary.voxels).swapaxes(0, axis)[:, 0, 0]
    return float((line == 255).sum() * boundary.grid.voxel_size[axis])


@pytest.mark.parametrize(("axis", "expected"), [(1, 24.0), (2, 32.0)])
def test_a_membrane_is_24_to_32_nm_wide_along_both_axes_of_a_section(axis: int, expected: float) -> None:
    boundary = boundary_target(halves(axis), sectionwise=True, fragment_voxels=0)
    assert thickness(boundary, axis) == expected


def test_a_border_between_sections_is_no_membrane_where_sections_stand_alone() -> None:
    labels = Labels(halves(0).voxels, Grid((8, 10, 12), (6.0, 5.0, 4.0)))
    assert boundary_target(labels, sectionwise=True, fragment_voxels=0).voxels.max() == 0


def test_a_border_between_sections_is_membrane_in_an_isotropic_volume() -> None:
    labels = Labels(halves(0).voxels, Grid((8, 10, 12), (6.0, 5.0, 4.0)))
    assert thickness(boundary_target(labels, sectionwise=False, fragment_voxels=0), axis=0) == 24.0


def test_a_membrane_takes_the_voxels_within_half_its_width_of_a_face() -> None:
    labels = volume([[[1, 1, 1, 2, 2, 2]]])
    boundary = boundary_target(labels, sectionwise=True, width_nm=13.0, fragment_voxels=0)
    assert boundary.voxels.tolist() == [[[0, 255, 255, 255, 255, 0]]]


def test_a_thin_gap_between_cells_is_widened_to_a_membrane() -> None:
    labels = volume([[[1, 1, 1, 1, 0, 2, 2, 2, 2]]])
    boundary = boundary_target(labels, sectionwise=True, width_nm=20.0, fragment_voxels=0)
    assert thickness(boundary, axis=2) == pytest.approx(20.0, abs=4.0)
    assert boundary.voxels[0, 0, 4] == 255


def test_deep_background_is_no_membrane_but_its_rim_is() -> None:
    labels = volume([[[1, 1, *([0] * 20), 2, 2]]])
    boundary = boundary_target(labels, sectionwise=True, width_nm=16.0, fragment_voxels=0)
    assert boundary.voxels[0, 0].tolist() == [0, 0, 255, 255, *([0] * 16), 255, 255, 0, 0]


def test_a_fragment_makes_no_membrane() -> None:
    voxels = np.ones((2, 20, 30), np.uint64)
    voxels[:, 8:10, 8:10] = 5
    assert boundary_target(volume(voxels), sectionwise=False, fragment_voxels=9).voxels.max() == 0
    assert boundary_target(volume(voxels), sectionwise=False, fragment_voxels=8).voxels.max() == 255


def test_a_fragment_on_a_border_leaves_the_border() -> None:
    labels = halves(2, (3, 10, 12))
    voxels = np.array(labels.voxels)
    voxels[1, 4:6, 5:7] = 9
    with_fragment = boundary_target(volume(voxels), sectionwise=True, fragment_voxels=5)
    assert (with_fragment.voxels == boundary_target(labels, sectionwise=True, fragment_voxels=0).voxels).all()


def test_a_volume_of_fragments_only_stays_as_it_is() -> None:
    assert boundary_target(halves(2), sectionwise=True, fragment_voxels=10**6).voxels.max() == 255


def test_the_labels_are_not_changed() -> None:
    labels = halves(2)
    before = np.array(labels.voxels)
    boundary_target(labels, sectionwise=False)
    assert (labels.voxels == before).all()


def test_a_membrane_needs_a_width() -> None:
    with pytest.raises(ValueError, match="width_nm must be above 0, got 0"):
        boundary_target(halves(1), sectionwise=True, width_nm=0)


@given(seed=st.integers(0, 50), sectionwise=st.booleans())
def test_other_numbers_for_the_same_cells_give_the_same_membranes(seed: int, sectionwise: bool) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 5, (3, 4, 6)).repeat(2, axis=2)
    other = np.concatenate([[0], rng.permutation(np.arange(1, 5)) + 2**40])[cells]
    one, two = (
        boundary_target(volume(v), sectionwise=sectionwise, width_nm=9.0, fragment_voxels=4) for v in (cells, other)
    )
    assert (one.voxels == two.voxels).all()


@given(seed=st.integers(0, 50))
def test_contacts_equal_a_search_over_all_faces(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, (3, 4, 5)).astype(np.uint64)
    expected = np.zeros(labels.shape, bool)
    for voxel in np.ndindex(labels.shape):
        for axis in range(3):
            other = tuple(v + (k == axis) for k, v in enumerate(voxel))
            if other[axis] < labels.shape[axis] and 0 < labels[voxel] != labels[other] > 0:
                face = (np.array(voxel) + other) / 2
                away = (np.moveaxis(np.indices(labels.shape), 0, -1) - face) * VOXEL
                expected |= (away**2).sum(-1) <= (31.0 / 2) ** 2
    assert (contacts(volume(labels), sectionwise=False, width_nm=31.0) == expected).all()


def test_distance_is_in_nm_and_cut() -> None:
    voxels = np.zeros((1, 1, 30), np.uint8)
    voxels[0, 0, 0] = 255
    distance = distance_target(BoundaryMap(voxels, Grid(voxels.shape, VOXEL)), sectionwise=True)
    assert distance.voxels[0, 0].tolist() == [min(4.0 * x, 64.0) for x in range(30)]


def test_distance_crosses_sections_only_where_it_is_asked_to() -> None:
    voxels = np.zeros((3, 4, 5), np.uint8)
    voxels[1] = 255
    boundary = BoundaryMap(voxels, Grid(voxels.shape, VOXEL))
    assert distance_target(boundary, sectionwise=False).voxels[:, 0, 0].tolist() == [30.0, 0.0, 30.0]
    assert distance_target(boundary, sectionwise=True).voxels[:, 0, 0].tolist() == [64.0, 0.0, 64.0]


def test_small_labels_are_dropped_and_background_is_kept() -> None:
    labels = np.array([[[1, 1, 1, 2, 0, 3, 3, 3]]], np.uint64)
    assert drop_fragments(labels, 2).tolist() == [[[1, 1, 1, 0, 0, 3, 3, 3]]]
