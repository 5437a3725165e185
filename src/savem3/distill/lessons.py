"""What a student learns from: unlabelled images with a teacher's boundary map, and annotated ones if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from savem3.augment import Turn, change_grey_values, fill, fitting_turn, random_crop_box
from savem3.distill.cache import CachedLooks
from savem3.distill.cells import place_on_cells
from savem3.distill.looks import Maps
from savem3.distill.recipe import DistillRecipe
from savem3.grid import Box
from savem3.volume import DISTANCE_CUT_NM, BoundaryMap, DistanceMap, Image, IntensityMap, VoxelArray, intensity_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """An image and the boundary to learn on it: a teacher's map, or one made from labels.

    Parameters
    ----------
    image
        Grey values, in memory or cheap to read in small boxes.
    boundary
        The target; of several teachers, `mean_boundary` of theirs.
    labelled
        Whether people made the target; a teacher otherwise.
    weight
        How often it is drawn, relative to a volume of its size; above 0.
    distance
        The target of a second output; where absent, the teachers' distance is.
    mask
        Where anything is learned, on the image's grid: voxels that are 0 or false count in no term; absent, all count.
    looks
        Maps that teachers saw in the image, one entry a teacher; absent, teachers look at each crop. Crops then start
        at multiples of 8 voxels along y and x of the plane, so up to 7 voxels at the far faces are never seen.

    Raises
    ------
    ValueError
        If the weight is not above 0, or a volume is of another shape than the image.
    """

    image: Image
    boundary: BoundaryMap
    labelled: bool = False
    weight: float = 1.0
    distance: DistanceMap | None = None
    mask: VoxelArray | None = None
    looks: tuple[CachedLooks, ...] = ()

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight must be above 0, got {self.weight}")
        shape = self.image.grid.shape
        shapes: list[tuple[str, tuple[int, ...]]] = [("boundary", self.boundary.grid.shape)]
        shapes += [("looks", looks.shape) for looks in self.looks]
        shapes += [] if self.distance is None else [("distance", self.distance.grid.shape)]
        shapes += [] if self.mask is None else [("mask", self.mask.shape)]
        for name, other in shapes:
            if tuple(other) != shape:
                raise ValueError(f"{name} must have the image's shape {shape}, got {tuple(other)}")


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one step.

    Parameters
    ----------
    clean
        Raw as the teacher sees it, −1…1.
    raw
        The same crops with changed grey values, as the student sees them.
    boundary
        The target, 0–1.
    distance
        The target of a second output, 0–1; NaN in crops of a lesson that has none.
    mask
        Where anything is learned.
    looks
        What each teacher saw, where lessons have it.
    """

    clean: Float32[np.ndarray, "batch z y x"]
    raw: Float32[np.ndarray, "batch z y x"]
    boundary: Float32[np.ndarray, "batch z y x"]
    distance: Float32[np.ndarray, "batch z y x"]
    mask: Bool[np.ndarray, "batch z y x"]
    looks: tuple[Maps, ...] = ()


