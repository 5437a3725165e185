"""The connected parts of each body in each section, and which of them lie over each other: a graph along one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped, UInt64

from savem3.blocks import Progress
from savem3.grid import Box
from savem3.volume import Labels

SLAB = 16
"""Sections that are read together."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Parts by section, and links between parts of one body in neighbouring sections.

    Parameters
    ----------
    axis
        The axis that sections stand across: 0 is z, 1 is y, 2 is x.
    sections
        How many there are.
    section, body, area
        Of each part: where it is, whose, and its voxels. Parts are sorted by section.
    centre
        Its mean position along z, y, x.
    at_edge
        Whether it touches an edge of its section.
    links
        The lower and the upper part of each pair of one body that shares voxels, sorted by the upper one.
    shared
        Voxels that they share.
    """

    axis: int
    sections: int
    section: Int64[np.ndarray, " part"]
    body: UInt64[np.ndarray, " part"]
    area: Int64[np.ndarray, " part"]
    centre: Float64[np.ndarray, "part 3"]
    at_edge: Bool[np.ndarray, " part"]
    links: Int64[np.ndarray, "link 2"]
    shared: Int64[np.ndarray, " link"]

    def middle_of(self, body: int) -> tuple[float, float, float]:
        """The middle of a body's largest part: a place in the body, or near it."""
        rows = np.flatnonzero(self.body == body)
        z, y, x = self.centre[rows[int(self.area[rows].argmax())]].tolist()
        return z, y, x


def trace(labels: Labels, *, axis: int = 0, progress: Progress | None = None) -> Trace:
    """Follow all bodies from section to section; a section is held at a time, and tables of parts.

    Parameters
    ----------
    labels
        Of a volume whose sections fit into memory.
    axis
        The axis that sections stand across.
    progress
        Told of the sections done.
    """
    size = labels.grid.shape[axis]
    columns: list[tuple[Shaped[np.ndarray, "part ..."], ...]] = []
    links: list[Int64[np.ndarray, "link 3"]] = []
    before, known = None, 0
    for number, section in enumerate(_sections(labels, axis)):
        parts, names = _parts(section)
        columns.append(_measure(parts, section, names, number, axis))
        if before is not None:
            links.append(_overlaps(before[0], before[1], parts, section, before[2], known))
        before, known = (parts, section, known), known + names
        if progress is not None:
            progress(number + 1, size)
    section_of, body, area, centre, at_edge = (np.concatenate(column) for column in zip(*columns, strict=True))
    joined = np.concatenate([np.zeros((0, 3), np.int64), *links])
    return Trace(axis, size, section_of, body, area, centre, at_edge, joined[:, :2].copy(), joined[:, 2].copy())


def _sections(labels: Labels, axis: int) -> Iterator[UInt64[np.ndarray, "row column"]]:
    """The sections across an axis, read in slabs."""
    whole = labels.grid.box
    for first in range(0, whole.shape[axis], SLAB):
        start, stop = list(whole.start), list(whole.stop)
        start[axis], stop[axis] = first, min(first + SLAB, whole.shape[axis])
        slab = np.moveaxis(labels.read(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))), axis, 0)
        yield from (np.ascontiguousarray(section) for section in slab)


def _parts(section: UInt64[np.ndarray, "row column"]) -> tuple[Int64[np.ndarray, "row column"], int]:
    """Connected parts of one label, numbered from 1; label 0 has none."""
    import cc3d

    if not section.any():
        return np.zeros(section.shape, np.int64), 0
    parts, number = cc3d.connected_components(section, connectivity=4, return_N=True)
    return parts.astype(np.int64), int(number)


def _measure(
    parts: Int64[np.ndarray, "row column"], section: UInt64[np.ndarray, "row column"], number: int, at: int, axis: int
) -> tuple[Shaped[np.ndarray, "part ..."], ...]:
    """Section, body, area, centre and whether each part is at the edge."""
    flat = parts.ravel()
    area = np.bincount(flat, minlength=number + 1)[1:]
    body = np.zeros(number + 1, np.uint64)
    body[flat] = section.ravel()
    rows, columns = (
        np.bincount(flat, weights=np.broadcast_to(place, parts.shape).ravel(), minlength=number + 1)[1:] / area
        for place in (np.arange(parts.shape[0])[:, None], np.arange(parts.shape[1])[None])
    )
    centre = np.insert(np.stack([rows, columns], 1), axis, float(at), axis=1)
    edges = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    at_edge = np.isin(np.arange(1, number + 1), edges)
    return np.full(number, at, np.int64), body[1:], area.astype(np.int64), centre, at_edge


def _overlaps(
    lower: Int64[np.ndarray, "row column"],
    labels_below: UInt64[np.ndarray, "row column"],
    upper: Int64[np.ndarray, "row column"],
    labels_above: UInt64[np.ndarray, "row column"],
    first_lower: int,
    first_upper: int,
) -> Int64[np.ndarray, "link 3"]:
    """Lower part, upper part and the voxels they share, numbered over the volume, sorted by the upper part."""
    same = (labels_below == labels_above) & (labels_below != 0)
    below, above = lower[same], upper[same]
    width = int(lower.max(initial=0)) + 1
    codes, shared = np.unique(above * width + below, return_counts=True)
    return np.stack([codes % width - 1 + first_lower, codes // width - 1 + first_upper, shared], 1)
