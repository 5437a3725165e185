"""Crops that begin where the cells of a teacher's maps begin, and maps that are cut and turned like such crops.

A cell is 8 × 8 voxels of a section: one vector of the embedding, 4 × 4 of the HQ feature. Planes are numbered by the
axis that they are perpendicular to; a plane's maps lie as `sections, channel, rows, columns`, with the plane's axis and
z exchanged, as for everything that looks at a volume along an axis.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from savem3.augment import Turn, fill
from savem3.grid import Box, Shape

CELL = 8
"""Voxels of a section along y and x that one vector of the embedding speaks for."""


def turn_shape(shape: Shape, *, plane: int) -> Shape:
    """Voxels along z, y, x after a plane's axis and z have traded places; turning twice changes nothing."""
    turned = list(shape)
    turned[0], turned[plane] = turned[plane], turned[0]
    return turned[0], turned[1], turned[2]


def turn_box(box: Box, *, plane: int) -> Box:
    """The same voxels after a plane's axis and z have traded places."""
    return Box(turn_shape(box.start, plane=plane), turn_shape(box.stop, plane=plane))


def place_on_cells(rng: np.random.Generator, *, within: Shape, shape: Shape, isotropic: bool) -> tuple[Turn, Box]:
    """A random turn and box of a crop whose sections are made of whole cells; sections may be too few, see `fill`.

    Parameters
    ----------
    rng
        Where all chance comes from.
    within
        Voxels of the volume.
    shape
        Voxels of the crop along its own z, y, x; y and x multiples of 8.
    isotropic
        Whether any axis may become the crop's z.

    Raises
    ------
    ValueError
        If the crop's y and x do not fit into a section.
    """
    orders = ((z, y, x) for z, y, x in permutations(range(3)) if isotropic or z == 0)
    fitting = [axes for axes in orders if _fits(axes, within, shape)]
    if not fitting:
        raise ValueError(f"crop must fit into sections of the volume of {within} voxels with cached maps, got {shape}")
    z, y, x = (bool(m) for m in rng.random(3) < 0.5)
    turn = Turn(fitting[int(rng.integers(len(fitting)))], (z, y, x))
    source = turn.source_shape(shape)
    start, stop = [0, 0, 0], [0, 0, 0]
    for axis in range(3):
        cell = 1 if axis == turn.axes[0] else CELL
        length = min(source[axis], within[axis])
        start[axis] = cell * int(rng.integers((within[axis] - length) // cell + 1))
        stop[axis] = start[axis] + length
    return turn, Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _fits(axes: Shape, within: Shape, shape: Shape) -> bool:
    """Whether a crop so turned lies within sections, and has at least half of the sections that it wants."""
    sections, rows, columns = (within[axis] for axis in axes)
    return 2 * sections >= shape[0] and rows >= shape[1] and columns >= shape[2]


def turn_maps(maps: NDArray[np.float32], turn: Turn, *, shape: Shape) -> NDArray[np.float32]:
    """A plane's maps (section, channel, row, column) of a crop's box as (channel, z, y, x), turned as the crop is.

    Parameters
    ----------
    maps
        Of the plane ``turn.axes[0]``.
    turn
        How the crop was turned.
    shape
        Of the maps of the whole crop; missing sections are filled by reflection.
    """
    order = turn_axes(turn.axes[0])
    own = Turn((0, order.index(turn.axes[1]), order.index(turn.axes[2])), turn.mirrored)
    turned = own.apply(maps.swapaxes(0, 1))
    return np.stack([fill(channel, shape) for channel in turned]) if turned.shape[1:] != shape else turned


def turn_axes(plane: int) -> Shape:
    """Which axis of the volume stands first, second and third in a plane's maps."""
    return turn_shape((0, 1, 2), plane=plane)
