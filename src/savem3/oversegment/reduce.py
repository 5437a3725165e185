"""A block's groups once more, now that the root of every basin is known: fewer are open, so more can be decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from savem3.blocks import Table
from savem3.oversegment.decisions import decide
from savem3.oversegment.drain import sum_up
from savem3.oversegment.forest import number_sets, unite_pairs
from savem3.oversegment.recipe import OversegmentRecipe


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is left of a block: pieces of fragments, from 0.

    Parameters
    ----------
    of_group
        Piece of each group of the block.
    size, minimum, root
        Voxels, lowest known height and smallest known root of each piece.
    delayed
        Pass height, smaller root, larger root of the pairs of basins that wait for other blocks.
    delayed_pieces
        The pieces of those two.
    seam_roots, seam_pieces
        Root and piece of each basin that touches a seam.
    """

    of_group: Int32[np.ndarray, " group"]
    size: Int64[np.ndarray, " piece"]
    minimum: Int64[np.ndarray, " piece"]
    root: Int64[np.ndarray, " piece"]
    delayed: Int64[np.ndarray, "pair 3"]
    delayed_pieces: Int64[np.ndarray, "pair 2"]
    seam_roots: Int64[np.ndarray, " seam_basin"]
    seam_pieces: Int64[np.ndarray, " seam_basin"]


def reduce_block(table: Table, roots: Int64[np.ndarray, " basin"], *, recipe: OversegmentRecipe) -> Pieces:
    """Join what a block can join, knowing its basins' roots.

    Parts of one basin that left the block and came back, or left by several exits, become one first. Then the passes
    that the block had delayed are looked at again; see `decide`.

    Parameters
    ----------
    table
        From `drain`.
    roots
        Of its open basins, from `follow_exits`.
    recipe
        Dynamics and smallest size.
    """
    names = ("group", "delayed", "size", "minimum", "root")
    group, delayed, *sums = (np.asarray(table[name]).astype(np.int64) for name in names)
    at_seam = np.unique(np.asarray(table["skin"]).astype(np.int64))
    nodes = _join_parts(group, roots, np.arange(len(sums[0])))
    size, minimum, root = sum_up(nodes, *sums)
    passes, places = _passes_between(delayed, roots, nodes[group])
    is_open = np.zeros(len(size), bool)
    is_open[nodes[group[at_seam]]] = True
    decisions = decide(passes, minimum=minimum, sizes=size, is_open=is_open, recipe=recipe)
    seam_roots, first = np.unique(roots[at_seam], return_index=True)
    return Pieces(
        decisions.groups[nodes].astype(np.int32),
        *sum_up(decisions.groups, size, minimum, root),
        places[decisions.delayed],
        decisions.groups[passes[decisions.delayed, 1:]],
        seam_roots,
        decisions.groups[nodes[group[at_seam[first]]]],
    )


def _join_parts(
    group: Int64[np.ndarray, " basin"], roots: Int64[np.ndarray, " basin"], parents: Int64[np.ndarray, " group"]
) -> Int64[np.ndarray, " group"]:
    """Nodes, from 0: groups become one when open basins of theirs have the same root."""
    _, first, basin = np.unique(roots, return_index=True, return_inverse=True)
    unite_pairs(np.column_stack([group, group[first[basin]]]), parents)
    return number_sets(parents)


def _passes_between(
    delayed: Int64[np.ndarray, "pair 3"], roots: Int64[np.ndarray, " basin"], nodes: Int64[np.ndarray, " basin"]
) -> tuple[Int64[np.ndarray, "undecided 3"], Int64[np.ndarray, "undecided 3"]]:
    """Pass height and two nodes of each pair, and pass height and two roots, in the order of the latter."""
    places = np.column_stack([delayed[:, 0], np.sort(roots[delayed[:, 1:]], axis=1)])
    passes = np.column_stack([delayed[:, 0], nodes[delayed[:, 1:]]])
    order = np.lexsort(places.T[::-1])
    order = order[passes[order, 1] != passes[order, 2]]
    return passes[order], places[order]
