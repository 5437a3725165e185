"""Arrays that TensorStore reads: Zarr, N5 and Neuroglancer precomputed, here or behind a URL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Shape
from savem3.store.axes import Axes
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.places import PATIENCE_S, Place, first_words

if TYPE_CHECKING:
    import tensorstore


def opened(
    place: Place, driver: str, *, name: str, fill_missing: bool, choice: Mapping[str, Any] | None = None
) -> tensorstore.TensorStore:
    """Open an array; its first voxel is 0, 0, 0.

    Parameters
    ----------
    place
        Where its metadata lie.
    driver
        TensorStore's name of the format.
    name
        The volume, for messages.
    fill_missing
        Whether a chunk without a file holds zeros; else reading it is an error.
    choice
        What else TensorStore has to know, such as the scale.

    Raises
    ------
    UnreadableVolume
        If the metadata are broken or cannot be reached.
    """
    import tensorstore

    spec = {"driver": driver, "kvstore": place.kvstore, "fill_missing_data_reads": fill_missing, **(choice or {})}
    try:
        store = tensorstore.open(spec, read=True).result(timeout=PATIENCE_S)
    except (ValueError, OverflowError, TimeoutError) as error:
        raise UnreadableVolume(f"{name} must be an intact {driver} array, got: {first_words(error)}") from error
    return store[tensorstore.d[:].translate_to[0]] if store.rank else store


def voxels_of(store: tensorstore.TensorStore, axes: Axes, shape: Shape, *, name: str) -> LazyVoxels:
    """The voxels of an open array, read when they are indexed."""
    chunk = axes.sizes([size or 1 for size in store.chunk_layout.read_chunk.shape or store.shape], absent=1)
    return LazyVoxels(shape, np.dtype(store.dtype.numpy_dtype), chunk, partial(_read, store, axes, name))


def _read(store: tensorstore.TensorStore, axes: Axes, name: str, box: Box) -> NDArray[Any]:
    try:
        voxels = np.asarray(store[axes.index(box)].read().result(timeout=PATIENCE_S))
    except (ValueError, TimeoutError) as error:
        raise UnreadableVolume(f"{name} must have intact chunks, got: {first_words(error)}") from error
    return axes.arrange(voxels)
