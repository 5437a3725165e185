"""Lost sections are bridged by their neighbours, exactly in blocks; too many in a row are not."""

import io
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from damage import VOXEL_SIZE, blackened, damaged
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from savem3.blocks import Product
from savem3.check import bridge, check_image, gaps_of, runs_of, wall
from savem3.graphcut import multicut, region_graph, relabel, weigh_edges
from savem3.grid import Box, Grid
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.store import LazyVoxels
from savem3.tiles import Tile
from savem3.volume import BoundaryMap, Image

SHAPE = (9, 5, 7)


def random_image(shape=SHAPE, *, seed=0):
    voxels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return Image(voxels, Grid(shape, VOXEL_SIZE))


def lost_at(*sections, of=SHAPE[0]):
    return np.isin(np.arange(of), sections)


def tubes():
    """Twenty tubes of uneven shape along z that drift by a voxel every few sections, and their numbers."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:80, :104]
    near, body = cKDTree(rng.uniform((0, 0), (80, 104), (20, 2))).query(np.stack([y, x], axis=-1), k=2)
    membrane, number = np.diff(near, axis=-1)[..., 0] < 3, body[..., 0] + 1
    drifts = [(slice(z // 5, z // 5 + 72), slice(z // 6, z // 6 + 96)) for z in range(20)]
    membranes, truth = (np.stack([plane[drift] for drift in drifts]) for plane in (membrane, number))
    grey = np.where(membranes, 40, 180) + rng.normal(0, 5, truth.shape)
    return Image(np.clip(grey, 0, 255).astype(np.uint8), Grid(truth.shape, VOXEL_SIZE)), np.where(membranes, 0, truth)


def neurons_of(image):
    boundary = BoundaryMap(255 - np.asarray(image.voxels[...]), image.grid)
    fragments = oversegment(boundary, recipe=OversegmentRecipe(dynamics=400))
    graph = weigh_edges(region_graph(fragments, boundary), beta=0.5)
    return np.asarray(relabel(fragments, multicut(graph)).voxels)


def share_kept(labels, truth, section):
    """Share of the bodies on both sides of a section that have the same label there."""
    kept = []
    for body in np.unique(truth[section]):
        sides = [labels[z][truth[z] == body] for z in (section - 1, section + 1)]
        if body and min(map(len, sides)) >= 10:
            before, after = (np.bincount(side.astype(int)).argmax() for side in sides)
            kept.append(before == after)
    return np.mean(kept)


def test_one_lost_section_is_the_mean_of_its_neighbours():
    image = random_image()
    before, after = (image.voxels[z].astype(int) for z in (3, 5))
    found = bridge(image, lost_at(4)).voxels[...]
    assert np.abs(found[4] - (before + after) / 2).max() <= 0.5
    assert np.array_equal(np.delete(found, 4, 0), np.delete(image.voxels, 4, 0))


def test_two_lost_sections_lean_to_the_nearer_neighbour():
    image = random_image()
    found = bridge(image, lost_at(4, 5)).voxels[...].astype(int)
    near, far = image.voxels[3].astype(int), image.voxels[6].astype(int)
    assert np.abs(found[4] - (2 * near + far) / 3).max() <= 0.5
    assert np.abs(found[5] - (near + 2 * far) / 3).max() <= 0.5


def test_at_an_end_the_nearest_good_section_stands_in():
    image = random_image()
    found = bridge(image, lost_at(0, 8)).voxels[...]
    assert np.array_equal(found[0], image.voxels[1])
    assert np.array_equal(found[8], image.voxels[7])


def test_three_in_a_row_are_a_gap_and_stay_as_they_are():
    image, lost = random_image(), lost_at(2, 3, 4, 7)
    found = bridge(image, lost).voxels[...]
    assert np.array_equal(found[2:5], image.voxels[2:5])
    assert not np.array_equal(found[7], image.voxels[7])
    assert (runs_of(lost), gaps_of(lost)) == ([range(2, 5), range(7, 8)], [range(2, 5)])


@given(lost=st.sets(st.integers(0, 8), max_size=6), start=st.integers(0, 8), size=st.integers(1, 9))
def test_any_box_reads_the_same_as_the_whole(lost, start, size):
    bridged = bridge(random_image(), lost_at(*lost))
    box = Box((start, 1, 2), (min(9, start + size), 4, 7))
    assert np.array_equal(bridged.read(box), bridged.load().voxels[box.slices])


def read_nothing_else(box):
    raise AssertionError(f"{box} was read before it was asked for")


def test_nothing_is_read_before_it_is_asked_for_and_it_travels():
    lazy = LazyVoxels(SHAPE, np.dtype(np.uint8), (1, 5, 7), read_nothing_else)
    bridged = bridge(Image(lazy, Grid(SHAPE, VOXEL_SIZE)), lost_at(4))
    ForkingPickler(io.BytesIO()).dump(bridged)


def test_without_a_lost_section_nothing_is_wrapped():
    image = random_image()
    assert bridge(image, lost_at()) is image


def test_one_value_a_section_is_asked_for():
    with pytest.raises(ValueError, match=r"^lost must have one value for each of 9 sections, got 4$"):
        bridge(random_image(), lost_at(1, of=4))


class AllInside:
    def __call__(self, tile):
        return Product({"boundary": np.full(tile.write.shape, 7, np.uint8)})


def test_a_gap_is_walled_off_whatever_the_block():
    draw = wall(AllInside(), lost_at(3, 4, 5))
    for start, stop in ((0, 9), (2, 4), (5, 8), (6, 9)):
        box = Box((start, 0, 0), (stop, 2, 3))
        drawn = draw(Tile(box, box)).volumes["boundary"]
        assert [section.min() == 255 for section in drawn] == [3 <= z <= 5 for z in range(start, stop)]


def test_without_a_gap_there_is_no_wall():
    draw = AllInside()
    assert wall(draw, lost_at(3, 4)) is draw


def test_tubes_keep_their_number_across_a_lost_section():
    image, truth = tubes()
    clean = share_kept(neurons_of(image), truth, 9)
    broken = damaged(image, blackened, [9])
    found = check_image(broken).lost
    assert np.flatnonzero(found).tolist() == [9]
    assert clean > 0.9
    assert share_kept(neurons_of(bridge(broken, found)), truth, 9) >= 0.95 * clean
    assert share_kept(neurons_of(broken), truth, 9) < 0.5