def mean_boundary(maps: Sequence[BoundaryMap]) -> BoundaryMap:
    """The mean of several teachers' boundary maps of one image, halves rounded up.

    Raises
    ------
    ValueError
        If there is none, or their grids differ.
    """
    if not maps:
        raise ValueError("maps must hold at least one boundary map, got none")
    if other := next((m.grid for m in maps if m.grid != maps[0].grid), None):
        raise ValueError(f"maps must lie on one grid {maps[0].grid}, got {other}")
    sums = np.zeros(maps[0].grid.shape, np.uint32)
    for each in maps:
        sums += each.read(each.grid.box)
    return BoundaryMap(((2 * sums + len(maps)) // (2 * len(maps))).astype(np.uint8), maps[0].grid)


def batches(lessons: Sequence[Lesson], *, recipe: DistillRecipe) -> Iterator[Batch]:
    """Endless batches. Volumes are drawn by the square root of their voxels, within the labelled share."""
    rng = np.random.default_rng(recipe.seed)
    chance = _chances(lessons, labelled_share=recipe.labelled_share)
    intensities = [intensity_of(lesson.image) for lesson in lessons]
    while True:
        drawn = rng.choice(len(lessons), recipe.batch, p=chance)
        yield _join([_crop(lessons[i], intensities[i], rng, recipe) for i in drawn])


def _chances(lessons: Sequence[Lesson], *, labelled_share: float) -> Float32[np.ndarray, " lesson"]:
    size = np.array([lesson.weight * lesson.image.grid.voxels**0.5 for lesson in lessons])
    labelled = np.array([lesson.labelled for lesson in lessons])
    if labelled.all() or not labelled.any():
        return (size / size.sum()).astype(np.float32)
    share = np.where(labelled, labelled_share / size[labelled].sum(), (1 - labelled_share) / size[~labelled].sum())
    return (size * share / (size * share).sum()).astype(np.float32)


def _crop(lesson: Lesson, intensity: IntensityMap, rng: np.random.Generator, recipe: DistillRecipe) -> Batch:
    """A batch of one crop, turned alike in raw and every target; grey values change in the student's raw alone."""
    grid = lesson.image.grid
    turn, box = _place(lesson, rng, recipe=recipe)

    def cut(voxels: VoxelArray) -> NDArray[Any]:
        return fill(turn.apply(np.asarray(voxels[box.slices])), recipe.crop)[None]

    clean = intensity.to_unit(cut(lesson.image.voxels))
    changed = change_grey_values(clean[0], rng, isotropic=grid.is_isotropic)[None]
    return Batch(
        clean,
        changed,
        (cut(lesson.boundary.voxels) / np.float32(255)).astype(np.float32),
        _to_share(cut(lesson.distance.voxels)) if lesson.distance else np.full_like(clean, np.nan),
        cut(lesson.mask) != 0 if lesson.mask is not None else np.ones(clean.shape, bool),
        tuple(looks.maps(box, turn=turn, shape=recipe.crop) for looks in lesson.looks if recipe.wants_looks),
    )


def _place(lesson: Lesson, rng: np.random.Generator, *, recipe: DistillRecipe) -> tuple[Turn, Box]:
    """How a crop lies in its volume: anywhere, or where the cells of cached maps begin."""
    grid = lesson.image.grid
    if lesson.looks:
        planes = min(looks.planes for looks in lesson.looks)
        return place_on_cells(rng, within=grid.shape, shape=recipe.crop, isotropic=grid.is_isotropic and planes == 3)
    turn = fitting_turn(rng, within=grid.shape, shape=recipe.crop, isotropic=grid.is_isotropic)
    return turn, random_crop_box(rng, within=grid.shape, shape=turn.source_shape(recipe.crop))


def _to_share(distance_nm: NDArray[np.float32]) -> Float32[np.ndarray, "batch z y x"]:
    return (np.minimum(distance_nm, DISTANCE_CUT_NM) / DISTANCE_CUT_NM).astype(np.float32)


def _join(crops: Sequence[Batch]) -> Batch:
    """One batch of many."""
    first, *_ = crops
    clean, raw, boundary, distance, mask = (
        np.concatenate([getattr(crop, name) for crop in crops])
        for name in ("clean", "raw", "boundary", "distance", "mask")
    )
    looks = tuple(_join_maps([crop.looks[i] for crop in crops]) for i in range(len(first.looks)))
    return Batch(clean, raw, boundary, distance, mask, looks)


def _join_maps(maps: Sequence[Maps]) -> Maps:
    distances = [each.distance for each in maps if each.distance is not None]
    return Maps(
        np.concatenate(distances) if len(distances) == len(maps) else None,
        np.concatenate([each.feature for each in maps]),
        np.concatenate([each.embedding for each in maps]),
    )
