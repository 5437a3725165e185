"""Lessons by epochs: every section that is planned comes once, whole or in fixed tiles, with the instances asked of it.

For frozen encoders: pixels are turned at most by mirrors and carry a name, so that what an encoder made of them can be
kept from epoch to epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.augment import Turn, fill
from savem3.grid import Box
from savem3.saem2.drawing import KINDS, instances_of
from savem3.saem2.lessons import Lesson
from savem3.saem2.recipe import TrainRecipe
from savem3.volume import DISTANCE_CUT_NM, Sample, intensity_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What an epoch asks of one section.

    Parameters
    ----------
    sample
        Number of the volume.
    z
        The section.
    places
        A pixel of each instance, y and x; an instance is the connected part of its label there.
    """

    sample: int
    z: int
    places: Int64[np.ndarray, "instance 2"]


@dataclass(frozen=True, slots=True)
class Part:
    """One lesson of an epoch: a tile of a section, and a pixel of each instance that is asked of it."""

    sample: int
    z: int
    corner: tuple[int, int]
    places: Int64[np.ndarray, "instance 2"]


class EpochLessons:
    """Lessons in the order of planned epochs; a pure function of step and rank.

    Parameters
    ----------
    samples
        Annotated volumes.
    plan
        Gives what an epoch, counted from 0, asks of sections, in its order.
    recipe
        Lessons a step (``sections``), edge of a tile (``crop``), most instances a lesson (``prompts``), kinds of
        prompts, seed. Grey values and scales stay as they are.
    ranks
        Processes that learn together; each takes its own lessons of a step.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        plan: Callable[[int], Sequence[Asked]],
        *,
        recipe: TrainRecipe,
        ranks: int = 1,
    ) -> None:
        self.samples, self.plan, self.recipe, self.ranks = samples, plan, recipe, ranks
        self.intensities = [intensity_of(sample.image) for sample in samples]
        self._epoch, self._first, self._parts = -1, 0, list[Part]()

    def __call__(self, step: int, *, rank: int = 0) -> list[Lesson]:
        """The lessons of a step, counted from 1, for one of the processes; an epoch's last step may have fewer."""
        at = (step - 1) * self.ranks + rank
        epoch, first, parts = self._epoch_of(at)
        start = (at - first) * self.recipe.sections
        rng = np.random.default_rng([self.recipe.seed, epoch, start])
        return [self._draw(part, rng) for part in parts[start : start + self.recipe.sections]]

    def _epoch_of(self, at: int) -> tuple[int, int, list[Part]]:
        """The epoch of a batch, its first batch and its lessons; the one last asked for is at hand."""
        if at < self._first:
            self._epoch, self._first, self._parts = -1, 0, []
        while self._epoch < 0 or at >= self._first + self._batches():
            self._first += self._batches()
            self._epoch += 1
            self._parts = [part for asked in self.plan(self._epoch) for part in self._tiles(asked)]
            if not self._parts:
                raise ValueError(f"plan must ask for at least one instance, got none in epoch {self._epoch}")
        return self._epoch, self._first, self._parts

    def _batches(self) -> int:
        return -(-len(self._parts) // self.recipe.sections)

    def _tiles(self, asked: Asked) -> list[Part]:
        """The tiles of a section that hold instances, each with at most as many as a lesson may have."""
        corners = asked.places // self.recipe.crop * self.recipe.crop
        parts = []
        for corner in np.unique(corners, axis=0):
            places = asked.places[(corners == corner).all(1)]
            for i in range(0, len(places), self.recipe.prompts):
                here = (int(corner[0]), int(corner[1]))
                parts.append(Part(asked.sample, asked.z, here, places[i : i + self.recipe.prompts]))
        return parts

    def _draw(self, part: Part, rng: np.random.Generator) -> Lesson:
        """The tile, mirrored by chance, and a prompt for each instance."""
        sample, edge = self.samples[part.sample], self.recipe.crop
        (y, x), (_, height, width) = part.corner, sample.image.grid.shape
        box = Box((part.z, y, x), (part.z + 1, min(y + edge, height), min(x + edge, width)))
        up, left = (bool(m) for m in rng.random(2) < 0.5)
        turn = Turn((0, 1, 2), (False, up, left))
        volumes = (sample.image, sample.boundary, sample.distance)
        raw, boundary, distance = (fill(turn.apply(v.read(box)), (1, edge, edge))[0] for v in volumes)
        numbers, _ = instances_of(sample.labels.read(box)[0], smallest=1)
        own = [numbers == numbers[tuple(place)] for place in part.places - np.array(part.corner)]
        masks = [_framed(turn.apply(mask[None])[0], edge) for mask in own]
        kinds = rng.choice(self.recipe.kinds, len(masks))
        return Lesson(
            self.intensities[part.sample].to_unit(raw),
            (boundary > 127).astype(np.float32),
            np.clip(distance / DISTANCE_CUT_NM, 0, 1).astype(np.float32),
            masks,
            [KINDS[kind](mask, rng) for kind, mask in zip(kinds, masks, strict=True)],
            f"{sample.name} z={part.z} y={y} x={x} edge={edge} mirrored={up:d}{left:d}",
        )


def _framed(mask: np.ndarray, edge: int) -> np.ndarray:
    """A mask where `fill` puts the tile it belongs to, with nothing around it."""
    missing = [edge - n for n in mask.shape]
    return np.pad(mask, [(m // 2, m - m // 2) for m in missing])
