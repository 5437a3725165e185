"""TIFF stacks as ImageJ reads them: grey values as uint8, object numbers as uint16, never cut short.

Source: ImageJ's own description of a stack. ``spacing`` and the resolution are in nm; its origin counts pixels from the
first one to the point 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store.progress import Progress
from savem3.volume import BoundaryMap, Image, Labels

LARGEST_FILE = 2**32 - 2**20
"""Bytes of voxels that the format can point to, with a little room for the headers."""

BYTES_AT_ONCE = 2**27
"""Bytes that are read together, in whole sections: blocks of the source are then decoded less often."""

PRECISION = 10**6
"""Largest denominator of a voxel edge in nm."""


def write(volume: Image | Labels | BoundaryMap, target: Path, *, inside: str | None, progress: Progress | None) -> None:
    """Write a stack; nothing stands behind its name.

    Raises
    ------
    ValueError
        If an object number is beyond 65535, the voxels are too many, or a dataset is named.
    """
    from tifffile import imwrite

    dtype = np.dtype(np.uint16 if isinstance(volume, Labels) else np.uint8)
    if inside is not None:
        raise ValueError(f"path must name a TIFF stack only, got '{inside}' behind '{target.name}'")
    if volume.grid.voxels * dtype.itemsize > LARGEST_FILE:
        raise ValueError(
            f"a TIFF stack must have at most {LARGEST_FILE} bytes, got {volume.grid.voxels * dtype.itemsize} for "
            f"'{target.name}': write name.zarr or file.h5"
        )
    edges = volume.grid.voxel_size
    origin = {f"{axis}origin": -o / s for axis, o, s in zip("zyx", volume.grid.origin, edges, strict=True) if o}
    imwrite(
        target,
        _sections(volume, dtype, name=target.name, progress=progress),
        shape=volume.grid.shape,
        dtype=dtype,
        imagej=True,
        resolution=(_pixels_per_nm(edges[2]), _pixels_per_nm(edges[1])),
        metadata={"axes": "ZYX", "spacing": edges[0], "unit": "nm", **origin},
    )


def _sections(
    volume: Image | Labels | BoundaryMap, dtype: np.dtype[Any], *, name: str, progress: Progress | None
) -> Iterator[NDArray[Any]]:
    """The sections one after the other, each checked to fit."""
    depth, height, width = volume.grid.shape
    together = max(1, BYTES_AT_ONCE // (height * width * np.dtype(volume.dtype).itemsize))
    for first in range(0, depth, together):
        last = min(depth, first + together)
        voxels = volume.read(Box((first, 0, 0), (last, height, width)))
        if voxels.max() > np.iinfo(dtype).max:
            raise ValueError(
                f"object numbers must be at most {np.iinfo(dtype).max} in a TIFF stack, got {voxels.max()} for "
                f"'{name}': write name.zarr or file.h5"
            )
        yield from voxels.astype(dtype, copy=False)
        if progress is not None:
            progress(-(-last // together), -(-depth // together))


def _pixels_per_nm(edge: float) -> tuple[int, int]:
    """Pixels, and the nm that they span, as whole numbers."""
    length = Fraction(edge).limit_denominator(PRECISION)
    return length.denominator, length.numerator
