"""How far labels would change if the same tissue had been seen a little differently; what the teacher says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt64
from numpy.typing import NDArray

from savem3.distill import Student
from savem3.evaluate import compare, voi_merge, voi_split
from savem3.grid import Box, Grid, Shape
from savem3.pipeline import Settings, cut_fragments, make_fragments, middle_of
from savem3.predict import look_around, predict_box, student_views
from savem3.predict.views import View
from savem3.quality import kept_share
from savem3.resample import bring_back, look
from savem3.shipped import AnyTeacher
from savem3.store import Progress
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels

SEEN = 2**21
"""Voxels in the middle of a volume that are predicted again."""

NOISE = 0.05
"""Standard deviation of the added grey noise, as a share of the range of grey values that the student sees."""

SHIFT: Shape = (14, 24, 24)
"""Voxels by which the patches lie elsewhere, at most an eighth of the box along each axis."""

SEED = 1
SECTIONS, SIDE = 6, 512
"""Sections that the teacher looks at, spread over the volume, and the most voxels of each along y and x."""

Change = Callable[[Image], Image]


@dataclass(frozen=True, slots=True, eq=False)
class Shaken:
    """One other look at the same box.

    Parameters
    ----------
    name
        What was different.
    split, merge
        VoI between both labellings: what the other one cuts that was one, and joins that was cut, bits.
    bodies, voxels, kept
        Bodies of the first labelling in the box, their voxels, and the share that each has in common with its match.
    """

    name: str
    split: float
    merge: float
    bodies: UInt64[np.ndarray, " body"]
    voxels: Int64[np.ndarray, " body"]
    kept: Float64[np.ndarray, " body"]


@dataclass(frozen=True, slots=True, eq=False)
class Disagreement:
    """How the boundary map differs from the teacher's.

    Parameters
    ----------
    sections
        Which were looked at.
    mean
        Mean difference in each, 0 to 1.
    worst
        z, y, x of the part of 64 × 64 voxels of each section that differs most, and by how much.
    """

    sections: list[int]
    mean: list[float]
    worst: list[tuple[int, int, int, float]]


def shake(
    image: Image,
    labels: Labels,
    student: Student,
    *,
    intensity: IntensityMap,
    settings: Settings,
    progress: Progress | None = None,
) -> tuple[Box, list[Shaken]]:
    """Reconstruct the middle of a volume again and again, each time a little differently, and compare.

    Parameters
    ----------
    image, labels
        Of one shape; the labels tell which body of the volume each one of the box is.
    student, intensity, settings
        As they were used for the volume; its blocks do not matter.
    progress
        Told of each look.

    Returns
    -------
    The box, and each look but the first, which the others are compared with.
    """
    box = middle_of(image.grid, SEEN)
    middle = image.crop(box)
    views: dict[Grid, list[View]] = {}

    def labels_in(seen: Image) -> Labels:
        looked_at = look(seen, scale=settings.scale)
        if looked_at.grid not in views:
            views[looked_at.grid] = _views_of(student, looked_at.grid, settings)
        drawn = predict_box(looked_at, looked_at.grid.box, views=views[looked_at.grid], intensity=intensity)
        boundary = bring_back(drawn, seen.grid, scale=settings.scale).load()
        return cut_fragments(make_fragments(boundary, settings=settings), boundary, settings=settings)[1]

    first = labels_in(middle)
    named = _named_after(first, labels.crop(box))
    found = []
    changes = _changes(middle, intensity)
    for done, (name, (change, undo)) in enumerate(changes.items(), start=1):
        other = undo(labels_in(change(middle)).voxels)
        inner = Box((0, 0, 0), other.shape)
        shift = tuple(n - m for n, m in zip(middle.grid.shape, other.shape, strict=True))
        common = Box((shift[0], shift[1], shift[2]), middle.grid.shape)
        own = named.crop(common)
        found.append(_compared(name, own, Labels(other, own.grid.crop(inner))))
        if progress is not None:
            progress(done, len(changes))
    return box, found


def disagree(
    image: Image,
    boundary: BoundaryMap,
    teacher: AnyTeacher,
    *,
    intensity: IntensityMap,
    progress: Progress | None = None,
) -> Disagreement:
    """Compare a boundary map with the teacher's, in sections spread over the volume."""
    depth, height, width = image.grid.shape
    count = min(SECTIONS, depth)
    sections = [(2 * i + 1) * depth // (2 * count) for i in range(count)]
    y, x = (max(0, (n - SIDE) // 2) for n in (height, width))
    mean, worst = [], []
    for done, z in enumerate(sections, start=1):
        box = Box((z, y, x), (z + 1, min(height, y + SIDE), min(width, x + SIDE)))
        seen = look_around(image.crop(box), teacher, intensity=intensity, planes=1)
        apart = np.abs(seen.voxels[0].astype(np.int64) - boundary.read(box)[0]) / 255
        mean.append(float(apart.mean()))
        worst.append((z, *_worst_part(apart, (y, x))))
        if progress is not None:
            progress(done, count)
    return Disagreement(sections, mean, worst)


def _worst_part(apart: Float64[np.ndarray, "y x"], first: tuple[int, int], edge: int = 64) -> tuple[int, int, float]:
    """The middle of the part of a section that differs most, and its mean difference."""
    rows, columns = (list(range(0, n, edge)) for n in apart.shape)
    means = {(y, x): float(apart[y : y + edge, x : x + edge].mean()) for y in rows for x in columns}
    y, x = max(means, key=lambda place: (means[place], place))
    return (
        first[0] + min(y + edge // 2, apart.shape[0] - 1),
        first[1] + min(x + edge // 2, apart.shape[1] - 1),
        means[y, x],
    )


Undo = Callable[[Any], NDArray[Any]]


def _changes(image: Image, intensity: IntensityMap) -> dict[str, tuple[Change, Undo]]:
    """Each other look: what is done to the image, and what brings its labels back."""
    shift = tuple(min(s, n // 8) for s, n in zip(SHIFT, image.grid.shape, strict=True))
    inner = Box((shift[0], shift[1], shift[2]), image.grid.shape)
    return {
        "patches elsewhere": (lambda seen: seen.crop(inner), np.asarray),
        "grey noise": (lambda seen: _noisy(seen, NOISE * (intensity.high - intensity.low)), np.asarray),
        "mirrored": (_mirrored, lambda voxels: np.ascontiguousarray(np.flip(voxels))),
    }


def _mirrored(image: Image) -> Image:
    return Image(np.ascontiguousarray(np.flip(image.read(image.grid.box))), image.grid)


def _noisy(image: Image, sigma: float) -> Image:
    noise = np.random.default_rng(SEED).normal(0.0, sigma, image.grid.shape)
    return Image(np.clip(np.rint(image.read(image.grid.box) + noise), 0, 255).astype(np.uint8), image.grid)


def _views_of(student: Student, grid: Grid, settings: Settings) -> list[View]:
    """The student, compiled for a volume."""
    return student_views(student, grid, recipe=settings.predict, device=settings.device, threads=settings.threads)


def _named_after(labels: Labels, others: Labels) -> Labels:
    """The same partition, numbered anew: parts of 2³² × the body of the volume that each lies in, plus its own number.

    So bodies of the box stay apart where the volume joins them outside of it, and each still says whose it is.
    """
    table = compare(labels, others)
    order = np.lexsort((table.bodies, -table.counts, table.segments))
    segments, first = np.unique(table.segments[order], return_index=True)
    owners = table.bodies[order][first]
    voxels = labels.read(labels.grid.box)
    at = np.searchsorted(segments, voxels).clip(max=len(segments) - 1)
    return Labels(np.where(segments[at] == voxels, owners[at] << np.uint64(32) | voxels, np.uint64(0)), labels.grid)


def _compared(name: str, own: Labels, other: Labels) -> Shaken:
    table = compare(other, Labels(own.voxels, other.grid))
    bodies, voxels, kept = kept_share(table.bodies, table.segments, table.counts)
    return Shaken(name, voi_split(table), voi_merge(table), bodies >> np.uint64(32), voxels, kept)
