"""Crops and points: they cover a section, and what a crop cuts off is known."""

import numpy as np
import pytest

from savem3.sam.crops import Crop, crops_of, grid_points, touches_inner_edge


@pytest.mark.parametrize("shape", [(40, 56), (61, 33), (8, 9)])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_each_layer_covers_the_section(shape, layers):
    crops = crops_of(shape, layers=layers)
    assert len(crops) == sum(4**layer for layer in range(layers + 1))
    for layer in range(layers + 1):
        seen = np.zeros(shape, int)
        for crop in crops:
            assert 0 <= crop.y < crop.y_stop <= shape[0]
            assert 0 <= crop.x < crop.x_stop <= shape[1]
            if crop.layer == layer:
                seen[crop.slices] += 1
        assert seen.min() >= 1


def test_crops_of_1500_pixels_overlap_by_512_as_sams():
    first, right, below, _ = [crop for crop in crops_of((1500, 1500), layers=1) if crop.layer == 1]
    assert first == Crop(1, 0, 0, 1006, 1006)
    assert (right.x, below.y) == (494, 494)


def test_points_are_the_middles_of_equal_cells():
    points = grid_points((12, 20), side=4)
    assert points[:, 0].reshape(4, 4)[:, 0].tolist() == [1, 4, 7, 10]
    assert points[:, 1].reshape(4, 4)[0].tolist() == [2, 7, 12, 17]


def test_no_point_is_asked_twice_where_pixels_are_fewer_than_points():
    points = grid_points((3, 5), side=32)
    assert sorted(map(tuple, points.tolist())) == [(y, x) for y in range(3) for x in range(5)]


@pytest.mark.parametrize(
    ("box", "cut_off"),
    [
        ((0, 0, 5, 5), False),
        ((0, 0, 20, 5), True),
        ((0, 0, 5, 28), True),
        ((10, 3, 19, 27), False),
    ],
)
def test_a_mask_at_an_inner_edge_is_cut_off_and_one_at_the_sections_is_not(box, cut_off):
    assert touches_inner_edge(box, Crop(1, 0, 0, 20, 28), shape=(40, 56)) is cut_off


def test_each_of_the_four_inner_edges_counts():
    crop = Crop(2, 10, 10, 20, 20)
    for box in [(10, 12, 15, 15), (12, 10, 15, 15), (12, 12, 20, 15), (12, 12, 15, 20)]:
        assert touches_inner_edge(box, crop, shape=(40, 56))
    assert not touches_inner_edge((11, 11, 19, 19), crop, shape=(40, 56))
    assert not touches_inner_edge((0, 0, 40, 56), Crop(0, 0, 0, 40, 56), shape=(40, 56))
