"""Neuroglancer precomputed: one scale of a volume, sharded or not; through TensorStore.

Source: Neuroglancer's description of the format. Lengths are nm and axes x, y, z; ``voxel_offset`` counts voxels. It
does not say what a missing chunk means. Our choice: background in a segmentation, whose writers leave such chunks out,
and an error in an image, where black voxels that nobody imaged would be guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from savem3.store.attributes import VoxelSize, three_numbers
from savem3.store.axes import interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.location import Location
from savem3.store.places import Place
from savem3.store.stored import Header, Stored
from savem3.store.tensors import opened, voxels_of

METADATA = "info"

ENCODINGS = ("raw", "jpeg", "png", "compressed_segmentation")
"""Encodings of chunks that are read."""

PACKED = (".gz", ".br", ".zstd")
"""Endings of chunk files that some programs pack once more on a local disk."""


def recognises(file: Path) -> bool:
    """Whether a folder is read here."""
    return (file / METADATA).is_file()


def recognises_at(place: Place) -> bool:
    """Whether a folder, perhaps behind a URL, is read here."""
    return place.read(METADATA) is not None


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a scale, named by its key or its number behind the colon; the first if none is named.

    Raises
    ------
    UnreadableVolume
        If ``info`` is broken, lacks the scale, or its encoding is not read here.
    """
    return open_at(Place(str(location.file)), location.inside, name=str(location), channel=channel)


def open_at(place: Place, inside: str | None, *, name: str, channel: int | None = None) -> Stored:
    """Open what `open_stored` opens, perhaps behind a URL; see there."""
    info = place.read_json(METADATA)
    if info is None:
        raise UnreadableVolume(f"{name} must have a file info, got none in {place}")
    scales = _scales(info, name=name)
    keys = [str(scale.get("key")) for scale in scales]
    index = _index(keys, inside, name=name)
    _refuse_unknown(scales[index], place, name=name)
    fill = info.get("type") == "segmentation"
    store = opened(place, "neuroglancer_precomputed", name=name, fill_missing=fill, choice={"scale_index": index})
    axes, shape = interpret(["x", "y", "z", "c"], store.shape, name=name, channel=channel)
    size = _voxel_size(scales[index])
    x, y, z = three_numbers(scales[index].get("voxel_offset", (0, 0, 0))) or (0.0, 0.0, 0.0)
    origin = (z * size.nm[0], y * size.nm[1], x * size.nm[2]) if size.nm else (0.0, 0.0, 0.0)
    file = None if place.is_remote else Path(place.address)
    header = Header("precomputed", axes.names, size.unit, size.source, tuple(keys), file)
    return Stored(name, voxels_of(store, axes, shape, name=name), size.nm, origin, header)


def _scales(info: dict[str, Any], *, name: str) -> list[dict[str, Any]]:
    """The scales, at least one."""
    scales = info.get("scales")
    if not isinstance(scales, list) or not scales or not all(isinstance(scale, dict) for scale in scales):
        kind = info.get("@type", "no scales")
        raise UnreadableVolume(f"{name} must be a precomputed volume whose info lists its scales, got {kind}")
    return scales


def _index(keys: list[str], inside: str | None, *, name: str) -> int:
    """The place of a scale in the list, by its key or its number."""
    if inside is None:
        return 0
    if inside in keys:
        return keys.index(inside)
    if not inside.isdecimal() or int(inside) >= len(keys):
        numbered = ", ".join(f"{i} ({key})" for i, key in enumerate(keys))
        raise UnreadableVolume(f"{name} must name one of the scales {numbered}, got '{inside}'")
    return int(inside)


def _refuse_unknown(scale: dict[str, Any], place: Place, *, name: str) -> None:
    """Refuse encodings that are not read, and chunks that would be taken for missing ones."""
    encoding = str(scale.get("encoding")).lower()
    if encoding not in ENCODINGS:
        raise UnreadableVolume(f"{name} must have chunks encoded as {', '.join(ENCODINGS)}, got {encoding}")
    if place.is_remote:
        return
    folder = Path(place.address) / str(scale.get("key"))
    if not folder.is_dir():
        raise UnreadableVolume(f"{name} must have a folder {folder} for its chunks, got none: copy the volume again")
    packed = next((file.name for file in folder.iterdir() if file.suffix in PACKED), None)
    if packed is not None:
        raise UnreadableVolume(f"{name} must have unpacked chunks, got {packed}: unpack them (gunzip -r '{folder}')")


def _voxel_size(scale: dict[str, Any]) -> VoxelSize:
    edges = three_numbers(scale.get("resolution", ()))
    if edges is None or min(edges) <= 0:
        return VoxelSize()
    x, y, z = edges
    return VoxelSize((z, y, x), "nm", f"resolution of scale {scale.get('key')}")
