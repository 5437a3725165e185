"""Shapes are measured as geometry has them, and a mask's numbers are those of its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import Annotated, SelectionRules, index_instances, select
from savem3.bank.shapes import count_hull, inscribed_radius, shape_of
from savem3.bank.statistics import measure, summarise
from savem3.grid import Grid
from savem3.volume import Labels

ALL = SelectionRules(smallest=1, border_share=1.0)


def disc(radius: float) -> np.ndarray:
    y, x = np.indices((2 * int(radius) + 5, 2 * int(radius) + 5)) - int(radius) - 2
    return np.hypot(y, x) <= radius


def volume(voxels: np.ndarray, name: str = "cord", dataset: str = "CREMI-A") -> Annotated:
    grid = Grid(voxels.shape, (30.0, 6.0, 4.0))  # type: ignore[arg-type]
    return Annotated(name, dataset, "ssTEM", Labels(voxels.astype(np.uint64), grid))


def test_a_rectangle_is_convex_and_its_middle_is_in_the_middle() -> None:
    shape = shape_of(np.pad(np.ones((3, 8), bool), ((2, 0), (1, 4))))
    assert (shape.area, shape.concavity, shape.y, shape.x) == (24, 0.0, 3.5, 5.0)


def test_an_l_lacks_the_triangle_between_its_arms() -> None:
    corner = np.zeros((6, 5), bool)
    corner[:, :2], corner[4:, :] = True, True
    assert count_hull(corner) == 2 + 2 + 3 + 4 + 5 + 5
    assert shape_of(corner).concavity == pytest.approx(3 / 21)


def test_the_l_may_be_turned_any_way() -> None:
    corner = np.zeros((6, 5), bool)
    corner[:, :2], corner[4:, :] = True, True
    turned = [np.rot90(c, k).copy() for c in (corner, corner.T) for k in range(4)]
    assert {count_hull(one) for one in turned} == {21}


def test_a_rings_hole_counts_as_concave() -> None:
    ring = np.ones((9, 7), bool)
    ring[2:7, 2:5] = False
    assert shape_of(ring).concavity == pytest.approx(15 / 63)


@pytest.mark.parametrize("radius", [3, 4.5, 20])
def test_a_disc_is_thick_and_convex(radius: float) -> None:
    shape = shape_of(disc(radius))
    assert shape.thinness < 0.15
    assert shape.concavity == 0


def test_a_thread_is_thin() -> None:
    thread = shape_of(np.ones((1, 400), bool))
    assert thread.thinness == pytest.approx(1 - 0.5 / np.sqrt(400 / np.pi))
    assert thread.concavity == 0


@pytest.mark.parametrize("side", [1, 3, 7])
def test_the_largest_disc_in_an_odd_square_touches_its_sides(side: int) -> None:
    assert inscribed_radius(np.ones((side, side), bool)) == side / 2


def is_between(pixel: tuple[int, int], mask: np.ndarray) -> bool:
    """Whether a pixel is of the mask, or the mask's pixels lie on all sides of it."""
    away = np.argwhere(mask) - pixel
    angles = np.sort(np.arctan2(*away.T))
    gaps = np.diff([*angles, angles[0] + 2 * np.pi])
    return bool(mask[pixel] or gaps.max() <= np.pi + 1e-9)


@given(st.integers(1, 8), st.integers(1, 7), st.floats(0, 0.6), st.integers(0, 2**32))
def test_the_hull_is_all_that_lies_between_pixels(height: int, width: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask[0, seed % width] = True
    assert count_hull(mask) == sum(is_between(pixel, mask) for pixel in np.ndindex(mask.shape))


def test_an_empty_mask_has_no_shape() -> None:
    with pytest.raises(ValueError, match="mask must have a pixel, got none among 12"):
        shape_of(np.zeros((3, 4), bool))


def test_masks_are_measured_in_their_section_and_in_nanometres() -> None:
    voxels = np.zeros((3, 10, 20))
    voxels[1, 2:6, 10:20] = 9
    row = measure(index := index_instances([volume(voxels)], rules=ALL), lambda _: volume(voxels).labels)[0]
    assert (row["volume"], row["z"], row["label"], row["area_px"], row["area_nm2"]) == (0, 1, 9, 40, 40 * 24)
    assert row["relative_size"] == pytest.approx(np.sqrt(40 / 200))
    assert (row["centre_y"], row["centre_x"]) == (pytest.approx(0.4), pytest.approx(0.75))
    assert summarise(index, measure(index, lambda _: volume(voxels).labels))[0].off_centre == pytest.approx(
        np.hypot(0.1, 0.25)
    )


def test_a_part_is_measured_without_what_else_of_its_label_lies_in_its_box() -> None:
    hook = np.array([[[5, 5, 5, 5], [5, 0, 0, 0], [5, 0, 5, 0], [5, 0, 0, 0], [5, 5, 5, 5]]])
    rows = measure(index_instances([volume(hook)], rules=ALL), lambda _: volume(hook).labels)
    assert rows["area_px"].tolist() == [11, 1]
    assert rows["concavity"].tolist() == [pytest.approx(1 - 11 / 20), 0]


def test_each_volume_is_opened_once_and_only_if_it_has_masks() -> None:
    full, bare = np.ones((2, 4, 5)), np.zeros((2, 4, 5))
    volumes = [volume(full), volume(bare, "bare"), volume(full, "brain", "SNEMI3D")]
    with pytest.warns(UserWarning, match="bare has no instance"):
        index = index_instances(iter(volumes), rules=ALL)
    asked: list[int] = []
    measure(index, lambda number: asked.append(number) or volumes[number].labels)  # type: ignore[func-returns-value]
    assert asked == [0, 2]


def test_a_summary_counts_all_and_averages_what_was_measured() -> None:
    voxels = np.zeros((4, 6, 8))
    for z in range(4):
        voxels[z, : z + 1, :4] = 1
    index = index_instances([volume(voxels)], rules=ALL)
    some = select(index, {"CREMI-A": 2}, seed=0)
    (summary,) = summarise(index, measure(some, lambda _: volume(voxels).labels))
    assert (summary.masks, summary.sections, summary.measured) == (4, 4, 2)
    assert summary.means["area_px"] == some.instances["area"].mean()
    assert (summary.dataset, summary.imaging) == ("CREMI-A", "ssTEM")


def test_labels_of_something_else_are_refused() -> None:
    index = index_instances([volume(np.ones((1, 4, 5)))], rules=ALL)
    with pytest.raises(ValueError, match="labels must hold the 20 pixels"):
        measure(index, lambda _: volume(np.eye(4, 5)[None]).labels)
