"""Seams: both sides of a plane between two blocks find each other, and know which voxels lie there."""

import numpy as np
import pytest
from made import whole

from savem3.grid import Box
from savem3.oversegment.seams import cut_layers, meet, seams_of
from savem3.tiles import split

SHAPE = (5, 7, 9)
PLACES = np.arange(5 * 7 * 9).reshape(SHAPE)


def test_a_block_in_the_middle_has_six_seams_and_the_whole_volume_none():
    middle = Box((1, 2, 3), (4, 5, 6))
    assert [(seam.axis, seam.is_behind) for seam in seams_of(middle, SHAPE, linked=True)] == [
        (0, True), (0, False), (1, True), (1, False), (2, True), (2, False),
    ]  # fmt: skip
    assert [seam.axis for seam in seams_of(middle, SHAPE, linked=False)] == [1, 1, 2, 2]
    assert seams_of(whole(SHAPE), SHAPE, linked=True) == []


@pytest.mark.parametrize("block", [(2, 3, 4), (5, 7, 1), (1, 1, 9)])
@pytest.mark.parametrize("linked", [True, False])
def test_every_seam_is_met_once_and_its_layers_lie_side_by_side(block, linked):
    waiting, met = {}, 0
    for tile in reversed(split(SHAPE, block=block)):
        seams = seams_of(tile.write, SHAPE, linked=linked)
        layers = [seam.layer_of(PLACES[tile.write.slices]) for seam in seams]
        for seam, before, behind in meet(waiting, seams, layers):
            met += 1
            assert (before + seam.step(SHAPE) == behind).all()
            assert (behind == seam.places_behind(SHAPE)).all()
            assert len(behind) == seam.voxels
    along = [-(-n // b) for n, b in zip(SHAPE, block, strict=True)]
    axes = range(0 if linked else 1, 3)
    assert met == sum((along[a] - 1) * np.prod([n for k, n in enumerate(along) if k != a]) for a in axes)
    assert waiting == {}


def test_layers_in_a_row_are_cut_apart_again():
    seams = seams_of(Box((1, 2, 3), (4, 5, 5)), SHAPE, linked=True)
    layers = [np.full(seam.voxels, k) for k, seam in enumerate(seams)]
    again = cut_layers(np.concatenate(layers), seams)
    assert [layer.tolist() for layer in again] == [layer.tolist() for layer in layers]
    assert cut_layers(np.empty(0), []) == []
