"""Voxels that are read when they are indexed: the one adapter between file formats and the nouns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Shape

Read = Callable[[Box], NDArray[Any]]
Change = Callable[[NDArray[Any], Box], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class LazyVoxels:
    """An array in z, y, x that reads a box when it is indexed, and then gives a numpy array.

    It holds no open file, and travels to another process when ``read`` does.

    Parameters
    ----------
    shape
        Voxels along z, y, x.
    dtype
        The numpy type of a voxel.
    chunk
        The smallest box along z, y, x that is worth reading: a chunk of the file, or one section.
    read
        Gives the voxels of a box inside the volume.
    """

    shape: Shape
    dtype: np.dtype[Any]
    chunk: Shape
    read: Read

    def __getitem__(self, index: Any, /) -> Any:
        """The voxels at integers, slices and an ellipsis, as numpy answers them."""
        z, y, x = (_span(i, n) for i, n in zip(_three(index), self.shape, strict=True))
        box = Box((z.start, y.start, x.start), (z.stop, y.stop, x.stop))
        voxels = self.read(box) if 0 not in box.shape else np.empty(box.shape, self.dtype)
        return voxels[z.rest, y.rest, x.rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole volume in memory."""
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def change(self, change: Change, *, dtype: type[np.generic]) -> LazyVoxels:
        """The same volume with ``change(voxels, box)`` applied to whatever box is read."""
        return replace(self, dtype=np.dtype(dtype), read=partial(_read_and_change, self.read, change))


def _read_and_change(read: Read, change: Change, box: Box) -> NDArray[Any]:
    return change(read(box), box)


def _three(index: Any) -> tuple[Any, Any, Any]:
    """An index written out for z, y, x."""
    parts = list(index) if isinstance(index, tuple) else [index]
    gaps = [i for i, part in enumerate(parts) if part is Ellipsis] or [len(parts)]
    named = len(parts) - sum(part is Ellipsis for part in parts)
    if named > 3 or len(gaps) > 1:
        raise IndexError(f"index must have at most three axes (z, y, x) and one ellipsis, got {index}")
    parts[gaps[0] : gaps[0] + 1] = [slice(None)] * (3 - named)
    return parts[0], parts[1], parts[2]


@dataclass(frozen=True, slots=True)
class _Span:
    """What to read along one axis, ``start`` to ``stop``, and what to take of it."""

    start: int
    stop: int
    rest: int | slice


def _span(index: Any, size: int) -> _Span:
    """The part of an axis that an integer or slice asks for."""
    if isinstance(index, slice):
        wanted = range(*index.indices(size))
        if not wanted:
            return _Span(0, 0, slice(None))
        first, last = sorted((wanted[0], wanted[-1]))
        return _Span(first, last + 1, slice(None, None, wanted.step))
    if not isinstance(index, int | np.integer):
        raise TypeError(f"index must consist of integers and slices, got {type(index).__name__}")
    if not -size <= index < size:
        raise IndexError(f"index must lie within the axis of {size} voxels, got {index}")
    position = int(index) % size
    return _Span(position, position + 1, 0)
