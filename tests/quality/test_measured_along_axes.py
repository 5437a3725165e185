"""What is counted by section and plane: the same for all blocks, exact, and judged by the volume's own medians."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from phantoms import GRID, labels_of, tissue

from savem3.grid import Grid
from savem3.quality import continuity, profile, trace
from savem3.quality.robust import beyond_neighbours, beyond_trend, deviations
from savem3.volume import BoundaryMap, Labels


@pytest.fixture
def labels() -> Labels:
    voxels = tissue()[:9, :14, :12]
    voxels[4] = 0
    return Labels(voxels, Grid(voxels.shape, (30.0, 6.0, 4.0)))


def walls_of(labels: Labels) -> BoundaryMap:
    values = np.where(labels.read(labels.grid.box) == 0, 255, 10).astype(np.uint8)
    values[2, :3] = 200
    return BoundaryMap(values, labels.grid)


def test_a_profile_is_the_same_for_all_blocks(labels: Labels, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = profile(labels, walls_of(labels))
    monkeypatch.setattr(sys.modules["savem3.quality.profile"], "BLOCK", (2, 5, 3))
    parts = profile(labels, walls_of(labels), workers=2)
    for name in ("labelled", "membrane", "walls"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    for axis in range(3):
        np.testing.assert_array_equal(whole.borders[axis], parts.borders[axis])
        np.testing.assert_array_equal(whole.inside[axis], parts.inside[axis])


def test_a_profile_counts_what_is_there(labels: Labels) -> None:
    found = profile(labels, walls_of(labels))
    voxels = labels.read(labels.grid.box)
    np.testing.assert_array_equal(found.labelled, (voxels != 0).sum((1, 2)))
    assert found.walled == [4]
    assert found.coverage[4] == 0
    assert found.membrane[2] == 3 * 12
    apart = (voxels[:, 1:] != voxels[:, :-1]) & (voxels[:, 1:] != 0) & (voxels[:, :-1] != 0)
    np.testing.assert_array_equal(found.borders[1][:-1], apart.sum((0, 2)))
    assert found.borders[0][3] == found.inside[0][3] == 0


def test_a_boundary_map_of_another_shape_is_refused(labels: Labels) -> None:
    other = BoundaryMap(np.zeros((9, 14, 11), np.uint8), Grid((9, 14, 11), (30.0, 6.0, 4.0)))
    with pytest.raises(ValueError, match=r"boundary must have the labels' shape \(9, 14, 12\), got \(9, 14, 11\)"):
        profile(labels, other)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_trace_holds_every_voxel_once_and_links_what_overlaps(axis: int) -> None:
    labels = labels_of(tissue())
    voxels = np.moveaxis(labels.read(GRID.box), axis, 0)
    found = trace(labels, axis=axis)
    for number in (0, 17, len(voxels) - 1):
        names, counts = np.unique(voxels[number], return_counts=True)
        own = found.section == number
        assert {int(n): int(found.area[own & (found.body == n)].sum()) for n in names} == dict(
            zip(names.tolist(), counts.tolist(), strict=True)
        )
    assert found.shared.sum() == (voxels[1:] == voxels[:-1]).sum()
    assert (found.section[found.links[:, 1]] - found.section[found.links[:, 0]] == 1).all()
    assert (found.body[found.links[:, 0]] == found.body[found.links[:, 1]]).all()
    np.testing.assert_array_equal(found.centre[:, axis], found.section)


def test_two_parts_of_a_body_in_one_section_are_two() -> None:
    voxels = np.zeros((2, 5, 7), np.uint64)
    voxels[0, 1:4, 1:3] = voxels[0, 1:4, 5:6] = 4
    voxels[1, 2, 1:6] = 4
    found = trace(Labels(voxels, Grid(voxels.shape, (30.0, 6.0, 4.0))))
    assert found.area.tolist() == [6, 3, 5]
    assert found.links.tolist() == [[0, 2], [1, 2]]
    assert found.shared.tolist() == [2, 1]
    assert found.at_edge.tolist() == [False, False, False]
    assert found.middle_of(4) == (0.0, 2.0, 1.5)


def test_continuity_is_the_likeness_of_neighbouring_sections() -> None:
    voxels = np.zeros((3, 4, 10), np.uint64)
    voxels[0, :, :6], voxels[1, :, 2:8], voxels[2, :, 2:8] = 1, 1, 1
    voxels[2, :, 9] = 2
    found = continuity(trace(Labels(voxels, Grid(voxels.shape, (30.0, 6.0, 4.0)))))
    np.testing.assert_allclose(found.iou, [16 / 32, 24 / 28])
    assert found.bodies.tolist() == [1]
    np.testing.assert_allclose(found.of_bodies, [40 / 56])
    assert found.dropped == []


def test_what_stands_out_does_not_hide_itself() -> None:
    values = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1, 0.9, 50.0])
    assert deviations(values, floor=0.01)[-1] > 100
    assert abs(deviations(values, floor=0.01)[:-1]).max() < 3
    assert beyond_neighbours(values, floor=0.01)[1][-1] > 100


def test_too_few_values_say_nothing_and_the_floor_holds() -> None:
    assert not deviations(np.array([1.0, 1.0, 9.0]), floor=0.1).any()
    same = np.full(12, 3.0)
    same[4] = 3.5
    assert deviations(same, floor=0.25)[4] == 2.0


def test_a_value_is_compared_with_the_trend_and_not_with_all() -> None:
    x = np.linspace(0, 6, 24)
    y = 0.7 * x + 0.01 * np.sin(7 * x)
    y[3] += 2.0
    beyond = beyond_trend(x, y, floor=0.05)
    assert beyond.argmax() == 3
    assert beyond[3] > 20
    assert abs(np.delete(beyond, 3)).max() < 2
