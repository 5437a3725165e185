"""Boundary maps: a voxel's value is a function of the volume only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from savem3.grid import Box, Grid, Shape
from savem3.predict import View, lay_patches, look_around, predict, predict_box, student_views, teacher_views
from savem3.predict.engine import Backend
from savem3.predict.recipe import PredictRecipe, fast_cpu, superhuman_cpu
from savem3.teacher import Look
from savem3.tiles import split
from savem3.volume import Image, IntensityMap

RECIPE = PredictRecipe(patch=(6, 16, 24), overlap=(2, 8, 8), batch=3, views=1)
INTENSITY = IntensityMap(20.0, 220.0)
SHAPE = (9, 21, 34)


TILES: dict[str, Any] = {"tile": (16, 24), "overlap": (8, 8)}


class Smear(nn.Module):
    """A random 3 × 5 × 5 filter and a batch norm: what is seen of the surround shows in the answer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.filter = nn.Conv3d(1, 4, (3, 5, 5), padding=(1, 2, 2))
        self.norm = nn.BatchNorm3d(4)
        self.out = nn.Conv3d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out(torch.relu(self.norm(self.filter(x))))
        return logits * 6


class Grey(nn.Module):
    """Each voxel's own grey value is its logit, times 3."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 3


class GreyTeacher:
    """Says that dark is membrane, and remembers the shapes it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def look_at(self, sections: np.ndarray) -> Look:
        self.shown.append(sections.shape)
        batch, y, x = sections.shape
        feature = np.zeros((batch, 32, y // 2, x // 2), np.float32)
        embedding = np.zeros((batch, 256, y // 8, x // 8), np.float32)
        return Look((1.4 - sections) / 2.8, None, feature, embedding)


def smear(patches: np.ndarray) -> np.ndarray:
    """A mean over neighbours, as a network would see them: wrong wherever ownership or reflection is."""
    near = sum(np.roll(patches, shift, axis) for shift in (-1, 1) for axis in (3, 4))
    return np.clip(near / 8 + 0.5, 0, 1).astype(np.float32)


def image_of(shape: Shape = SHAPE, *, voxel_size: tuple[float, float, float] = (30.0, 6.0, 4.0)) -> Image:
    voxels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return Image(voxels, Grid(shape, voxel_size, (300.0, 60.0, 40.0)))


def in_blocks(image: Image, views: list[View], *, block: Shape) -> np.ndarray:
    out = np.zeros(image.grid.shape, np.uint8)
    for tile in split(image.grid.shape, block=block):
        out[tile.write.slices] = predict_box(image, tile.write, views=views, intensity=INTENSITY).voxels
    return out


@pytest.fixture(scope="module")
def whole() -> dict[tuple[str, int], np.ndarray]:
    """The whole volume at once on one thread, by backend and number of views."""
    return {
        (backend, views): np.asarray(
            predict(
                image_of(), Smear(), intensity=INTENSITY, recipe=replace(RECIPE, views=views), backend=backend
            ).voxels
        )
        for backend in ("openvino", "torch")
        for views in (1, 3)
    }


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_blocks_and_threads_change_no_byte(whole: Any, backend: Backend, threads: int, views: Any) -> None:
    image = image_of()
    recipe = replace(RECIPE, views=views)
    looking = student_views(Smear(), image.grid, recipe=recipe, backend=backend, threads=threads)
    assert np.ptp(whole[backend, views]) > 100
    for block in ((9, 21, 34), (4, 16, 25), (9, 7, 9)):
        assert (in_blocks(image, looking, block=block) == whole[backend, views]).all()


@settings(max_examples=8)
@given(st.tuples(st.integers(4, 9), st.integers(9, 21), st.integers(12, 34)))
def test_any_blocks_give_the_same_bytes(block: Shape) -> None:
    image = image_of()
    looking = [replace(view, network=smear) for view in teacher_views(GreyTeacher(), image.grid, **TILES, planes=3)]
    whole = predict_box(image, image.grid.box, views=looking, intensity=INTENSITY).voxels
    assert (in_blocks(image, looking, block=block) == whole).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 37, 50), (3, 5, 2), (7, 17, 25), (2, 40, 9)])
@pytest.mark.parametrize("views", [1, 3])
def test_any_size_comes_back_in_its_own_shape(shape: Shape, views: Any) -> None:
    image = image_of(shape)
    boundary = predict(
        image, Grey(), intensity=INTENSITY, recipe=replace(RECIPE, views=views, mirrors=8), backend="torch"
    )
    expected = 255 / (1 + np.exp(-3 * INTENSITY.to_unit(image.load().voxels).astype(float)))
    assert boundary.grid == image.grid
    assert boundary.voxels.dtype == np.uint8
    assert abs(boundary.voxels - expected).max() <= 0.51


def test_the_mean_of_views_and_mirrorings_is_rounded_once() -> None:
    image = image_of((1, 8, 8))
    patches = lay_patches((1, 8, 8), patch=(1, 8, 8), overlap=(0, 0, 0))
    answers = [100.4 / 255, 100.4 / 255, 100.8 / 255]  # rounded one by one their mean would be 100
    looking = [View(0, patches, 1, 1, lambda x, a=a: np.full_like(x, a)) for a in answers]
    boundary = predict_box(image, image.grid.box, views=looking, intensity=INTENSITY)
    assert (boundary.voxels == 101).all()


def test_the_order_of_views_changes_no_byte() -> None:
    image = image_of((9, 10, 12))
    looking = student_views(Smear(), image.grid, recipe=replace(RECIPE, views=3, mirrors=4), backend="torch")
    there, back = (
        predict_box(image, image.grid.box, views=views, intensity=INTENSITY).voxels
        for views in (looking, looking[::-1])
    )
    assert (there == back).all()


def test_each_view_takes_its_axis_as_sections() -> None:
    bright = np.zeros((6, 8, 10), np.uint8)
    bright[2, 3, 4] = 255
    image = Image(bright, Grid((6, 8, 10), (8.0, 8.0, 8.0)))

    def spread_in_plane(patches: np.ndarray) -> np.ndarray:
        lit = (patches > 0.5).any(axis=(3, 4), keepdims=True)
        return np.broadcast_to(lit, patches.shape).astype(np.float32)

    for axis, index in enumerate([2, 3, 4]):
        shape = list(bright.shape)
        shape[0], shape[axis] = shape[axis], shape[0]
        patches = lay_patches((shape[0], shape[1], shape[2]), patch=(12, 16, 16), overlap=(0, 0, 0))
        view = View(axis, patches, 1, 1, spread_in_plane)
        boundary = predict_box(image, image.grid.box, views=[view], intensity=INTENSITY).voxels
        assert (np.take(boundary, index, axis) == 255).all()
        assert (boundary == 255).mean() == pytest.approx(1 / bright.shape[axis])


def test_mirrorings_are_turned_back() -> None:
    image = image_of((5, 9, 13))
    plain, mirrored = (
        predict(image, Grey(), intensity=INTENSITY, recipe=replace(RECIPE, mirrors=n), backend="torch").voxels
        for n in (1, 8)
    )
    assert (plain == mirrored).all()


@pytest.mark.parametrize(("voxel_size", "axes"), [((8.0, 8.0, 8.0), (0, 1, 2)), ((30.0, 6.0, 4.0), (0,))])
def test_auto_looks_along_three_axes_only_where_they_may_be_exchanged(voxel_size: Any, axes: tuple[int, ...]) -> None:
    assert fast_cpu().axes_of(Grid((5, 6, 7), voxel_size)) == axes


def test_one_network_serves_views_of_one_patch() -> None:
    grid = Grid((20, 20, 20), (8.0, 8.0, 8.0))
    looking = student_views(Grey(), grid, recipe=replace(RECIPE, views=3), backend="torch")
    assert len(looking) == 3
    assert len({id(view.network) for view in looking}) == 1


def test_only_what_a_box_needs_is_read() -> None:
    class Watched:
        shape, dtype = SHAPE, np.dtype(np.uint8)
        read: list[tuple[slice, ...]] = []  # noqa: RUF012 (one instance)

        def __getitem__(self, index: Any) -> np.ndarray:
            self.read.append(index)
            return np.zeros(SHAPE, np.uint8)[index]

    image = Image(Watched(), image_of().grid)
    looking = student_views(Grey(), image.grid, recipe=RECIPE, backend="torch")
    predict_box(image, Box((0, 0, 0), (2, 4, 5)), views=looking, intensity=INTENSITY)
    patch = looking[0].patches.patch
    assert len(Watched.read) == 1
    assert all(index.stop <= size for index, size in zip(Watched.read[0], patch, strict=True))


def test_progress_counts_patches_to_the_end() -> None:
    calls: list[tuple[int, int]] = []
    predict(
        image_of(),
        Grey(),
        intensity=INTENSITY,
        recipe=RECIPE,
        backend="torch",
        progress=lambda done, total: calls.append((done, total)),
    )
    total = calls[-1][1]
    assert [done for done, _ in calls] == [*range(3, total, 3), total]


@pytest.mark.parametrize("answer", [float("nan"), -0.1, 1.1])
def test_an_answer_that_is_no_probability_is_refused(answer: float) -> None:
    image = image_of((2, 3, 4))
    patches = lay_patches((2, 3, 4), patch=(2, 8, 8), overlap=(0, 0, 0))
    view = View(0, patches, 1, 1, lambda x: np.full_like(x, answer))
    with pytest.raises(ValueError, match="network must answer with probabilities 0–1, got"):
        predict_box(image, image.grid.box, views=[view], intensity=INTENSITY)


def test_a_box_outside_the_image_is_refused() -> None:
    image = image_of((2, 3, 4))
    views = teacher_views(GreyTeacher(), image.grid, planes=1)
    with pytest.raises(ValueError, match="box must lie inside the image"):
        predict_box(image, Box((0, 0, 0), (2, 3, 5)), views=views, intensity=INTENSITY)
    with pytest.raises(ValueError, match="views must hold at least one view"):
        predict_box(image, image.grid.box, views=[], intensity=INTENSITY)


@pytest.mark.parametrize("planes", [1, 3])
def test_a_teacher_draws_a_map_of_the_image_whatever_its_size(planes: Any) -> None:
    image = image_of((3, 37, 50), voxel_size=(8.0, 8.0, 8.0))
    teacher = GreyTeacher()
    boundary = look_around(image, teacher, intensity=INTENSITY, **TILES, planes=planes, batch=3)
    expected = 255 * (1.4 - INTENSITY.to_unit(image.load().voxels).astype(float)) / 2.8
    assert abs(boundary.voxels - expected).max() <= 0.51
    assert {shape[0] for shape in teacher.shown} == {3}
    assert all(shape[1] % 8 == 0 and shape[2] % 8 == 0 for shape in teacher.shown)


def test_a_teacher_in_blocks_gives_the_same_bytes() -> None:
    image = image_of((3, 37, 50))
    views = teacher_views(GreyTeacher(), image.grid, **TILES, planes=3, batch=2)
    whole = predict_box(image, image.grid.box, views=views, intensity=INTENSITY).voxels
    assert (in_blocks(image, views, block=(2, 11, 19)) == whole).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"views": 2}, "views must be"), ({"mirrors": 3}, "mirrors must be"), ({"batch": 0}, "batch must be")],
)
def test_a_recipe_outside_its_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **settings)


def test_the_named_recipes_make_patch_grids() -> None:
    for recipe in (fast_cpu(), superhuman_cpu()):
        assert lay_patches((900, 900, 900), patch=recipe.patch, overlap=recipe.overlap).patch == recipe.patch
