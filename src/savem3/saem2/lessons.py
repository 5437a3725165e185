"""What a learner is shown: sections with their targets, instances in them, and a prompt for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt64
from numpy.typing import NDArray
from scipy import ndimage

from savem3.augment import change_grey_values, fill, fitting_turn, random_crop_box
from savem3.prompt import Prompt
from savem3.saem2.drawing import KINDS, instances_of
from savem3.saem2.recipe import TrainRecipe
from savem3.volume import DISTANCE_CUT_NM, IntensityMap, Sample, intensity_of

PATIENCE = 50
"""Crops that are drawn in search of one with instances."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A section, or a part of one, and all that is to be learned from it.

    Parameters
    ----------
    grey
        Grey values in −1…1.
    boundary
        1 on membrane, else 0.
    distance
        Distance to the boundary, cut at 64 nm and divided by it.
    masks
        Instances; none where no prompt is asked.
    prompts
        One for each mask.
    name
        Identity of the pixels, for whoever keeps what an encoder made of them; absent where they were changed.
    """

    grey: Float32[np.ndarray, "y x"]
    boundary: Float32[np.ndarray, "y x"]
    distance: Float32[np.ndarray, "y x"]
    masks: Sequence[Bool[np.ndarray, "y x"]]
    prompts: Sequence[Prompt]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RandomLessons:
    """Random crops of annotated volumes: turned, scaled and changed in grey; a pure function of step and rank.

    Parameters
    ----------
    samples
        Annotated volumes; one is drawn in proportion to the square root of its voxels.
    recipe
        Crops a step, their size, prompts, seed.

    Raises
    ------
    ValueError
        If there is no volume.
    """

    samples: Sequence[Sample]
    recipe: TrainRecipe
    chance: Float[np.ndarray, " sample"] = field(init=False)
    intensities: Sequence[IntensityMap] = field(init=False)

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("samples must hold at least one annotated volume, got none")
        roots = np.sqrt([s.image.grid.voxels for s in self.samples])
        object.__setattr__(self, "chance", roots / roots.sum())
        object.__setattr__(self, "intensities", tuple(intensity_of(s.image) for s in self.samples))

    def __call__(self, step: int, *, rank: int = 0) -> list[Lesson]:
        """The lessons of one step, for one of several processes that learn together."""
        rng = np.random.default_rng([self.recipe.seed, rank, step])
        return [self._draw(rng) for _ in range(self.recipe.sections)]

    def _draw(self, rng: np.random.Generator) -> Lesson:
        for _ in range(PATIENCE):
            i = rng.choice(len(self.samples), p=self.chance)
            lesson = draw_lesson(self.samples[i], self.intensities[i], rng, recipe=self.recipe)
            if lesson.masks or not self.recipe.prompts:
                return lesson
        raise ValueError(f"samples must have instances of {self.recipe.smallest} pixels, got none in {PATIENCE} crops")


def draw_lesson(sample: Sample, intensity: IntensityMap, rng: np.random.Generator, *, recipe: TrainRecipe) -> Lesson:
    """One crop of a section; isotropic volumes are cut along any axis, and continued by reflection where too short."""
    grid = sample.image.grid
    edge = round(recipe.crop * float(rng.choice(recipe.scales)))
    turn = fitting_turn(rng, within=grid.shape, shape=(1, edge, edge), isotropic=grid.is_isotropic)
    box = random_crop_box(rng, within=grid.shape, shape=turn.source_shape((1, edge, edge)))
    volumes = (sample.image, sample.boundary, sample.distance, sample.labels)
    raw, boundary, distance, labels = (fill(turn.apply(v.read(box)), (1, edge, edge))[0] for v in volumes)
    grey = _resize(intensity.to_unit(raw), recipe.crop)
    if recipe.grey_changes:
        grey = change_grey_values(grey[None], rng, isotropic=True)[0]
    masks, prompts = _ask(_resize(labels, recipe.crop, order=0), rng, recipe)
    return Lesson(
        grey,
        (_resize(boundary.astype(np.float32), recipe.crop) > 127).astype(np.float32),
        np.clip(_resize(distance, recipe.crop) / DISTANCE_CUT_NM, 0, 1).astype(np.float32),
        masks,
        prompts,
    )


def _ask(
    labels: UInt64[np.ndarray, "y x"], rng: np.random.Generator, recipe: TrainRecipe
) -> tuple[list[Bool[np.ndarray, "y x"]], list[Prompt]]:
    """Instances, drawn with repetition, and a prompt for each."""
    if not recipe.prompts:
        return [], []
    parts, numbers = instances_of(labels, smallest=recipe.smallest)
    if not numbers:
        return [], []
    masks = [parts == n for n in rng.choice(numbers, recipe.prompts)]
    kinds = [KINDS[kind] for kind in rng.choice(recipe.kinds, len(masks))]
    return masks, [draw(mask, rng) for draw, mask in zip(kinds, masks, strict=True)]


def _resize(section: NDArray[Any], edge: int, *, order: int = 1) -> NDArray[Any]:
    if section.shape == (edge, edge):
        return section
    return np.asarray(ndimage.zoom(section, [edge / n for n in section.shape], order=order))
