"""Which basins join, as far as one block can tell; what it cannot tell is delayed until all blocks are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from savem3.blocks import kernel
from savem3.blocks.faces import SPREAD
from savem3.oversegment.forest import number_sets, root_of
from savem3.oversegment.recipe import OversegmentRecipe


@dataclass(frozen=True, slots=True)
class Decisions:
    """What became of a block's basins.

    Parameters
    ----------
    groups
        Group of each basin, from 0; the basins of a group are joined for good.
    delayed
        Which of the passes are not decided here.
    """

    groups: Int64[np.ndarray, " basin"]
    delayed: Int64[np.ndarray, " delayed"]


def decide(
    passes: Int64[np.ndarray, "pair 3"],
    *,
    minimum: Int64[np.ndarray, " basin"],
    sizes: Int64[np.ndarray, " basin"],
    is_open: Bool[np.ndarray, " basin"],
    recipe: OversegmentRecipe,
) -> Decisions:
    """Join basins across their passes, from the lowest up, where the volume around the block cannot change it.

    The rule, for the whole volume: passes are taken in the order (height, u, v); their two sides join when the
    shallower one is less deep than the recipe's dynamics, or when either is too small. So what stays too small touches
    nothing.

    A side is open while it may go on outside the block, or has met an undecided pass: it may be larger and deeper than
    it seems, never smaller or shallower. What follows from that is decided here:

    - passes below the dynamics join whatever they part, since no height is below 0;
    - sides that stay apart as they seem stay apart as they are, and for good, since sides only grow and deepen, and
      passes only rise; for the same reason two sides are asked once, at their lowest pass;
    - at one pass height, a cluster of sides that are all closed is decided in order.

    Every other cluster is delayed, and its sides are open from then on. A closed side that has a single pass at this
    height, and joins by its own size or depth, surely joins by the end of that height; it counts with the other side
    from then on, so that what a block knows of its open sides grows with them.

    Parameters
    ----------
    passes
        Pass height and two basins each, in the order of the rule; the lowest of each pair of basins is among them.
    minimum
        Height of each basin's end.
    sizes
        Voxels of each basin in the block.
    is_open
        Whether a basin may go on outside the block.
    recipe
        Dynamics and smallest size.

    Notes
    -----
    Source: the paper's watershed drops fragments below 100 voxels and fills the holes by watershed; joining them on the
    graph, and the dynamics, are our choice.
    """
    sides = np.column_stack([np.arange(len(minimum)), minimum, sizes, is_open])
    groups, is_delayed = np.arange(len(minimum)), np.zeros(len(passes), bool)
    _decide(passes, sides, groups, is_delayed, recipe.dynamics, recipe.min_size)
    return Decisions(number_sets(groups), np.flatnonzero(is_delayed))


@kernel
def joins(height: int, minimum_a: int, minimum_b: int, size_a: int, size_b: int, dynamics: int, min_size: int) -> bool:
    """The rule for two sides of a pass."""
    return height - max(minimum_a, minimum_b) < dynamics or min(size_a, size_b) < min_size


@kernel
def _decide(
    passes: Int64[np.ndarray, "pair 3"],
    sides: Int64[np.ndarray, "basin 4"],
    groups: Int64[np.ndarray, " basin"],
    delayed: Bool[np.ndarray, " pair"],
    dynamics: int,
    min_size: int,
) -> None:
    """Height by height. ``sides`` holds parent, minimum, size and whether open; of a root, those of its whole side."""
    asked = np.full(_slots_for(len(passes)), -1, np.int64)
    clusters, met, opens = np.arange(len(sides)), np.zeros(len(sides), np.int64), np.zeros(len(sides), np.bool_)
    start = stop = 0
    while start < len(passes):
        while stop < len(passes) and passes[stop, 0] == passes[start, 0]:
            stop += 1
        level, waits = passes[start:stop], delayed[start:stop]
        if level[0, 0] < dynamics:
            _join_all(level, groups, sides)
        else:
            roots, asks = _ask(level, sides, asked, dynamics, min_size)
            _cluster(roots, asks, sides, clusters, met, opens)
            surely = np.zeros(len(level), np.bool_)
            for k in range(len(level)):
                if asks[k] and opens[root_of(roots[k, 0], clusters)]:
                    waits[k] = True
                    surely[k] = _joins_anything(level[k, 0], roots[k, 0], sides, met, dynamics, min_size)
                    surely[k] |= _joins_anything(level[k, 0], roots[k, 1], sides, met, dynamics, min_size)
                elif asks[k]:
                    _decide_pass(level[k], groups, sides, dynamics, min_size)
            _open(roots, waits, surely, sides)
            for side in roots.reshape(-1):
                clusters[side], met[side], opens[side] = side, 0, False
        start = stop


@kernel
def _join_all(
    level: Int64[np.ndarray, "pair 3"], groups: Int64[np.ndarray, " basin"], sides: Int64[np.ndarray, "basin 4"]
) -> None:
    for k in range(len(level)):
        groups[root_of(level[k, 1], groups)] = root_of(level[k, 2], groups)
        _unite(level[k, 1], level[k, 2], sides)


@kernel
def _ask(
    level: Int64[np.ndarray, "pair 3"],
    sides: Int64[np.ndarray, "basin 4"],
    asked: Int64[np.ndarray, " slot"],
    dynamics: int,
    min_size: int,
) -> tuple[Int64[np.ndarray, "pair 2"], Bool[np.ndarray, " pair"]]:
    """The two sides of each pass, and whether they are two, would join as they seem, and were not asked before."""
    roots, asks = np.empty((len(level), 2), np.int64), np.zeros(len(level), np.bool_)
    for k in range(len(level)):
        a, b = root_of(level[k, 1], sides[:, 0]), root_of(level[k, 2], sides[:, 0])
        roots[k, 0], roots[k, 1] = a, b
        if a != b and _would_join(level[k, 0], a, b, sides, dynamics, min_size):
            asks[k] = _is_new(min(a, b) * len(sides) + max(a, b), asked)
    return roots, asks


@kernel
def _cluster(
    roots: Int64[np.ndarray, "pair 2"],
    asks: Bool[np.ndarray, " pair"],
    sides: Int64[np.ndarray, "basin 4"],
    clusters: Int64[np.ndarray, " basin"],
    met: Int64[np.ndarray, " basin"],
    opens: Bool[np.ndarray, " basin"],
) -> None:
    """Sides that hang together by passes of one height: their clusters, which are open, and the passes of each side."""
    for k in range(len(roots)):
        if asks[k]:
            met[roots[k, 0]] += 1
            met[roots[k, 1]] += 1
            clusters[root_of(roots[k, 0], clusters)] = root_of(roots[k, 1], clusters)
    for k in range(len(roots)):
        if asks[k]:
            opens[root_of(roots[k, 0], clusters)] |= sides[roots[k, 0], 3] + sides[roots[k, 1], 3] > 0


@kernel
def _joins_anything(
    height: int,
    side: int,
    sides: Int64[np.ndarray, "basin 4"],
    met: Int64[np.ndarray, " basin"],
    dynamics: int,
    min_size: int,
) -> bool:
    """Whether a closed side with a single pass joins whatever is behind it."""
    return met[side] == 1 and sides[side, 3] == 0 and _would_join(height, side, side, sides, dynamics, min_size)


@kernel
def _decide_pass(
    one: Int64[np.ndarray, "3"],
    groups: Int64[np.ndarray, " basin"],
    sides: Int64[np.ndarray, "basin 4"],
    dynamics: int,
    min_size: int,
) -> None:
    """The rule at one pass between closed sides."""
    a, b = root_of(one[1], sides[:, 0]), root_of(one[2], sides[:, 0])
    if a != b and _would_join(one[0], a, b, sides, dynamics, min_size):
        groups[root_of(one[1], groups)] = root_of(one[2], groups)
        _unite(a, b, sides)


@kernel
def _open(
    roots: Int64[np.ndarray, "pair 2"],
    waits: Bool[np.ndarray, " pair"],
    surely: Bool[np.ndarray, " pair"],
    sides: Int64[np.ndarray, "basin 4"],
) -> None:
    """The sides of delayed passes are open; those that surely join become one."""
    for k in range(len(roots)):
        if waits[k]:
            sides[root_of(roots[k, 0], sides[:, 0]), 3] = 1
            sides[root_of(roots[k, 1], sides[:, 0]), 3] = 1
        if surely[k]:
            _unite(roots[k, 0], roots[k, 1], sides)


@kernel
def _would_join(height: int, a: int, b: int, sides: Int64[np.ndarray, "basin 4"], dynamics: int, min_size: int) -> bool:
    return joins(height, sides[a, 1], sides[b, 1], sides[a, 2], sides[b, 2], dynamics, min_size)


@kernel
def _unite(one: int, other: int, sides: Int64[np.ndarray, "basin 4"]) -> None:
    """Make one side of the sides of two basins, under the root of the larger."""
    a, b = root_of(one, sides[:, 0]), root_of(other, sides[:, 0])
    if sides[a, 2] < sides[b, 2]:
        a, b = b, a
    if a != b:
        sides[b, 0] = a
        sides[a, 1] = min(sides[a, 1], sides[b, 1])
        sides[a, 2] += sides[b, 2]
        sides[a, 3] |= sides[b, 3]


@kernel
def _slots_for(number: int) -> int:
    slots = 16
    while slots < 2 * number:
        slots *= 2
    return slots


@kernel
def _is_new(key: int, known: Int64[np.ndarray, " slot"]) -> bool:
    """Whether a key was not in the hash table; then it is."""
    slot = (key * SPREAD >> 24) & (len(known) - 1)
    while known[slot] >= 0 and known[slot] != key:
        slot = (slot + 1) & (len(known) - 1)
    is_new = known[slot] < 0
    known[slot] = key
    return is_new
