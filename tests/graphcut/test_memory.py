"""What a cut will take is said before it begins."""

import os
import warnings

import numpy as np
import pytest

from savem3.graphcut import lifted, memory_of, multicut
from savem3.regions import RegionGraph


def chain(nodes):
    edges = np.array([[i, i + 1] for i in range(1, nodes)], np.uint64)
    ones = np.ones(len(edges), np.int64)
    return RegionGraph(np.ones(nodes, np.int64), edges, ones, ones, ones, ones, costs=np.ones(len(edges)))


def test_more_edges_nodes_and_lifted_edges_take_more():
    assert memory_of(0, 0) == 0
    assert memory_of(11, 10) > memory_of(10, 10) > memory_of(10, 9)
    assert memory_of(10, 9, lifted=1) > memory_of(11, 9)


@pytest.mark.parametrize("cutter", [lifted, multicut])
def test_a_cut_that_needs_more_memory_than_is_free_warns(cutter, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cutter(chain(20))
    monkeypatch.setattr(os, "sysconf", lambda name: 4)
    with pytest.warns(ResourceWarning, match="cutting 19 edges at once takes about 0.0 GiB of memory"):
        cutter(chain(20))
    monkeypatch.delattr(os, "sysconf")
    assert cutter(chain(20)).max() == 1
