"""From an image to its boundary map, by a 3D student or by a 2D teacher that looks at all sections."""

from __future__ import annotations

from typing import Literal

import numpy as np
from torch import nn

from savem3.blocks import Progress
from savem3.grid import Grid, Shape
from savem3.predict.engine import Backend, Network, Patches, choose_backend, compile_network
from savem3.predict.patches import lay_patches
from savem3.predict.recipe import PredictRecipe
from savem3.predict.views import View, predict_box, turn_shape
from savem3.teacher import Teacher
from savem3.volume import BoundaryMap, Image, IntensityMap


def predict(
    image: Image,
    student: nn.Module,
    *,
    intensity: IntensityMap,
    recipe: PredictRecipe,
    backend: Backend = "auto",
    device: str = "auto",
    threads: int = 1,
    progress: Progress | None = None,
) -> BoundaryMap:
    """Draw the membranes of a whole image with a student.

    Parameters
    ----------
    image
        Grey values; may be lazy and of any size, one section or less than a patch included.
    student
        Takes float32 (batch, 1, z, y, x), gives boundary logits of the same shape.
    intensity
        The intensity map of the whole image (`savem3.volume.intensity_of`).
    recipe
        All settings that decide the values.
    backend, device, threads
        What computes; see `compile_network`.
    progress
        Called with the patches done and the patches there are.
    """
    views = student_views(student, image.grid, recipe=recipe, backend=backend, device=device, threads=threads)
    return predict_box(image, image.grid.box, views=views, intensity=intensity, progress=progress)


def student_views(
    student: nn.Module,
    grid: Grid,
    *,
    recipe: PredictRecipe,
    backend: Backend = "auto",
    device: str = "auto",
    threads: int = 1,
) -> list[View]:
    """The directions in which a student looks at a volume, compiled; for `predict_box`, block by block.

    Parameters
    ----------
    student
        Takes float32 (batch, 1, z, y, x), gives boundary logits of the same shape.
    grid
        Of the whole volume.
    recipe
        All settings that decide the values.
    backend, device, threads
        What computes; see `compile_network`.
    """
    chosen, device = choose_backend(backend, device=device)
    batch = max(recipe.batch, threads) if (chosen, device) == ("torch", "cpu") else recipe.batch
    networks: dict[Shape, Network] = {}
    views = []
    for axis in recipe.axes_of(grid):
        patches = lay_patches(turn_shape(grid.shape, axis=axis), patch=recipe.patch, overlap=recipe.overlap)
        if patches.patch not in networks:
            networks[patches.patch] = compile_network(
                student,
                batch=batch,
                patch=patches.patch,
                backend=chosen,
                device=device,
                threads=threads,
                precision=recipe.precision,
            )
        views.append(View(axis, patches, batch, recipe.mirrors, networks[patches.patch]))
    return views


def look_around(
    image: Image,
    teacher: Teacher,
    *,
    intensity: IntensityMap,
    tile: tuple[int, int] = (256, 256),
    overlap: tuple[int, int] = (32, 32),
    planes: Literal[1, 3],
    batch: int = 4,
    progress: Progress | None = None,
) -> BoundaryMap:
    """Draw the membranes of a whole image with a teacher, section by section; what a student is to learn.

    Parameters
    ----------
    image
        Grey values; may be lazy and of any size.
    teacher
        Looks at single sections.
    intensity
        The intensity map of the whole image.
    tile, overlap
        The largest tile of a section that the teacher sees at once and what two of them share, along y and x; tiles
        and overlaps are multiples of 8.
    planes
        1 looks at the sections along z; 3 also at those along y and x, and takes the mean (isotropic volumes).
    batch
        Tiles that the teacher sees at once.
    progress
        Called with the tiles done and the tiles there are.
    """
    views = teacher_views(teacher, image.grid, tile=tile, overlap=overlap, planes=planes, batch=batch)
    return predict_box(image, image.grid.box, views=views, intensity=intensity, progress=progress)


def teacher_views(
    teacher: Teacher,
    grid: Grid,
    *,
    tile: tuple[int, int] = (256, 256),
    overlap: tuple[int, int] = (32, 32),
    planes: Literal[1, 3],
    batch: int = 4,
) -> list[View]:
    """The directions in which a teacher looks at a volume; for `predict_box`, block by block.

    Raises
    ------
    ValueError
        If ``planes`` is neither 1 nor 3, or tile and overlap do not fit together.
    """
    if planes not in (1, 3):
        raise ValueError(f"planes must be 1 or 3, got {planes}")

    def network(patches: Patches) -> Patches:
        return teacher.look_at(patches[:, 0, 0]).boundary[:, None, None].astype(np.float32, copy=False)

    views = []
    for axis in range(planes):
        patches = lay_patches(turn_shape(grid.shape, axis=axis), patch=(1, *tile), overlap=(0, *overlap))
        views.append(View(axis, patches, batch, 1, network))
    return views
