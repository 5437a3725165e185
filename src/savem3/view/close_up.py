"""A place seen from near: tissue with the bodies concerned, in three sections beside each other."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Float32, UInt8, UInt64
from PIL import Image as Picture

from savem3.grid import Box, Grid
from savem3.view.colours import colours_of
from savem3.view.pictures import outline, stretch
from savem3.volume import Image, Labels

SIDE_NM = 1400.0
"""Tissue that a picture shows along y and x."""

APART_NM = 40.0
"""From one section to the next that is shown: at least one section."""

PANEL = 210
"""Pixels of a section along each side."""

GAP, BEYOND = 4, 45
"""Pixels between sections, and the grey of one that does not exist."""

TINT, FAINT = 0.42, 0.45
"""How much of the colour is seen inside the bodies concerned, and of the outlines of all others."""


def sections_shown(at: tuple[float, float, float], grid: Grid) -> list[int | None]:
    """The section of a place between one on each side; ``None`` where there is none."""
    z = int(np.clip(round(at[0]), 0, grid.shape[0] - 1))
    step = max(1, round(APART_NM / grid.voxel_size[0]))
    return [section if 0 <= section < grid.shape[0] else None for section in (z - step, z, z + step)]


def close_up(
    at: tuple[float, float, float], concerned: Collection[int], *, labels: Labels, image: Image | None
) -> UInt8[np.ndarray, "row column 3"]:
    """Three sections through a place: the bodies concerned in colour, the outlines of others, a cross at the place.

    Parameters
    ----------
    at
        Voxels along z, y, x.
    concerned
        Numbers of the bodies in colour; with none, all are.
    labels, image
        Of one shape; without an image the ground is grey.
    """
    panels = []
    for section in sections_shown(at, labels.grid):
        if section is None:
            panels.append(np.full((PANEL, PANEL, 3), BEYOND, np.uint8))
            continue
        box = _around(at, section, labels.grid)
        voxels = labels.read(box)[0]
        grey = np.full(voxels.shape, 90, np.uint8) if image is None else stretch(image.read(box)[0])
        panels.append(_framed(_paint(grey, voxels, concerned), at, box))
    gap = np.full((PANEL, GAP, 3), 0, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)


def _around(at: tuple[float, float, float], section: int, grid: Grid) -> Box:
    """A square of tissue around a place in one section, moved into the volume."""
    starts, stops = [section], [section + 1]
    for axis in (1, 2):
        size = min(grid.shape[axis], max(8, round(SIDE_NM / grid.voxel_size[axis])))
        first = int(np.clip(round(at[axis]) - size // 2, 0, grid.shape[axis] - size))
        starts.append(first)
        stops.append(first + size)
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def _paint(
    grey: UInt8[np.ndarray, "y x"], labels: UInt64[np.ndarray, "y x"], concerned: Collection[int]
) -> UInt8[np.ndarray, "y x 3"]:
    chosen = np.isin(labels, np.array(sorted(concerned), np.uint64)) if concerned else labels != 0
    colours = colours_of(labels)[..., :3].astype(np.float32)
    painted: Float32[np.ndarray, "y x 3"] = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    edges: Bool[np.ndarray, "y x"] = outline(labels)
    painted = _mix(painted, np.full_like(painted, 255.0), edges & ~chosen, FAINT)
    painted = _mix(painted, colours, chosen, TINT)
    painted = _mix(painted, colours, edges & chosen, 1.0)
    return np.rint(painted).astype(np.uint8)


def _mix(
    below: Float32[np.ndarray, "y x 3"],
    above: Float32[np.ndarray, "y x 3"],
    where: Bool[np.ndarray, "y x"],
    share: float,
) -> Float32[np.ndarray, "y x 3"]:
    weight = (where * np.float32(share))[..., None]
    return (below * (1 - weight) + above * weight).astype(np.float32)


def _framed(
    painted: UInt8[np.ndarray, "y x 3"], at: tuple[float, float, float], box: Box
) -> UInt8[np.ndarray, "row column 3"]:
    """A panel of its size, with four short lines around the place that leave its middle free."""
    panel = np.array(Picture.fromarray(painted).resize((PANEL, PANEL), Picture.Resampling.NEAREST))
    y, x = (int(np.clip((at[a] + 0.5 - box.start[a]) / box.shape[a] * PANEL, 0, PANEL - 1)) for a in (1, 2))
    for sign in (-1, 1):
        for k in range(8, 18):
            for row, column in ((y + sign * k, x), (y, x + sign * k)):
                if 0 <= row < PANEL and 0 <= column < PANEL:
                    panel[row, column] = (255, 255, 255)
    return panel
