"""What a student learns from: unlabelled images with a teacher's boundary map, and annotated ones if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from savem3.augment import change_grey_values, fill, fitting_turn, random_crop_box
from savem3.distill.recipe import DistillRecipe
from savem3.volume import BoundaryMap, Image, IntensityMap, intensity_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """An image and the boundary to learn on it: a teacher's map, or one made from labels.

    Parameters
    ----------
    image
        Grey values, in memory or cheap to read in small boxes.
    boundary
        The target.
    labelled
        Whether people made the target; a teacher otherwise.
    weight
        How often it is drawn, relative to a volume of its size; above 0.
    """

    image: Image
    boundary: BoundaryMap
    labelled: bool = False
    weight: float = 1.0


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
    """

    clean: Float32[np.ndarray, "batch z y x"]
    raw: Float32[np.ndarray, "batch z y x"]
    boundary: Float32[np.ndarray, "batch z y x"]


def batches(lessons: Sequence[Lesson], *, recipe: DistillRecipe) -> Iterator[Batch]:
    """Endless batches. Volumes are drawn by the square root of their voxels, within the labelled share."""
    rng = np.random.default_rng(recipe.seed)
    chance = _chances(lessons, labelled_share=recipe.labelled_share)
    intensities = [intensity_of(lesson.image) for lesson in lessons]
    while True:
        drawn = rng.choice(len(lessons), recipe.batch, p=chance)
        crops = [_crop(lessons[i], intensities[i], rng, recipe) for i in drawn]
        clean, raw, boundary = (np.stack(c) for c in zip(*crops, strict=True))
        yield Batch(clean, raw, boundary)


def _chances(lessons: Sequence[Lesson], *, labelled_share: float) -> Float32[np.ndarray, " lesson"]:
    size = np.array([lesson.weight * lesson.image.grid.voxels**0.5 for lesson in lessons])
    labelled = np.array([lesson.labelled for lesson in lessons])
    if labelled.all() or not labelled.any():
        return (size / size.sum()).astype(np.float32)
    share = np.where(labelled, labelled_share / size[labelled].sum(), (1 - labelled_share) / size[~labelled].sum())
    return (size * share / (size * share).sum()).astype(np.float32)


def _crop(
    lesson: Lesson, intensity: IntensityMap, rng: np.random.Generator, recipe: DistillRecipe
) -> tuple[Float32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"]]:
    """One crop, turned alike in raw and target; grey values change in the student's raw alone."""
    grid = lesson.image.grid
    turn = fitting_turn(rng, within=grid.shape, shape=recipe.crop, isotropic=grid.is_isotropic)
    box = random_crop_box(rng, within=grid.shape, shape=turn.source_shape(recipe.crop))
    raw, boundary = (fill(turn.apply(v.read(box)), recipe.crop) for v in (lesson.image, lesson.boundary))
    clean = intensity.to_unit(raw)
    changed = change_grey_values(clean, rng, isotropic=grid.is_isotropic)
    return clean, changed, (boundary / np.float32(255)).astype(np.float32)
