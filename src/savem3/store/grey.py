"""Numbers of a file → the numbers of a noun: grey values, membrane probability, object numbers.

Source: which percentiles, and that zeros do not count, is our choice; the paper works on uint8 images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from savem3.grid import Box, Shape
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.stored import Stored
from savem3.tiles import split
from savem3.volume import IntensityMap

PERCENTILES = (0.1, 99.9)
"""Per cent of voxels that become pure black and, from above, pure white."""

COUNTED = 2**16
"""Grey values that are told apart when the percentiles are found."""

READ_AT_ONCE = 2**24
"""Voxels that are read together when a whole volume is looked at."""


def image_voxels(stored: Stored, *, invert: bool, intensity: IntensityMap | None) -> LazyVoxels:
    """Grey values as uint8: as they are, or through one intensity map for the whole volume.

    Parameters
    ----------
    stored
        The volume, of any real number type.
    invert
        Whether bright and dark are exchanged, for images whose membranes are bright.
    intensity
        The map of an earlier run; ``None`` measures it, which reads the volume, unless it is uint8 already.
    """
    voxels, dtype = stored.voxels, stored.voxels.dtype
    if dtype.kind not in "biuf":
        raise UnreadableVolume(f"{stored.name} must hold grey values, got {dtype}")
    if dtype == np.bool_:
        voxels = boundary_voxels(stored)
    elif intensity is None and dtype != np.uint8:
        intensity = measure_intensity(stored)
    if intensity is not None and dtype != np.bool_:
        voxels = voxels.change(partial(_map, stored.name, intensity), dtype=np.uint8)
    return voxels.change(_invert, dtype=np.uint8) if invert else voxels


def boundary_voxels(stored: Stored) -> LazyVoxels:
    """Membrane probability as uint8: 0 to 255 as it is, or 0 to 1 in floats, rounded."""
    dtype = stored.voxels.dtype
    if dtype == np.uint8:
        return stored.voxels
    if dtype.kind not in "bf":
        raise UnreadableVolume(f"{stored.name} must hold membrane probability as uint8 or as 0 to 1, got {dtype}")
    return stored.voxels.change(partial(_quantise, stored.name), dtype=np.uint8)


def label_voxels(stored: Stored) -> LazyVoxels:
    """Object numbers as uint64."""
    dtype = stored.voxels.dtype
    if dtype.kind not in "iu":
        raise UnreadableVolume(f"{stored.name} must hold object numbers of an integer type, got {dtype}")
    return stored.voxels.change(partial(_number, stored.name), dtype=np.uint64)


def measure_intensity(stored: Stored) -> IntensityMap:
    """The intensity map of a volume, from counts over all its sections.

    Zeros (padding) and the largest value of a 16-bit type (saturation) do not count while anything else is there.

    Raises
    ------
    UnreadableVolume
        If a value is not finite; the message names the section.
    """
    dtype = stored.voxels.dtype
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        lowest, step = float(np.iinfo(dtype).min), 1.0
    else:
        lowest, highest = _range(stored)
        step = (highest - lowest) / (COUNTED - 1) or 1.0
    below = np.cumsum(_counts(stored, lowest=lowest, step=step))
    low, high = (int(np.searchsorted(below, below[-1] * p / 100)) for p in PERCENTILES)
    return IntensityMap(lowest + low * step, lowest + max(high, low + 1) * step)


def _range(stored: Stored) -> tuple[float, float]:
    """The least and the greatest value; a volume with any that is not finite is refused once all are counted."""
    lowest, highest, bad = np.inf, -np.inf, BadValues()
    for voxels, box in _blocks(stored):
        bad = bad.count_in(voxels, box)
        if bad.first is None:
            lowest, highest = min(lowest, float(voxels.min())), max(highest, float(voxels.max()))
    bad.refuse(stored.name)
    return lowest, highest


@dataclass(frozen=True, slots=True)
class BadValues:
    """Voxels that are no finite number.

    Parameters
    ----------
    count
        How many there are.
    first
        The first one along z, y, x; ``None`` where there is none.
    """

    count: int = 0
    first: Shape | None = None

    def count_in(self, voxels: NDArray[Any], box: Box) -> BadValues:
        """These and those of one box."""
        where = np.argwhere(~np.isfinite(voxels))
        if not len(where):
            return self
        z, y, x = (int(a + b) for a, b in zip(where[0], box.start, strict=True))
        return BadValues(self.count + len(where), min(self.first or (z, y, x), (z, y, x)))

    def refuse(self, name: str) -> None:
        """Say where the first one is, and what can be done.

        Raises
        ------
        UnreadableVolume
            If there are any.
        """
        if self.first is not None:
            z, y, x = self.first
            raise UnreadableVolume(
                f"{name} must hold finite values, got {self.count} that are NaN or infinite, the first in section "
                f"{z} at y {y}, x {x}: pass --nan mask to take them for padding"
            )


def _counts(stored: Stored, *, lowest: float, step: float) -> Int64[np.ndarray, " grey"]:
    """How often each grey value is there, grey value ``i`` standing for ``lowest + i * step``."""
    counts, padding = np.zeros(COUNTED, np.int64), np.zeros(COUNTED, np.int64)
    for voxels, _ in _blocks(stored):
        grey = np.rint((voxels.astype(np.float64).ravel() - lowest) / step).astype(np.int64)
        counts += np.bincount(grey, minlength=COUNTED)
        padding += np.bincount(grey[voxels.ravel() == 0], minlength=COUNTED)
    if stored.voxels.dtype.kind in "iu" and step == 1.0:
        saturated = int(np.iinfo(stored.voxels.dtype).max - lowest)
        padding[saturated:] = counts[saturated:]
    inside = counts - padding
    return inside if inside.any() else counts


def _blocks(stored: Stored) -> Iterator[tuple[NDArray[Any], Box]]:
    """The volume in blocks of whole chunks."""
    for tile in split(stored.voxels.shape, block=_block(stored.voxels.shape, chunk=stored.voxels.chunk)):
        yield np.asarray(stored.voxels[tile.write.slices]), tile.write


def _block(shape: Shape, *, chunk: Shape) -> Shape:
    """Whole chunks, along x first, up to `READ_AT_ONCE` voxels."""
    block = list(chunk)
    for axis in (2, 1, 0):
        others = int(np.prod(block)) // block[axis]
        fitting = READ_AT_ONCE // max(1, others * chunk[axis])
        block[axis] = min(shape[axis], chunk[axis] * max(1, fitting))
    return block[0], block[1], block[2]


def _finite(name: str, voxels: NDArray[Any], box: Box) -> NDArray[Any]:
    if voxels.dtype.kind == "f":
        BadValues().count_in(voxels, box).refuse(name)
    return voxels


def _refuse(name: str, voxels: NDArray[Any], bad: NDArray[np.bool_], box: Box, *, must: str) -> NoReturn:
    """Say which voxel is the first bad one.

    Raises
    ------
    UnreadableVolume
        Always.
    """
    first = np.argwhere(bad)[0]
    z, y, x = (int(a + b) for a, b in zip(first, box.start, strict=True))
    value = voxels[tuple(first)]
    raise UnreadableVolume(
        f"{name} must {must}, got {value} in section {z} at y {y}, x {x} (and {int(bad.sum()) - 1} more near it)"
    )


def _map(name: str, intensity: IntensityMap, voxels: NDArray[Any], box: Box) -> NDArray[Any]:
    return intensity.to_uint8(_finite(name, voxels, box))


def _invert(voxels: NDArray[Any], _: Box) -> NDArray[Any]:
    return np.uint8(255) - voxels


def _quantise(name: str, voxels: NDArray[Any], box: Box) -> NDArray[Any]:
    probability = voxels.astype(np.float32)
    bad = ~((probability >= 0) & (probability <= 1))
    if bad.any():
        _refuse(name, voxels, bad, box, must="hold membrane probability from 0 to 1")
    return np.rint(probability * 255).astype(np.uint8)


def _number(name: str, voxels: NDArray[Any], box: Box) -> NDArray[Any]:
    if voxels.dtype.kind == "i" and voxels.size and voxels.min() < 0:
        _refuse(name, voxels, voxels < 0, box, must="hold object numbers of at least 0")
    return voxels.astype(np.uint64, copy=False)
