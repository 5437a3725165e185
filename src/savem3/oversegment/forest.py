"""Sets that become one: each node knows a parent, and the root of its tree stands for its set."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from savem3.blocks import kernel


@kernel
def root_of(node: int, parents: Int64[np.ndarray, " node"]) -> int:
    """The root of a node's tree; the way there becomes shorter."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@kernel
def flatten(parents: Int64[np.ndarray, " node"]) -> None:
    """Let each node point to its root."""
    for node in range(len(parents)):
        parents[node] = root_of(node, parents)


@kernel
def unite_pairs(pairs: Int64[np.ndarray, "pair 2"], parents: Int64[np.ndarray, " node"]) -> None:
    """The sets of the two nodes of each pair become one."""
    for k in range(len(pairs)):
        parents[root_of(pairs[k, 0], parents)] = root_of(pairs[k, 1], parents)


def number_sets(parents: Int64[np.ndarray, " node"]) -> Int64[np.ndarray, " node"]:
    """The set of each node, from 0."""
    flatten(parents)
    return np.unique(parents, return_inverse=True)[1].astype(np.int64)
