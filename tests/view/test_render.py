"""Neurons in three dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.grid import Grid
from savem3.view.camera import aim, rims
from savem3.view.colours import colours_of
from savem3.view.lattice import keep_largest, sample_evenly
from savem3.view.rays import REACH, cast_rays
from savem3.view.render import render_neurons
from savem3.volume import Image, Labels

VOXEL_SIZE = (30.0, 6.0, 4.0)


def ball(radius: float, *, label: int = 1, size: int = 24) -> np.ndarray:
    """A ball in the middle of a cube."""
    distance = np.sqrt(sum((axis - (size - 1) / 2) ** 2 for axis in np.ogrid[:size, :size, :size]))
    return np.where(distance <= radius, label, 0).astype(np.uint64)


def test_samples_are_as_far_apart_along_z_as_along_x() -> None:
    labels = Labels(np.arange(4 * 10 * 30, dtype=np.uint64).reshape(4, 10, 30), Grid((4, 10, 30), VOXEL_SIZE))
    assert sample_evenly(labels).shape == (30, 15, 30)
    assert sample_evenly(labels, longest=12).shape == (12, 6, 12)


def test_samples_of_cubes_are_the_voxels() -> None:
    labels = Labels(np.arange(24, dtype=np.uint64).reshape(2, 3, 4), Grid((2, 3, 4), (8.0, 8.0, 8.0)))
    np.testing.assert_array_equal(sample_evenly(labels), labels.voxels)


def test_the_largest_are_kept_but_for_one_that_hides_the_others() -> None:
    lattice = np.repeat(np.array([0, 9, 4, 7, 2], np.uint64), [60, 30, 4, 3, 3]).reshape(4, 5, 5)
    kept, numbered = keep_largest(lattice, count=2, too_large=0.1)
    assert kept.tolist() == [2, 4]
    assert np.bincount(numbered.ravel()).tolist() == [93, 3, 4]
    assert keep_largest(lattice, count=2, too_large=0.01)[0].tolist() == [4, 9]


def test_a_lattice_of_background_keeps_nothing() -> None:
    kept, numbered = keep_largest(np.zeros((2, 3, 4), np.uint64), count=5)
    assert (len(kept), numbered.max()) == (0, 0)


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)))
def test_rays_enter_and_leave_on_faces_of_the_box(shape: tuple[int, int, int]) -> None:
    rays = aim(shape, size=16)
    for ends in (rays.starts, rays.stops):
        past = ends + 0.5
        to_face = np.minimum(past, np.array(shape) - past)
        assert np.abs(to_face.min(axis=1)).max() < 1e-4
        assert to_face.min() > -1e-4
    assert (np.linalg.norm(rays.stops - rays.starts, axis=1) > 0).all()
    np.testing.assert_allclose(rays.turn @ rays.turn.T, np.eye(3), atol=1e-6)


def test_rims_are_distances_to_edges() -> None:
    positions = np.array([[-0.5, 1.5, 0.5], [-0.5, -0.5, 2.0]], np.float32)
    assert rims(positions, (5, 5, 5)).tolist() == [1.0, 0.0]


def test_a_ray_meets_a_ball_on_its_skin_and_sees_which_way_it_faces() -> None:
    lattice = np.pad(ball(8).astype(np.uint16), REACH)
    middle = 11.5 + REACH
    starts = np.array([[REACH, middle, middle], [middle, middle, REACH], [REACH, REACH, REACH]], np.float32)
    stops = np.array([[20, middle, middle], [middle, middle, 20], [20, REACH, REACH]], np.float32)
    labels, lengths, normals = cast_rays(lattice, starts, stops)
    assert labels.tolist() == [1, 1, 0]
    assert lengths[:2] == pytest.approx([3.5, 3.5], abs=0.6)
    np.testing.assert_allclose(normals[:2], [[-1, 0, 0], [0, 0, -1]], atol=0.02)
    assert lengths[2] == 20 - REACH


def test_a_ray_meets_the_nearer_of_two() -> None:
    lattice = np.zeros((20, 12, 12), np.uint16)
    lattice[6:9, 3:9, 3:9], lattice[12:16, 3:9, 3:9] = 2, 1
    starts, stops = np.array([[3, 6, 6], [16, 6, 6]], np.float32), np.array([[16, 6, 6], [3, 6, 6]], np.float32)
    assert cast_rays(lattice, starts, stops)[0].tolist() == [2, 1]


def test_a_ball_is_seen_in_its_colour_in_the_middle_and_nothing_outside_the_box() -> None:
    labels = Labels(ball(9, label=77), Grid((24, 24, 24), (8.0, 8.0, 8.0)))
    picture = render_neurons(labels, size=40)
    assert picture.shape == (40, 40, 4)
    assert (picture[0, 0, 3], picture[20, 20, 3]) == (0, 255)
    seen, meant = picture[20, 20, :3].astype(float), colours_of(np.uint64([77]))[0, :3].astype(float)
    assert np.corrcoef(seen, meant)[0, 1] > 0.95


def test_without_neurons_the_walls_are_seen() -> None:
    grid = Grid((2, 20, 30), VOXEL_SIZE)
    bright, dark = (Image(np.full(grid.shape, grey, np.uint8), grid) for grey in (240, 20))
    empty = Labels(np.zeros(grid.shape, np.uint64), grid)
    means = [render_neurons(empty, image=image, size=24)[12, 12, :3].mean() for image in (bright, dark)]
    assert means[0] > 100 > 40 > means[1]
