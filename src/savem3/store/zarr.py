"""Zarr 2 and 3: one array, or the pyramid of an OME-NGFF group; through TensorStore."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store.attributes import origin_in, voxel_size_in
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.location import Location
from savem3.store.ngff import Level, levels_of
from savem3.store.stored import Stored
from savem3.store.voxel_file import COMPLETE

if TYPE_CHECKING:
    import tensorstore

DRIVERS = {"zarr.json": "zarr3", ".zarray": "zarr"}
"""TensorStore's driver by the metadata file of an array."""

METADATA = (*DRIVERS, ".zgroup", ".zattrs")

DEEPEST = 4
"""Groups within groups that are searched for arrays."""


@dataclass(frozen=True, slots=True)
class Node:
    """An array or a group of a Zarr hierarchy.

    Parameters
    ----------
    folder
        Where it lies.
    driver
        TensorStore's driver of an array; ``None`` for a group.
    metadata
        What its metadata file says.
    attributes
        What its users say.
    """

    folder: Path
    driver: str | None
    metadata: dict[str, Any]
    attributes: dict[str, Any]


def recognises(file: Path) -> bool:
    """Whether a folder is read here."""
    return any((file / name).is_file() for name in METADATA)


def open_stored(location: Location) -> Stored:
    """Open an array, the finest level of a pyramid, or the only volume of a group.

    Raises
    ------
    UnreadableVolume
        If there is no array, more than one, or its metadata are broken.
    """
    folder = location.file / (location.inside or "")
    if not recognises(folder):
        raise UnreadableVolume(f"{location} must be a Zarr array or group, got none of: {_listed(location.file)}")
    node = _node(folder)
    if node.driver is not None:
        return _array(node, _level_of(node), name=str(location))
    levels = levels_of(node.attributes)
    if levels:
        return _array(_node(folder / levels[0].path), levels[0], name=str(location))
    volumes = _volumes(folder)
    if len(volumes) != 1:
        raise UnreadableVolume(f"{location} must hold one volume or be named with one of: {_listed(folder)}")
    return open_stored(Location(volumes[0]))


def _array(node: Node, level: Level | None, *, name: str) -> Stored:
    """An array with the geometry of its pyramid, or else of its own attributes."""
    store = _opened(node, name=name)
    axes, shape = interpret(level.axes if level else _axis_names(node), store.shape, name=name)
    chunk = axes.sizes([size or 1 for size in store.chunk_layout.read_chunk.shape or store.shape], absent=1)
    voxels = LazyVoxels(shape, np.dtype(store.dtype.numpy_dtype), chunk, partial(_read, store, axes, name))
    if level is None:
        return Stored(name, voxels, voxel_size_in(node.attributes), origin_in(node.attributes))
    size = axes.sizes(level.scale, absent=None) if level.scale is not None else None
    if size is not None and (None in size or min(size) <= 0):
        size = None
    return Stored(name, voxels, size, axes.sizes(level.translation, absent=0.0))


def _opened(node: Node, *, name: str) -> tensorstore.TensorStore:
    import tensorstore

    if node.driver is None:
        raise UnreadableVolume(f"{name} must be a Zarr array, got a group in {node.folder}")
    spec = {
        "driver": node.driver,
        "kvstore": {"driver": "file", "path": f"{node.folder.absolute()}/"},
        "fill_missing_data_reads": not node.attributes.get(COMPLETE, False),
    }
    try:
        return tensorstore.open(spec, read=True).result()
    except (ValueError, OverflowError) as error:
        raise UnreadableVolume(f"{name} must be an intact Zarr array, got: {error}") from error


def _read(store: tensorstore.TensorStore, axes: Axes, name: str, box: Box) -> NDArray[Any]:
    try:
        voxels = np.asarray(store[axes.index(box)].read().result())
    except ValueError as error:
        raise UnreadableVolume(f"{name} must have intact chunks, got: {error}") from error
    return axes.arrange(voxels)


def _node(folder: Path) -> Node:
    """Read the metadata of an array or group."""
    file = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if file is None:
        raise UnreadableVolume(f"{folder} must be a Zarr array or group, got a folder without Zarr metadata")
    metadata = _json(file)
    if file.name == "zarr.json":
        driver = "zarr3" if metadata.get("node_type") == "array" else None
        return Node(folder, driver, metadata, dict(metadata.get("attributes", {})))
    attributes = _json(folder / ".zattrs") if (folder / ".zattrs").is_file() else {}
    return Node(folder, DRIVERS.get(file.name), metadata, attributes)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableVolume(f"{file} must be intact JSON, got: {error}") from error
    if not isinstance(content, dict):
        raise UnreadableVolume(f"{file} must hold a JSON object, got {type(content).__name__}")
    return content


def _level_of(node: Node) -> Level | None:
    """The pyramid level that an array is, looked up in its group."""
    if not recognises(node.folder.parent):
        return None
    levels = levels_of(_node(node.folder.parent).attributes)
    return next((level for level in levels if level.path == node.folder.name), None)


def _axis_names(node: Node) -> Sequence[str] | None:
    """``dimension_names`` of Zarr 3, or xarray's ``_ARRAY_DIMENSIONS``."""
    names = node.metadata.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if names and all(names) else None


def _volumes(folder: Path, *, depth: int = 0) -> list[Path]:
    """Arrays and pyramids below a group, a pyramid counted once."""
    if depth == DEEPEST or not recognises(folder):
        return []
    node = _node(folder)
    if node.driver is not None or levels_of(node.attributes):
        return [folder]
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    return [volume for child in children for volume in _volumes(child, depth=depth + 1)]


def _listed(folder: Path) -> str:
    return ", ".join(str(volume) for volume in _volumes(folder)) or "no volume"
