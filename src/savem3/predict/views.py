"""Looking at a volume along an axis, patch by patch, and adding up what is seen in integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8, UInt32

from savem3.blocks import Progress
from savem3.grid import Box, Shape
from savem3.predict.engine import Network, Patches
from savem3.predict.patches import PatchGrid, read_reflected
from savem3.tiles import Tile
from savem3.volume import BoundaryMap, Image, IntensityMap

CERTAIN = 65535
"""The fixed-point number of probability 1. Whole numbers add up to the same sum in any order."""
MIRRORINGS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1), (-3,), (-3, -1), (-3, -2), (-3, -2, -1))
"""The axes that each mirroring reverses; a recipe takes the first 1, 2, 4 or 8."""


@dataclass(frozen=True, slots=True)
class View:
    """One direction to look along, and everything needed to do so.

    Parameters
    ----------
    axis
        The axis whose planes are taken as sections: 0 is z, 1 is y, 2 is x. It trades places with z.
    patches
        The patch grid of the volume so turned.
    batch
        Patches a network call.
    mirrors
        How many of `MIRRORINGS` are seen.
    network
        From a full batch of patches to membrane probability.
    """

    axis: int
    patches: PatchGrid
    batch: int
    mirrors: int
    network: Network


def turn_shape(shape: Shape, *, axis: int) -> Shape:
    """Voxels along z, y, x after ``axis`` and z have traded places; turning twice changes nothing."""
    turned = list(shape)
    turned[0], turned[axis] = turned[axis], turned[0]
    return turned[0], turned[1], turned[2]


def turn_box(box: Box, *, axis: int) -> Box:
    """The same voxels after ``axis`` and z have traded places."""
    return Box(turn_shape(box.start, axis=axis), turn_shape(box.stop, axis=axis))


def predict_box(
    image: Image,
    box: Box,
    *,
    views: Sequence[View],
    intensity: IntensityMap,
    progress: Progress | None = None,
) -> BoundaryMap:
    """Membrane probability in a box of an image: the mean over all views, rounded to uint8 once.

    A voxel's value is a function of the whole image, never of the box: any blocks give the same bytes. A box whose
    faces lie at multiples of the patch grids' `step` predicts no patch that its neighbour predicts too. In memory are
    the box (5 bytes a voxel) and one batch.

    Source: the fixed patch grid with one owner a voxel, and exact sums, are our choices; the paper is silent.

    Parameters
    ----------
    image
        The whole image; only the patches needed are read.
    box
        The voxels asked for, inside the image.
    views
        Where to look from; at least one, all made for this image's shape.
    intensity
        The one intensity map of the whole image.
    progress
        Called with the patches done and the patches there are.

    Raises
    ------
    ValueError
        If the box leaves the image, there is no view, or a network's answer is no probability.
    """
    if not views:
        raise ValueError("views must hold at least one view, got none")
    if box.grow((0, 0, 0), within=image.grid.shape) != box:
        raise ValueError(f"box must lie inside the image of {image.grid.shape} voxels, got {box}")
    tiles = [view.patches.tiles_of(turn_box(box, axis=view.axis)) for view in views]
    count = _counter(sum(map(len, tiles)), progress=progress)
    sums = np.zeros(box.shape, np.uint32)
    for view, seen in zip(views, tiles, strict=True):
        _add_view(sums, image, box, view=view, tiles=seen, intensity=intensity, count=count)
    return BoundaryMap(_mean(sums, looks=sum(view.mirrors for view in views)), image.grid.crop(box))


def _counter(total: int, *, progress: Progress | None) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    return count


def _add_view(
    sums: UInt32[np.ndarray, "z y x"],
    image: Image,
    box: Box,
    *,
    view: View,
    tiles: list[Tile],
    intensity: IntensityMap,
    count: Callable[[int], None],
) -> None:
    """Add what one view sees to ``sums``, the one array that is changed here."""
    turned_sums, turned_box = sums.swapaxes(0, view.axis), turn_box(box, axis=view.axis)
    for first in range(0, len(tiles), view.batch):
        group = tiles[first : first + view.batch]
        patches = _fill_batch(image, group, view=view, intensity=intensity)
        for tile, answer in zip(group, _look(patches, view=view), strict=False):
            turned_sums[tile.write.relative_to(turned_box).slices] += answer[tile.write.relative_to(tile.read).slices]
        count(len(group))


def _fill_batch(image: Image, tiles: list[Tile], *, view: View, intensity: IntensityMap) -> Patches:
    patches = np.zeros((view.batch, 1, *view.patches.patch), np.float32)
    for patch, tile in zip(patches[:, 0], tiles, strict=False):
        voxels = read_reflected(image, turn_box(tile.read, axis=view.axis))
        patch[...] = intensity.to_unit(voxels.swapaxes(0, view.axis))
    return patches


def _look(patches: Patches, *, view: View) -> UInt32[np.ndarray, "batch z y x"]:
    """Sum over the mirrorings of the probability, in fixed point."""
    total = np.zeros((len(patches), *patches.shape[2:]), np.uint32)
    for axes in MIRRORINGS[: view.mirrors]:
        answer = view.network(np.ascontiguousarray(np.flip(patches, axes)))
        total += np.flip(_to_fixed_point(answer[:, 0]), axes)
    return total


def _to_fixed_point(probability: Float32[np.ndarray, "batch z y x"]) -> UInt32[np.ndarray, "batch z y x"]:
    low, high = float(probability.min()), float(probability.max())
    if not 0 <= low <= high <= 1:  # also false for NaN
        raise ValueError(f"network must answer with probabilities 0–1, got {low} to {high}")
    return np.rint(probability * np.float32(CERTAIN)).astype(np.uint32)


def _mean(sums: UInt32[np.ndarray, "z y x"], *, looks: int) -> UInt8[np.ndarray, "z y x"]:
    """The rounded mean of ``looks`` fixed-point probabilities as 0–255; halves go up. Below 2³² for up to 128 looks."""
    mean = np.empty(sums.shape, np.uint8)
    for section, total in zip(mean, sums, strict=True):
        section[...] = (total * np.uint32(2 * 255) + np.uint32(looks * CERTAIN)) // np.uint32(2 * looks * CERTAIN)
    return mean
