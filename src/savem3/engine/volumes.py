"""Unifying a volume: each section on its own, as a block function; and what of it is handed to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from savem3.blocks import Product
from savem3.engine.recipe import RedrawRecipe
from savem3.engine.redrawing import claims_of
from savem3.engine.unifying import FATES, UnifiedSection, unify_section
from savem3.prompt import Prompter
from savem3.proposal import Proposal
from savem3.store.proposals import line_of
from savem3.teacher import Teacher
from savem3.tiles import Tile
from savem3.volume import Image, IntensityMap, Labels, VoxelArray

MULTIPLE = 8
"""Teachers look at sections whose edges are multiples of this."""


@dataclass(frozen=True, slots=True)
class UnifySections:
    """The block function of unification. A block is one whole section.

    Parameters
    ----------
    name
        Of the volume, for its queue.
    image, labels
        On one grid; may be lazy.
    weight
        Of the same shape, 0 where nothing is to be learned; absent where everything counts.
    prompter
        Gives who draws, in the process that needs it.
    teacher
        Gives who sees boundaries; absent where the recipe looks at none.
    intensity
        The map of the volume, for the teacher.
    model
        Digest of who draws.
    recipe
        What is asked and what is accepted.
    settled
        Marks that earlier runs left; see `unify_section`.

    Raises
    ------
    ValueError
        If the shapes differ, or the recipe looks at boundaries and there is no teacher.
    """

    name: str
    image: Image
    labels: Labels
    weight: VoxelArray | None
    prompter: Callable[[], Prompter]
    teacher: Callable[[], Teacher] | None
    intensity: IntensityMap
    model: str
    recipe: RedrawRecipe
    settled: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        shape = self.image.grid.shape
        for name, volume in (("labels", self.labels.voxels), ("mask", self.weight)):
            if volume is not None and tuple(volume.shape) != shape:
                raise ValueError(f"{name} must have the image's shape {shape}, got {tuple(volume.shape)}")
        if self.teacher is None and self.recipe.boundary_gain is not None:
            raise ValueError("teacher must draw a boundary map where the recipe has a boundary_gain, got none")

    def __call__(self, tile: Tile) -> Product:
        """Volume ``labels``; tables of marks, of how many parts met which of `FATES`, and the lines of the queue."""
        z, box = tile.write.start[0], tile.write
        section, labels = self.image.read(box)[0], self.labels.read(box)[0]
        weight = None
        if self.weight is not None:
            weight = (np.asarray(self.weight[box.slices])[0] != 0).astype(np.uint8)
        done = unify_section(
            section,
            labels,
            self.prompter(),
            model=self.model,
            recipe=self.recipe,
            z=z,
            evidence=self._look_at(section),
            weight=weight,
            settled=self.settled,
        )
        queue = "".join(line_of(proposal) for proposal in proposals_of(done, dataset=self.name, z=z))
        tables: dict[str, NDArray[Any]] = {
            "fates": np.array([done.fates.count(fate) for fate in FATES], np.int64),
            "settled": np.frombuffer(b"".join(sorted(done.settled)), np.uint8).reshape(-1, 32),
            "queue": np.frombuffer(queue.encode(), np.uint8),
        }
        return Product({"labels": np.ascontiguousarray(done.labels)[None]}, tables)

    def _look_at(self, section: UInt8[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"] | None:
        """The boundary map of a section, continued by its last row and column to what the teacher takes."""
        if self.teacher is None or self.recipe.boundary_gain is None:
            return None
        height, width = section.shape
        grey = self.intensity.to_unit(np.pad(section, [(0, -n % MULTIPLE) for n in section.shape], mode="edge"))
        probability = self.teacher().look_at(grey[None]).boundary[0, :height, :width]
        return np.asarray(np.rint(probability * 255), np.uint8)


def proposals_of(done: UnifiedSection, *, dataset: str, z: int) -> Iterator[Proposal]:
    """What a person is to look at in a section, as its labels are afterwards, the least alike first.

    A label may lie in a crop with several parts; the proposal leaves those alone that it is not about. Its id ends with
    the first pixel of its part, which no other part has.
    """
    for redrawn in sorted(done.queued, key=lambda r: (r.iou, r.label, r.y, r.x)):
        old = done.labels[redrawn.box] == np.uint64(redrawn.label)
        row, column = divmod(int(np.argmax(redrawn.old)), redrawn.old.shape[1])
        yield Proposal(
            id=f"{dataset}:z{z}:label{redrawn.label}:{redrawn.y + row},{redrawn.x + column}",
            dataset=dataset,
            z=z,
            label=redrawn.label,
            y_start=redrawn.y,
            x_start=redrawn.x,
            old=old,
            new=claims_of(done.labels, redrawn),
            iou=redrawn.iou,
            score=redrawn.score,
            reason="the model draws something else" if redrawn.new.any() else "the model sees nothing here",
        )
