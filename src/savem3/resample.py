"""A volume as a model is used to seeing it, and what it drew put back on the volume's own grid.

All is in whole numbers, with one phase for the whole volume: a voxel's value never depends on what is read with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import log

import numpy as np
from jaxtyping import Bool, UInt8, UInt32

from savem3.grid import Box, Grid, Shape
from savem3.store.lazy import LazyVoxels
from savem3.store.pyramid import join_grey
from savem3.volume import BoundaryMap, Image, VoxelArray

SEEN_NM = (8.0, 10.0)
"""Voxel edges that the shipped models know, in nm. Source: FIB-25 and GALA, which trained them, have 10 nm; that 8 nm
counts as known is our choice, and so are cards that say otherwise under ``voxel_size_nm``."""

MOST = 8
"""Voxels along an axis that are joined into one, or one is split into."""

CHUNK: Shape = (16, 256, 256)
"""Voxels that are worth reading together."""

IDENTITY: Shape = (1, 1, 1)


@dataclass(frozen=True, slots=True)
class Scale:
    """How many voxels along z, y, x become one, and how many one becomes.

    Parameters
    ----------
    joins
        Voxels whose mean a model sees as one.
    splits
        Voxels that a model sees for one, linearly between neighbours.

    Raises
    ------
    ValueError
        If a factor is not 1 to `MOST`, or an axis is both joined and split.
    """

    joins: Shape = IDENTITY
    splits: Shape = IDENTITY

    def __post_init__(self) -> None:
        for name, factors in (("joins", self.joins), ("splits", self.splits)):
            if len(factors) != 3 or not all(1 <= factor <= MOST for factor in factors):
                raise ValueError(f"{name} must be three factors (z, y, x) from 1 to {MOST}, got {factors}")
        if any(join > 1 and split > 1 for join, split in zip(self.joins, self.splits, strict=True)):
            raise ValueError(f"an axis must be joined or split, got joins {self.joins} and splits {self.splits}")

    @property
    def is_identity(self) -> bool:
        """Whether a model sees the volume as it is."""
        return self.joins == self.splits == IDENTITY

    def grid_of(self, grid: Grid) -> Grid:
        """The grid that a model sees; the first voxel begins where that of the volume does."""
        joined = grid.coarsen(self.joins)
        z, y, x = (n * s for n, s in zip(joined.shape, self.splits, strict=True))
        size_z, size_y, size_x = (nm / s for nm, s in zip(joined.voxel_size, self.splits, strict=True))
        return Grid((z, y, x), (size_z, size_y, size_x), grid.origin)

    def describe(self, grid: Grid) -> str:
        """What is done to a volume, in a sentence; nothing where nothing is."""
        if self.is_identity:
            return ""
        own, seen = (" × ".join(f"{nm:g}" for nm in g.voxel_size) for g in (grid, self.grid_of(grid)))
        return f"raw at {own} nm is looked at by the model at {seen} nm"


def scale_for(grid: Grid, *, seen_nm: tuple[float, float] = SEEN_NM) -> Scale:
    """The factors that bring a volume's voxels nearest to what a model knows.

    Voxels within sections are joined while they are too fine and split while they are too coarse. Sections are treated
    like that only where they are as close as pixels: what lies between distant ones is not known.

    Source: the paper trains a model a dataset, each at its own resolution; all of this is our choice.

    Parameters
    ----------
    grid
        Of the volume.
    seen_nm
        The finest and the coarsest voxel edge that the model knows.

    Raises
    ------
    ValueError
        If the range is not two lengths in order, above 0.
    """
    finest, coarsest = seen_nm
    if not 0 < finest <= coarsest:
        raise ValueError(f"seen_nm must be two lengths above 0 in order, got {seen_nm}")
    chosen = [_factors(nm, finest=finest, coarsest=coarsest) for nm in grid.voxel_size]
    if not grid.is_isotropic:
        chosen[0] = (1, 1)
    (join_z, split_z), (join_y, split_y), (join_x, split_x) = chosen
    return Scale((join_z, join_y, join_x), (split_z, split_y, split_x))


def _factors(nm: float, *, finest: float, coarsest: float) -> tuple[int, int]:
    """Voxels to join and to split along an axis; of equally good factors the smallest."""

    def distance(length: float) -> float:
        return max(log(finest / length), log(length / coarsest), 0.0)

    joins = min(range(1, MOST + 1), key=lambda factor: (round(distance(nm * factor), 9), factor))
    splits = min(range(1, MOST + 1), key=lambda factor: (round(distance(nm / factor), 9), factor))
    return joins, splits


def look(image: Image, *, scale: Scale) -> Image:
    """The image as a model is to see it; read when it is asked for."""
    if scale.is_identity:
        return image
    grid = scale.grid_of(image.grid)
    return Image(LazyVoxels(grid.shape, np.dtype(np.uint8), CHUNK, partial(_seen, image, scale)), grid)


def bring_back(drawn: BoundaryMap, grid: Grid, *, scale: Scale) -> BoundaryMap:
    """A boundary map that was drawn at a model's resolution, on the volume's own grid; read when it is asked for.

    What was joined is linearly between the middles of the joined voxels, what was split is the mean of its parts.

    Parameters
    ----------
    drawn
        On the grid that the model saw.
    grid
        Of the volume.
    scale
        The one that `look` was given.

    Raises
    ------
    ValueError
        If the map is not on the grid that the model saw.
    """
    seen = scale.grid_of(grid)
    if drawn.grid.shape != seen.shape:
        raise ValueError(f"drawn must have the shape {seen.shape} that the model saw, got {drawn.grid.shape}")
    if scale.is_identity:
        return drawn
    return BoundaryMap(LazyVoxels(grid.shape, np.dtype(np.uint8), CHUNK, partial(_native, drawn, grid, scale)), grid)


def mark_seen(marked: Bool[np.ndarray, " z"], *, scale: Scale) -> Bool[np.ndarray, " Z"]:
    """Which sections that a model sees are made of marked ones, such as lost ones."""
    joined = np.logical_or.reduceat(marked, np.arange(0, len(marked), scale.joins[0]))
    return np.repeat(joined, scale.splits[0])


def _seen(image: Image, scale: Scale, box: Box) -> UInt8[np.ndarray, "z y x"]:
    return _join_and_split(image.voxels, box, joins=scale.joins, splits=scale.splits)


def _native(drawn: BoundaryMap, grid: Grid, scale: Scale, box: Box) -> UInt8[np.ndarray, "z y x"]:
    return _join_and_split(drawn.voxels, box, joins=scale.splits, splits=scale.joins)


def _join_and_split(voxels: VoxelArray, box: Box, *, joins: Shape, splits: Shape) -> UInt8[np.ndarray, "z y x"]:
    """A box of the volume that comes of joining voxels and then splitting them; each step is rounded once."""
    shape = tuple(-(-n // factor) for n, factor in zip(voxels.shape, joins, strict=True))
    spans = [_span(a, b, split, n) for a, b, split, n in zip(box.start, box.stop, splits, shape, strict=True)]
    joined = _joined(voxels, spans, joins=joins)
    if splits == IDENTITY:
        return joined
    total, weight = joined.astype(np.uint32), 1
    for axis, (split, (first, _)) in enumerate(zip(splits, spans, strict=True)):
        if split > 1:
            places = np.arange(box.start[axis], box.stop[axis])
            total = _between(total, places, axis=axis, split=split, first=first, size=shape[axis])
            weight *= 2 * split
    return ((total + np.uint32(weight // 2)) // np.uint32(weight)).astype(np.uint8)


def _span(start: int, stop: int, split: int, size: int) -> tuple[int, int]:
    """The joined voxels that the split ones from ``start`` to ``stop`` lie between."""
    if split == 1:
        return start, stop
    return max(0, (2 * start + 1 - split) // (2 * split)), min(size, (2 * stop - 1 - split) // (2 * split) + 2)


def _joined(voxels: VoxelArray, spans: list[tuple[int, int]], *, joins: Shape) -> UInt8[np.ndarray, "z y x"]:
    """The means of groups of voxels, halves rounded up; groups at the far faces may be smaller."""
    z, y, x = (slice(a * f, min(b * f, n)) for (a, b), f, n in zip(spans, joins, voxels.shape, strict=True))
    found = np.asarray(voxels[z, y, x])
    return found if joins == IDENTITY else join_grey(found, factor=joins)


def _between(
    total: UInt32[np.ndarray, "z y x"], places: np.ndarray, *, axis: int, split: int, first: int, size: int
) -> UInt32[np.ndarray, "Z Y X"]:
    """Split voxels along an axis, linearly between the middles of two; a sum of weights that add up to 2 × split.

    Below 2³² for any factors up to `MOST`.
    """
    before, share = np.divmod(2 * places + 1 - split, 2 * split)
    lower, upper = (np.clip(before + i, 0, size - 1) - first for i in (0, 1))
    along = [1, 1, 1]
    along[axis] = -1
    right = share.astype(np.uint32).reshape(along)
    left = np.uint32(2 * split) - right
    return np.take(total, lower, axis=axis) * left + np.take(total, upper, axis=axis) * right


def range_of(voxel_size_nm: object) -> tuple[float, float]:
    """The voxel edges that a model's card names under ``voxel_size_nm``; `SEEN_NM` where it names none.

    Raises
    ------
    ValueError
        If the card names something else than two lengths in order.
    """
    if voxel_size_nm is None:
        return SEEN_NM
    numbers = [float(n) for n in voxel_size_nm if _is_length(n)] if isinstance(voxel_size_nm, list | tuple) else []
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise ValueError(f"voxel_size_nm of a card must be two lengths in nm in order, got {voxel_size_nm!r}")
    return numbers[0], numbers[1]


def _is_length(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < 1e6
