"""Clusters on voxels: each fragment its cluster, from the part of the table that a block needs."""

import numpy as np
import pytest

from savem3.graphcut.relabel import Relabel, relabel
from savem3.grid import Grid
from savem3.tiles import split
from savem3.volume import Labels

SHAPE = (3, 4, 5)
GRID = Grid(SHAPE, (30.0, 6.0, 4.0))
FRAGMENTS = Labels(np.random.default_rng(0).integers(0, 9, SHAPE).astype(np.uint64), GRID)
CLUSTERS = np.array([3, 1, 4, 1, 5, 9, 2, 6])


class Asked:
    """Clusters that remember what was read of them."""

    def __init__(self):
        self.parts = []

    def __len__(self):
        return len(CLUSTERS)

    def __getitem__(self, part):
        self.parts.append((part.start, part.stop))
        return CLUSTERS[part]


@pytest.mark.parametrize("block", [(1, 1, 1), (2, 3, 2), SHAPE])
def test_every_fragment_becomes_its_cluster_and_background_stays(block):
    objects = relabel(FRAGMENTS, CLUSTERS, block=block, workers=2).voxels
    assert (objects == np.r_[0, CLUSTERS][FRAGMENTS.voxels.astype(int)]).all()
    assert objects.dtype == np.uint64


def test_a_block_reads_only_the_clusters_between_its_smallest_and_largest_fragment():
    fragments = Labels(np.array([[[0, 4, 6, 5, 0]]], np.uint64), Grid((1, 1, 5), (30.0, 6.0, 4.0)))
    asked = Asked()
    tile = split((1, 1, 5), block=(1, 1, 5))[0]
    assert Relabel(fragments, {"clusters": asked})(tile).volumes["labels"].tolist() == [[[0, 1, 9, 5, 0]]]
    assert asked.parts == [(3, 6)]


def test_a_block_of_background_reads_nothing():
    fragments = Labels(np.zeros((1, 2, 3), np.uint64), Grid((1, 2, 3), (30.0, 6.0, 4.0)))
    assert not relabel(fragments, CLUSTERS[:0]).voxels.any()


def test_a_fragment_without_a_cluster_is_refused():
    with pytest.raises(ValueError, match="clusters must name every fragment up to 8, got 7"):
        relabel(FRAGMENTS, CLUSTERS[:7])
