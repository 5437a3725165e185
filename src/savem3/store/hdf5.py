"""HDF5: one dataset of a file, such as ``file.h5:raw``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Shape
from savem3.store.attributes import BESIDE, ORIGIN, VOXEL_SIZE, axis_names_in, origin_in, voxel_size_in
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.location import Location
from savem3.store.progress import Progress
from savem3.store.stored import Header, Stored
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, Labels

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".ilp")

BROKEN = (OSError, RuntimeError, KeyError, TypeError, ValueError)
"""What the HDF5 library raises on broken files."""

NEEDED = (*VOXEL_SIZE, *ORIGIN, *BESIDE)
"""Attributes that are looked for in the groups around a dataset, too."""

CHUNK: Shape = (16, 128, 128)
"""Voxels of a chunk that is written."""


def recognises(file: Path) -> bool:
    """Whether a file is read here."""
    return file.suffix.lower() in SUFFIXES and file.is_file()


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open the named dataset of a file, or its only one with three axes.

    Raises
    ------
    UnreadableVolume
        If the file is broken or the dataset not found; the message lists the datasets.
    """
    with _opened(location) as file:
        dataset = _dataset(file, location)
        name = str(location) if location.inside else f"{location.file}:{dataset.name.strip('/')}"
        attributes = _attributes(dataset)
        axes, shape = interpret(_axis_names(dataset, name=name), dataset.shape or (), name=name, channel=channel)
        chunk = axes.sizes(dataset.chunks, absent=1) if dataset.chunks else (1, shape[1], shape[2])
        voxels = LazyVoxels(
            shape, dataset.dtype, chunk, partial(_read, Location(location.file, dataset.name.strip("/")), axes)
        )
        size = voxel_size_in(attributes)
        header = Header("hdf5", axes.names, size.unit, size.source, tuple(_volumes(file)), location.file)
        return Stored(name, voxels, size.nm, origin_in(attributes), header)


def write(volume: Image | Labels | BoundaryMap, target: Path, *, inside: str | None, progress: Progress | None) -> None:
    """Write a volume as one dataset: ``raw``, ``labels`` or ``boundary`` if not named. Gzip brings a checksum along."""
    import h5py

    chunk = tuple(min(c, n) for c, n in zip(CHUNK, volume.grid.shape, strict=True))
    tiles = split(volume.grid.shape, block=(CHUNK[0], *volume.grid.shape[1:]))
    with h5py.File(target, "w") as file:
        dataset = file.create_dataset(
            inside or {Image: "raw", Labels: "labels", BoundaryMap: "boundary"}[type(volume)],
            shape=volume.grid.shape,
            dtype=volume.dtype,
            chunks=chunk,
            compression="gzip",
            compression_opts=4,
            shuffle=True,
        )
        size, origin = volume.grid.voxel_size, volume.grid.origin
        dataset.attrs.update({"resolution_nm": size, "origin_nm": origin, "resolution": size, "offset": origin})
        for done, tile in enumerate(tiles, start=1):
            dataset[tile.write.slices] = volume.read(tile.write)
            if progress is not None:
                progress(done, len(tiles))


@contextmanager
def _opened(location: Location) -> Iterator[h5py.File]:
    """The file, open for reading; what HDF5 complains about is said with the path."""
    import h5py

    try:
        with h5py.File(location.file, "r") as file:
            yield file
    except UnreadableVolume:
        raise
    except BROKEN as error:
        raise UnreadableVolume(f"{location} must be an intact HDF5 file, got: {error}") from error


def _read(location: Location, axes: Axes, box: Box) -> NDArray[Any]:
    """Open, read and close, so that nothing stays open and the voxels may travel to another process."""
    with _opened(location) as file:
        voxels: NDArray[Any] = np.asarray(file[location.inside][axes.index(box)])
    return axes.arrange(voxels)


def _dataset(file: h5py.File, location: Location) -> h5py.Dataset:
    """The dataset that is meant."""
    import h5py

    volumes = _volumes(file)
    listed = ", ".join(f"{location.file}:{name} {d.shape} {d.dtype}" for name, d in volumes.items())
    if location.inside is not None:
        named = file.get(location.inside)
        if not isinstance(named, h5py.Dataset):
            raise UnreadableVolume(f"{location} must name a dataset, got one of: {listed or 'no volume'}")
        return named
    if len(volumes) != 1:
        raise UnreadableVolume(f"{location} must hold one volume or be named with one of: {listed or 'no volume'}")
    return next(iter(volumes.values()))


def _volumes(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets of at least three axes, by name."""
    import h5py

    found: dict[str, h5py.Dataset] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and len(item.shape or ()) >= 3:
            found[name] = item

    file.visititems(collect)
    return found


def _axis_names(dataset: h5py.Dataset, *, name: str) -> list[str] | None:
    """Names from ilastik's ``axistags``, funlib's ``axis_names`` or HDF5's dimension labels; ``None`` without any."""
    if "axistags" in dataset.attrs:
        try:
            return [str(tag["key"]) for tag in json.loads(dataset.attrs["axistags"])["axes"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableVolume(f"{name} must have intact axistags, got: {type(error).__name__} {error}") from error
    labels = [dimension.label for dimension in dataset.dims]
    return axis_names_in(dict(dataset.attrs)) or (labels if all(labels) else None)


def _attributes(dataset: h5py.Dataset) -> dict[str, Any]:
    """Attributes of a dataset; of the groups around it, only those about its voxel size and origin."""
    attributes: dict[str, Any] = {}
    group = dataset.parent
    while True:
        attributes = {key: group.attrs[key] for key in NEEDED if key in group.attrs} | attributes
        if group.name == "/":
            return attributes | dict(dataset.attrs)
        group = group.parent
