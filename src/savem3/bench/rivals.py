"""Answers to prompts without a prompt decoder: from the prompt alone, from raw grey, or from a boundary map.

What a decoder must beat.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from bioimage_cpp.segmentation import watershed
from numpy.typing import NDArray
from scipy import ndimage

from savem3.grid import Grid
from savem3.oversegment import STANDARD, oversegment
from savem3.prompt import BoxPrompt
from savem3.sam.peaks import MEMBRANE_FROM
from savem3.teacher import Teacher
from savem3.volume import BoundaryMap, IntensityMap

Mask = NDArray[np.bool_]
Section = NDArray[np.uint8]


def see_boundary(section: Section, teacher: Teacher, intensity: IntensityMap) -> Section:
    """A teacher's boundary map of a section, 255 membrane."""
    grey = intensity.to_unit(section)
    padded = np.pad(grey, [(0, -n % 8) for n in grey.shape], mode="edge")
    boundary = teacher.look_at(padded[None]).boundary[0][: grey.shape[0], : grey.shape[1]]
    return np.asarray(np.rint(boundary * 255).astype(np.uint8))


def darkness(section: Section, intensity: IntensityMap) -> Section:
    """Raw grey as if it were a boundary map: 255 at the volume's darkest, 0 at its brightest, a little smoothed."""
    bright = np.clip((intensity.to_unit(section) + 1) / 2, 0, 1)
    return np.asarray(np.rint(255 * (1 - ndimage.gaussian_filter(bright, 1))).astype(np.uint8))


def fill_box(box: BoxPrompt, shape: tuple[int, ...]) -> Mask:
    """Every pixel of the box."""
    mask = np.zeros(shape, bool)
    mask[int(box.y_start) : int(box.y_stop), int(box.x_start) : int(box.x_stop)] = True
    return mask


def depth_in(boundary: Section) -> NDArray[np.float64]:
    """Distance to membrane, pixels; 1 on it."""
    return np.asarray(ndimage.distance_transform_edt(boundary < MEMBRANE_FROM) + 1)


def height_in(boundary: Section) -> NDArray[np.float32]:
    """What is flooded: the boundary map, smoothed."""
    return np.asarray(ndimage.gaussian_filter(boundary.astype(np.float32), 1))


def flood_box(box: BoxPrompt, *, height: NDArray[np.float32], depth: NDArray[np.float64]) -> Mask:
    """Flooding from the pixel farthest from membrane in the box's middle against flooding from all around the box."""
    rows, columns = box.y_stop - box.y_start, box.x_stop - box.x_start
    starts = (math.floor(box.y_start + rows / 4), math.floor(box.x_start + columns / 4))
    stops = (math.ceil(box.y_stop - rows / 4), math.ceil(box.x_stop - columns / 4))
    middle = depth[starts[0] : stops[0], starts[1] : stops[1]]
    deepest = np.add(starts, np.unravel_index(middle.argmax(), middle.shape))
    markers = (~fill_box(box, height.shape)).astype(np.int32)
    markers[tuple(deepest)] = 2
    seen = tuple(slice(max(0, int(a) - 1), int(b) + 1) for a, b in _edges(box))
    mask = np.zeros(height.shape, bool)
    mask[seen] = watershed(np.ascontiguousarray(height[seen]), np.ascontiguousarray(markers[seen])) == 2
    return mask


def _edges(box: BoxPrompt) -> tuple[tuple[float, float], tuple[float, float]]:
    return (box.y_start, box.y_stop), (box.x_start, box.x_stop)


def fragments_of(boundary: Section, *, smallest: int) -> NDArray[np.int64]:
    """The section oversegmented, as the pipeline does it."""
    grid = Grid((1, boundary.shape[0], boundary.shape[1]), (10.0, 10.0, 10.0))
    volume = BoundaryMap(boundary[None], grid)
    fragments = oversegment(volume, recipe=replace(STANDARD, min_size=smallest))
    return np.asarray(fragments.voxels[0]).astype(np.int64)


def pick_fragment(box: BoxPrompt, fragments: NDArray[np.int64]) -> Mask:
    """The fragment of an oversegmented section whose own box overlaps the prompt's best."""
    wanted = fill_box(box, fragments.shape)
    best, mask = 0.0, wanted
    for number, own in enumerate(ndimage.find_objects(fragments), start=1):
        common = wanted[own].sum()
        score = common / (wanted.sum() + wanted[own].size - common)
        if score > best:
            best, mask = score, fragments == number
    return mask
