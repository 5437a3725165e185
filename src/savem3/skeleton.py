"""Skeletons: bodies that people traced as trees of points, in nm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, slots=True)
class Skeletons:
    """Points, the edges between them, and whose they are.

    Parameters
    ----------
    names
        What each body is called.
    body
        Whose each point is: a row of ``names``.
    points
        z, y, x in nm, counted from the same place as the origin of a `savem3.grid.Grid`.
    edges
        Pairs of points of one body.

    Raises
    ------
    ValueError
        If an edge joins what is no point, or points of two bodies, a point is of no body, or a position is not finite.
    """

    names: tuple[str, ...]
    body: Int64[np.ndarray, " point"]
    points: Float64[np.ndarray, "point 3"]
    edges: Int64[np.ndarray, "edge 2"]

    def __post_init__(self) -> None:
        if not np.isfinite(self.points).all():
            raise ValueError("points must be finite, got NaN or infinity")
        if len(self.body) and not 0 <= self.body.min() <= self.body.max() < len(self.names):
            raise ValueError(f"body must name rows 0 to {len(self.names) - 1}, got {self.body.min()}–{self.body.max()}")
        if len(self.edges) and not 0 <= self.edges.min() <= self.edges.max() < len(self.points):
            raise ValueError(
                f"edges must join points 0 to {len(self.points) - 1}, got {self.edges.min()}–{self.edges.max()}"
            )
        ends = self.body[self.edges]
        if (ends[:, 0] != ends[:, 1]).any():
            raise ValueError("edges must join points of one body, got two")

    @property
    def lengths_nm(self) -> Float64[np.ndarray, " edge"]:
        """Length of each edge."""
        ends = self.points[self.edges]
        return np.asarray(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1))

    @property
    def owner(self) -> Int64[np.ndarray, " edge"]:
        """Whose each edge is: a row of ``names``."""
        return np.asarray(self.body[self.edges[:, 0]])
