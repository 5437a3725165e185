"""Skeletons of the truth, and how far along them a segmentation runs before its first error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from savem3.bench.volumes import Truth
from savem3.export.bodies import measure
from savem3.export.skeletons import skeletonise
from savem3.volume import Labels

SMALLEST = 5000
"""Voxels of a body below which it has no skeleton."""
TOLD = (
    "Skeletons were drawn from the dense truth (TEASAR, bodies of at least 5000 voxels): not by people. "
    "An edge counts where both ends lie in one segment that holds no node of another skeleton; ERL is the mean length "
    "of the run that a point of a skeleton lies on, weighted by length, and NERL its share of what the truth reaches."
)


@dataclass(frozen=True, slots=True)
class Traced:
    """Skeletons of one volume, as one graph.

    Parameters
    ----------
    nodes
        Voxel of each node, z, y, x.
    skeleton
        Number of the skeleton that each node belongs to.
    edges
        Pairs of nodes.
    lengths_um
        Of the edges.
    """

    nodes: Int64[np.ndarray, "node 3"]
    skeleton: Int64[np.ndarray, " node"]
    edges: Int64[np.ndarray, "edge 2"]
    lengths_um: Float64[np.ndarray, " edge"]

    @property
    def digest(self) -> str:
        """SHA-256 of all that is traced."""
        parts = (self.nodes, self.skeleton, self.edges, self.lengths_um)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def skeletons_of(truth: Truth) -> Traced:
    """Skeletons of the larger bodies of a dense truth."""
    grid = truth.labels.grid
    found = list(skeletonise(truth.labels, measure(truth.labels).bodies, smallest=SMALLEST))
    points = [s.points[:, ::-1].astype(np.float64) for s in found]
    first = np.cumsum([0, *(len(p) for p in points)])
    nm = np.concatenate([*points, np.zeros((0, 3))])
    edges = [s.edges.astype(np.int64) + start for s, start in zip(found, first[:-1], strict=True)]
    ends = np.concatenate([*edges, np.zeros((0, 2), np.int64)])
    at = np.floor((nm - grid.origin) / grid.voxel_size).astype(np.int64)
    return Traced(
        np.clip(at, 0, np.array(grid.shape) - 1),
        np.repeat(np.arange(len(found)), np.diff(first)),
        ends,
        np.linalg.norm(nm[ends[:, 0]] - nm[ends[:, 1]], axis=1) / 1000,
    )


def trace(make: Callable[[], Labels], skeletons: Traced) -> tuple[dict[str, float], dict[str, Any]]:
    """ERL in µm, NERL, and how many skeletons lie in a segment that another shares."""
    if not len(skeletons.edges):
        return {}, {"not run": "no body of the truth is large enough for a skeleton"}
    voxels = np.asarray(make().voxels)
    at = voxels[tuple(skeletons.nodes.T)]
    runs, merged = runs_of(skeletons, at), merged_segments(skeletons.skeleton, at)
    total = float(skeletons.lengths_um.sum())
    best = squares(skeletons.lengths_um, [skeletons.skeleton[skeletons.edges[:, 0]]]) / max(total, 1e-12)
    erl = runs / max(total, 1e-12)
    hit = len(np.unique(skeletons.skeleton[np.isin(at, merged)]))
    values = {"erl_um": erl, "nerl": erl / max(best, 1e-12), "merged_skeletons": float(hit)}
    return values, {"skeletons": int(skeletons.skeleton.max(initial=-1)) + 1, "best_um": round(best, 3)}


def runs_of(skeletons: Traced, at: UInt64[np.ndarray, " node"]) -> float:
    """The sum over all runs of their squared lengths, µm²."""
    ends = at[skeletons.edges]
    right = (ends[:, 0] == ends[:, 1]) & (ends[:, 0] > 0)
    right &= ~np.isin(ends[:, 0], merged_segments(skeletons.skeleton, at))
    of = skeletons.skeleton[skeletons.edges[right, 0]]
    return squares(skeletons.lengths_um[right], [of, ends[right, 0]])


def merged_segments(skeleton: Int64[np.ndarray, " node"], at: UInt64[np.ndarray, " node"]) -> UInt64[np.ndarray, " n"]:
    """Segments that hold nodes of several skeletons."""
    pairs = np.unique(np.stack([at, skeleton.astype(np.uint64)]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    return names[(counts > 1) & (names > 0)]


def squares(lengths: Float64[np.ndarray, " edge"], groups: Sequence[np.ndarray]) -> float:
    """The sum over groups of their squared lengths."""
    if not len(lengths):
        return 0.0
    _, group = np.unique(np.stack([g.astype(np.uint64) for g in groups]), axis=1, return_inverse=True)
    return float((np.bincount(group.ravel(), weights=lengths) ** 2).sum())
