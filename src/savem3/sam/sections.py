"""Automatic masks of a volume: each section on its own, as a block function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from savem3.blocks import Product
from savem3.grid import Box
from savem3.prompt import Proposer
from savem3.sam.automatic import AutomaticRecipe, automatic_masks
from savem3.sam.found import FoundMask
from savem3.sam.label_map import label_map
from savem3.sam.peaks import depth_of
from savem3.teacher import Teacher
from savem3.tiles import Tile
from savem3.volume import Image, IntensityMap

MULTIPLE = 8
"""Teachers look at sections whose edges are multiples of this."""


@dataclass(frozen=True, slots=True)
class FindMasks:
    """The block function of automatic masks. A block is one whole section.

    Parameters
    ----------
    image
        May be lazy.
    proposer
        Gives who answers prompts, in the process that needs it.
    recipe
        What is asked and kept.
    teacher
        Gives who draws the boundary map; absent where none does.
    intensity
        The map of the volume, for the teacher.
    fill
        Whether what no mask claims is flooded along the boundary map.

    Raises
    ------
    ValueError
        If the recipe or filling needs a boundary map and there is no teacher.
    """

    image: Image
    proposer: Callable[[], Proposer]
    recipe: AutomaticRecipe
    teacher: Callable[[], Teacher] | None = None
    intensity: IntensityMap = IntensityMap(0.0, 255.0)
    fill: bool = False

    def __post_init__(self) -> None:
        if self.teacher is None and (self.fill or self.recipe.points == "peaks"):
            wanted = "to fill" if self.fill else "to ask at its peaks"
            raise ValueError(f"teacher must draw a boundary map {wanted}, got one that only answers prompts")

    def __call__(self, tile: Tile) -> Product:
        """Volumes ``labels``, and ``boundary`` where a teacher draws it; a table of the masks.

        The numbers of section z begin above z × the pixels of a section, so none is in two sections.

        Raises
        ------
        ValueError
            If the block is not one whole section.
        """
        z, (_, height, width) = tile.write.start[0], self.image.grid.shape
        if tile.write != Box((z, 0, 0), (z + 1, height, width)):
            raise ValueError(f"tile must be one whole section, got {tile.write}")
        section = self.image.read(tile.write)[0]
        boundary = self._look_at(section) if self.teacher is not None else None
        depth = depth_of(boundary) if boundary is not None else None
        masks = automatic_masks(section, self.proposer(), recipe=self.recipe, depth=depth)
        labels = label_map(masks, (height, width), fill=boundary if self.fill else None)
        volumes = {"labels": np.where(labels > 0, labels + np.uint64(z * height * width), 0).astype(np.uint64)[None]}
        if boundary is not None:
            volumes["boundary"] = boundary[None]
        return Product(volumes, tables=_table(masks, objects=int(labels.max())))

    def _look_at(self, section: UInt8[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
        """The boundary map of a section, which is continued by its last row and column to what the teacher takes."""
        assert self.teacher is not None
        height, width = section.shape
        grey = self.intensity.to_unit(np.pad(section, [(0, -n % MULTIPLE) for n in section.shape], mode="edge"))
        probability = self.teacher().look_at(grey[None]).boundary[0, :height, :width]
        return np.rint(probability * 255).astype(np.uint8)


def _table(masks: list[FoundMask], *, objects: int) -> Mapping[str, NDArray[Any]]:
    """What is kept of the masks, the best first, and into how many objects they were made."""
    return {
        "box": np.array([mask.box for mask in masks], np.int64).reshape(-1, 4),
        "area": np.array([mask.area for mask in masks], np.int64),
        "predicted_iou": np.array([mask.predicted_iou for mask in masks], np.float32),
        "stability": np.array([mask.stability for mask in masks], np.float32),
        "objects": np.array([objects], np.int64),
    }
