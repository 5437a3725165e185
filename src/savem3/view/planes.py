"""Planes through a volume: which ones are shown, and how they are read without reading the volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from savem3.grid import Box, Grid, Shape
from savem3.volume import BoundaryMap, Image, Labels

SLAB = 32
"""Sections that are read together."""

MOST_SHOWN: Shape = (256, 1024, 1024)
"""Pictures show at most this many voxels around the middle of a volume; more would only be smaller."""
AXES = "zyx"
FACES = {"z": "xy", "y": "xz", "x": "yz"}
"""What a plane across an axis is called."""

Shown = Image | BoundaryMap | Labels


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane across one axis.

    Parameters
    ----------
    axis
        The axis it stands across: "z" for a section.
    index
        Its position along that axis, in voxels of the volume.
    box
        The voxels of the plane that are shown, one thick along the axis.
    """

    axis: str
    index: int
    box: Box

    @property
    def name(self) -> str:
        """How the plane is captioned."""
        return f"{FACES[self.axis]}, {self.axis} = {self.index}"


def shown_box(grid: Grid, *, at_most: Shape = MOST_SHOWN) -> Box:
    """The middle of a volume, all of it if it is small."""
    starts = [max(0, (n - most) // 2) for n, most in zip(grid.shape, at_most, strict=True)]
    stops = [min(n, a + most) for a, n, most in zip(starts, grid.shape, at_most, strict=True)]
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def slabs_of(box: Box) -> Iterator[Box]:
    """A box in slabs of a few sections: read in this way, no chunk of a file is decoded more than twice."""
    for z in range(box.start[0], box.stop[0], SLAB):
        yield Box((z, *box.start[1:]), (min(z + SLAB, box.stop[0]), *box.stop[1:]))


def check_shapes(image: Image, *others: Shown | None) -> None:
    """Refuse volumes that cannot be shown beside each other.

    Raises
    ------
    ValueError
        If one has another shape than the image.
    """
    for other in others:
        if other is not None and other.grid.shape != image.grid.shape:
            name = type(other).__name__
            raise ValueError(f"{name} must have the shape of the image {image.grid.shape}, got {other.grid.shape}")


def spread(box: Box, *, axis: str, count: int) -> list[Plane]:
    """Up to ``count`` planes across an axis of a box, evenly spread, each in the middle of its share."""
    across = AXES.index(axis)
    first, size = box.start[across], box.shape[across]
    count = min(count, size)
    indices = [first + (2 * i + 1) * size // (2 * count) for i in range(count)]
    return [Plane(axis, index, _thin(box, across=across, index=index)) for index in indices]


def read_plane(volume: Shown, plane: Plane, *, longest: int | None = None) -> NDArray[Any]:
    """The voxels of a plane, rows along the earlier axis.

    Parameters
    ----------
    volume
        What is shown; only the plane is read of it.
    plane
        Which plane.
    longest
        Pixels along its longer side; of labels the nearest are taken, of grey values means. Voxels are pixels if absent
        or if the plane is smaller.
    """
    voxels = volume.read(plane.box).squeeze(AXES.index(plane.axis))
    if longest is None or max(voxels.shape) <= longest:
        return voxels
    rows, columns = (max(1, round(n * longest / max(voxels.shape))) for n in voxels.shape)
    if isinstance(volume, Labels):
        return voxels[np.ix_(middles(voxels.shape[0], rows), middles(voxels.shape[1], columns))]
    return np.asarray(Picture.fromarray(voxels).resize((columns, rows), Picture.Resampling.BOX))


def middles(voxels: int, samples: int) -> NDArray[np.intp]:
    """Voxels in the middles of equal shares of an axis."""
    return ((np.arange(samples) + 0.5) * voxels / samples).astype(np.intp)


def _thin(box: Box, *, across: int, index: int) -> Box:
    """The part of a box at one position along an axis."""
    start, stop = list(box.start), list(box.stop)
    start[across], stop[across] = index, index + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
