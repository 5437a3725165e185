"""Zarr 2 and 3: one array, or a level of the pyramid of an OME-NGFF group; through TensorStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savem3.store.attributes import VoxelSize, axis_names_in, origin_in, voxel_size_in
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.location import Location
from savem3.store.ngff import Level, levels_of
from savem3.store.places import Place
from savem3.store.stored import Header, Stored
from savem3.store.tensors import opened, voxels_of
from savem3.store.voxel_file import COMPLETE

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
    place
        Where it lies.
    driver
        TensorStore's driver of an array; ``None`` for a group.
    metadata
        What its metadata file says.
    attributes
        What its users say.
    """

    place: Place
    driver: str | None
    metadata: dict[str, Any]
    attributes: dict[str, Any]


def recognises(file: Path) -> bool:
    """Whether a folder is read here."""
    return any((file / name).is_file() for name in METADATA)


def recognises_at(place: Place) -> bool:
    """Whether a folder, perhaps behind a URL, is read here."""
    return any(place.read(name) is not None for name in METADATA)


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open an array, a level of a pyramid (the finest if none is named), or the only volume of a group.

    Raises
    ------
    UnreadableVolume
        If there is no array, more than one, or its metadata are broken.
    """
    return open_at(Place(str(location.file)), location.inside, name=str(location), channel=channel)


def open_at(place: Place, inside: str | None, *, name: str, channel: int | None = None) -> Stored:
    """Open what `open_stored` opens, perhaps behind a URL; see there."""
    place = place.child(inside) if inside else place
    if not recognises_at(place):
        raise UnreadableVolume(f"{name} must be a Zarr array or group, got none of: {_listed(_above(place))}")
    node = _node(place)
    if node.driver is not None:
        return _array(node, _level_of(node), name=name, channel=channel)
    levels = _levels(node)
    if levels:
        finest = _node(place.child(levels[0].path))
        paths = tuple(level.path for level in levels)
        return _array(finest, levels[0], name=name, channel=channel, volumes=paths)
    volumes = _volumes(place)
    if len(volumes) != 1:
        raise UnreadableVolume(f"{name} must hold one volume or be named with one of: {_listed(place)}")
    return open_at(volumes[0], None, name=str(volumes[0]), channel=channel)


def _array(node: Node, level: Level | None, *, name: str, channel: int | None, volumes: tuple[str, ...] = ()) -> Stored:
    """An array with the geometry of its pyramid, or else of its own attributes."""
    if node.driver is None:
        raise UnreadableVolume(f"{name} must be a Zarr array, got a group in {node.place}")
    store = opened(node.place, node.driver, name=name, fill_missing=not node.attributes.get(COMPLETE, False))
    axes, shape = interpret(level.axes if level else _axis_names(node), store.shape, name=name, channel=channel)
    voxels = voxels_of(store, axes, shape, name=name)
    size, origin = voxel_size_in(node.attributes), origin_in(node.attributes)
    if level is not None:
        size, origin = _size_of(level, axes), axes.sizes(level.translation, absent=0.0)
    file = None if node.place.is_remote else Path(node.place.address)
    header = Header("zarr", axes.names, size.unit, size.source, volumes, file)
    return Stored(name, voxels, size.nm, origin, header)


def _size_of(level: Level, axes: Axes) -> VoxelSize:
    """The voxel size that a pyramid says; unknown where a length is missing or not above 0."""
    z, y, x = axes.sizes(level.scale, absent=None) if level.scale is not None else (None, None, None)
    if z is None or y is None or x is None or not all(0 < edge < float("inf") for edge in (z, y, x)):
        return VoxelSize()
    return VoxelSize((z, y, x), level.unit, f"OME-NGFF scale of {level.path}")


def _node(place: Place) -> Node:
    """Read the metadata of an array or group."""
    for file in METADATA:
        metadata = place.read_json(file)
        if metadata is not None:
            break
    else:
        raise UnreadableVolume(f"{place} must be a Zarr array or group, got a folder without Zarr metadata")
    if file == "zarr.json":
        driver = "zarr3" if metadata.get("node_type") == "array" else None
        attributes = metadata.get("attributes", {})
        return Node(place, driver, metadata, dict(attributes) if isinstance(attributes, dict) else {})
    return Node(place, DRIVERS.get(file), metadata, place.read_json(".zattrs") or {})


def _levels(node: Node) -> list[Level]:
    """The levels of a group's pyramid; what its metadata lack is said with the path."""
    try:
        return levels_of(node.attributes)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UnreadableVolume(
            f"{node.place} must have intact OME-NGFF metadata, got: {type(error).__name__} {error}"
        ) from error


def _level_of(node: Node) -> Level | None:
    """The pyramid level that an array is, looked up in the groups around it."""
    path, group = node.place.name, node.place.parent
    for _ in range(2):
        if group is None or not recognises_at(group):
            return None
        levels = _levels(_node(group))
        if levels:
            return next((level for level in levels if level.path.strip("/") == path), None)
        path, group = f"{group.name}/{path}", group.parent
    return None


def _axis_names(node: Node) -> Sequence[str] | None:
    """``dimension_names`` of Zarr 3, xarray's ``_ARRAY_DIMENSIONS`` or funlib's ``axis_names``."""
    names = node.metadata.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if names and all(names) else axis_names_in(node.attributes)


def _volumes(place: Place, *, depth: int = 0) -> list[Place]:
    """Arrays and pyramids below a group, a pyramid counted once."""
    if depth == DEEPEST or not recognises_at(place):
        return []
    node = _node(place)
    if node.driver is not None or _levels(node):
        return [place]
    return [volume for child in place.children() for volume in _volumes(child, depth=depth + 1)]


def _above(place: Place) -> Place:
    """The nearest folder that is a group, for a path that leads astray."""
    above: Place | None = place
    for _ in range(DEEPEST):
        above = above.parent if above else None
        if above is not None and not above.is_remote and recognises_at(above):
            return above
    return place


def _listed(place: Place) -> str:
    return ", ".join(map(str, _volumes(place))) or "no volume"
