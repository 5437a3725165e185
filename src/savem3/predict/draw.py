"""Prediction as a block function: any process can draw any block of a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

from torch import nn

from savem3.blocks import Product
from savem3.grid import Grid, Shape
from savem3.predict.patches import lay_patches
from savem3.predict.prediction import student_views
from savem3.predict.recipe import PredictRecipe
from savem3.predict.views import View, predict_box, turn_shape
from savem3.resample import Scale, bring_back
from savem3.tiles import Tile
from savem3.volume import BoundaryMap, Image, IntensityMap

ReadStudent = Callable[[], nn.Module]
"""Reads a student in the process that needs it; of two equal ones only one is called, so it compares by value."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The block function of prediction; see `predict`.

    Parameters
    ----------
    image
        The whole image, lazy.
    student
        Reads the student.
    intensity
        The intensity map of the whole image.
    recipe
        All settings that decide the values.
    device, threads
        What computes; threads change no value.
    """

    image: Image
    student: ReadStudent
    intensity: IntensityMap
    recipe: PredictRecipe
    device: str = "auto"
    threads: int = 1

    def __call__(self, tile: Tile) -> Product:
        views = _compiled(self.student, self.image.grid, self.recipe, self.device, self.threads)
        drawn = predict_box(self.image, tile.write, views=views, intensity=self.intensity)
        return Product({"boundary": drawn.read(drawn.grid.box)})


@dataclass(frozen=True, slots=True)
class BringBack:
    """The block function after `Draw`, where that looks at a volume through a `Scale`: to the volume's own grid.

    Parameters
    ----------
    drawn
        What was drawn of ``look(image, scale=scale)``, lazy.
    grid
        Of the volume.
    scale
        How it was looked at.
    """

    drawn: BoundaryMap
    grid: Grid
    scale: Scale

    def __call__(self, tile: Tile) -> Product:
        return Product({"boundary": bring_back(self.drawn, self.grid, scale=self.scale).read(tile.write)})


@lru_cache(maxsize=1)
def _compiled(student: ReadStudent, grid: Grid, recipe: PredictRecipe, device: str, threads: int) -> tuple[View, ...]:
    """The views of the student that a process predicts with, compiled once."""
    return tuple(student_views(student(), grid, recipe=recipe, device=device, threads=threads))


def fit_block(grid: Grid, *, recipe: PredictRecipe, block: Shape) -> Shape:
    """The block rounded up to the patch grid, so that no patch is predicted twice; at most the whole volume.

    Parameters
    ----------
    grid
        Of the volume.
    recipe
        Patches and views.
    block
        Voxels along z, y, x that were asked for.
    """
    steps = [_step(grid.shape, axis=axis, recipe=recipe) for axis in recipe.axes_of(grid)]
    z, y, x = (
        min(-(-edge // lcm(*along)) * lcm(*along), size)
        for edge, size, along in zip(block, grid.shape, zip(*steps, strict=True), strict=True)
    )
    return z, y, x


def _step(shape: Shape, *, axis: int, recipe: PredictRecipe) -> Shape:
    """Where patches seen along an axis change owner: every so many voxels along z, y, x."""
    patches = lay_patches(turn_shape(shape, axis=axis), patch=recipe.patch, overlap=recipe.overlap)
    along = zip(patches.shape, patches.patch, patches.step, strict=True)
    z, y, x = (size if size <= patch else step for size, patch, step in along)
    return turn_shape((z, y, x), axis=axis)
