"""The region graph: fragments, the faces they share, and what the boundary map says about each face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt64


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """Fragments as nodes and touching pairs as edges, with integer sums that merge exactly.

    Node ``i`` is the fragment with label ``i + 1``; background (0) has no node. Edges are sorted by (u, v), u < v.
    The boundary value of a face between two voxels is the larger of their two boundary values, 0–255.

    Parameters
    ----------
    sizes
        Voxels of each fragment.
    edges
        Labels (u, v) of each touching pair, u < v.
    count, total, minimum, maximum
        Faces of each edge, and the sum, least and greatest of their boundary values.
    costs
        > 0 joins, < 0 cuts; absent until weighed.
    lifted_edges, lifted_costs
        Pairs that need not touch, and what speaks for joining them; absent unless asked for.
    features
        One vector a node; absent unless asked for.
    histogram
        Faces of each edge by boundary value, in bins of equal width over 0–255; absent unless asked for.
    domain
        Which part of the volume each node belongs to, in a fixed grid of parts; absent unless asked for.
    margin
        How sure a cut is of each edge, in units of cost; absent unless asked for.
    """

    sizes: Int64[np.ndarray, " node"]
    edges: UInt64[np.ndarray, "edge 2"]
    count: Int64[np.ndarray, " edge"]
    total: Int64[np.ndarray, " edge"]
    minimum: Int64[np.ndarray, " edge"]
    maximum: Int64[np.ndarray, " edge"]
    costs: Float64[np.ndarray, " edge"] | None = None
    lifted_edges: UInt64[np.ndarray, "lifted 2"] | None = None
    lifted_costs: Float64[np.ndarray, " lifted"] | None = None
    features: Float32[np.ndarray, "node channel"] | None = None
    histogram: Int64[np.ndarray, "edge bin"] | None = None
    domain: Int64[np.ndarray, " node"] | None = None
    margin: Float64[np.ndarray, " edge"] | None = None

    def __post_init__(self) -> None:
        if len(self.edges) and not (self.edges[:, 0] < self.edges[:, 1]).all():
            raise ValueError("edges must name the smaller label first")
        if len(self.edges) and int(self.edges.max()) > len(self.sizes):
            raise ValueError(f"edges must join labels 1 to {len(self.sizes)}, got {int(self.edges.max())}")

    @property
    def mean(self) -> Float64[np.ndarray, " edge"]:
        """Mean boundary value of each edge, 0–255."""
        return self.total / self.count

    def with_costs(self, costs: Float64[np.ndarray, " edge"]) -> RegionGraph:
        """The same graph, weighed."""
        return replace(self, costs=costs)
