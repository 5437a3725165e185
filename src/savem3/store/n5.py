"""N5: one dataset, or the finest level of a group of them; through TensorStore.

Source: the N5 file format. Its axes and its lengths are written x first; ``axes`` or funlib's ``axis_names`` say where
it is otherwise. ``pixelResolution`` or ``resolution`` are of the finest level and are multiplied by the dataset's own
``downsamplingFactors``, as the N5 viewers do. A block without a file holds zeros, as the format says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savem3.store.attributes import VoxelSize, axis_names_in, three_numbers
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.location import Location
from savem3.store.places import Place
from savem3.store.stored import Header, Stored
from savem3.store.tensors import opened, voxels_of
from savem3.store.units import nanometres_of

METADATA = "attributes.json"

FINEST = ("s0", "c0/s0")
"""Datasets that are the finest level of the group around them."""

DEEPEST = 4
"""Groups within groups that are searched for datasets."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of an N5 container.

    Parameters
    ----------
    place
        Where it lies.
    attributes
        Its own, and of those about lengths the ones of the group around it.
    """

    place: Place
    attributes: dict[str, Any]


def recognises(file: Path) -> bool:
    """Whether a folder is read here."""
    return file.is_dir() and (file.suffix.lower() == ".n5" or recognises_at(Place(str(file))))


def recognises_at(place: Place) -> bool:
    """Whether a folder, perhaps behind a URL, is read here."""
    return place.read(METADATA) is not None


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a dataset, the finest level of a group (``s0``), or the only dataset of a container.

    Raises
    ------
    UnreadableVolume
        If there is no dataset, more than one, or its attributes are broken.
    """
    return open_at(Place(str(location.file)), location.inside, name=str(location), channel=channel)


def open_at(place: Place, inside: str | None, *, name: str, channel: int | None = None) -> Stored:
    """Open what `open_stored` opens, perhaps behind a URL; see there."""
    named = place.child(inside) if inside else place
    dataset = _dataset(named)
    if dataset is None:
        volumes = _volumes(named) or _volumes(place)
        listed = ", ".join(map(str, volumes)) or "no dataset"
        if len(volumes) != 1 or inside:
            raise UnreadableVolume(f"{name} must hold one volume or be named with one of: {listed}")
        return open_at(volumes[0], None, name=str(volumes[0]), channel=channel)
    return _opened(dataset, name=name, channel=channel, volumes=_levels(named))


def _opened(dataset: Dataset, *, name: str, channel: int | None, volumes: tuple[str, ...]) -> Stored:
    attributes = dataset.attributes
    store = opened(dataset.place, "n5", name=name, fill_missing=True)
    names = axis_names_in(attributes) or [str(axis) for axis in attributes.get("axes") or ()]
    axes, shape = interpret(names or list("xyzct"[: store.rank]), store.shape, name=name, channel=channel)
    size = _voxel_size(attributes, axes)
    file = None if dataset.place.is_remote else Path(dataset.place.address)
    header = Header("n5", axes.names, size.unit, size.source, volumes, file)
    return Stored(name, voxels_of(store, axes, shape, name=name), size.nm, _origin(attributes, axes), header)


def _dataset(place: Place) -> Dataset | None:
    """The dataset at a place, or the finest of the group that lies there."""
    for candidate in (place, *(place.child(level) for level in FINEST)):
        attributes = candidate.read_json(METADATA)
        if attributes is not None and "dimensions" in attributes:
            around = candidate.parent.read_json(METADATA) if candidate.parent is not None else None
            shared = {k: v for k, v in (around or {}).items() if k in ("pixelResolution", "resolution", "units")}
            return Dataset(candidate, shared | attributes)
    return None


def _voxel_size(attributes: Mapping[str, Any], axes: Axes) -> VoxelSize:
    """The voxel size in nm; the first attribute that holds three lengths above 0 counts."""
    factors = three_numbers(attributes.get("downsamplingFactors", (1, 1, 1))) or (1.0, 1.0, 1.0)
    units = [str(unit) for unit in attributes.get("units") or () if str(unit)]
    for key in ("pixelResolution", "resolution", "voxel_size"):
        found = attributes.get(key)
        unit = str(found["unit"]) if isinstance(found, Mapping) and "unit" in found else next(iter(units), None)
        edges = three_numbers(found.get("dimensions") if isinstance(found, Mapping) else found)
        nm = nanometres_of(unit) if unit is not None else 1.0
        if edges is not None and nm is not None and min(edges) > 0 and min(factors) > 0:
            lengths = [edge * factor * nm for edge, factor in zip(edges, factors, strict=True)]
            source = f"attribute {key}" + ("" if unit else " (no unit: nm)")
            return VoxelSize(_in_zyx(lengths, axes), unit, source + (" × downsamplingFactors" * (max(factors) > 1)))
    return VoxelSize()


def _origin(attributes: Mapping[str, Any], axes: Axes) -> tuple[float, float, float]:
    """``offset`` in nm, or 0."""
    offset = three_numbers(attributes.get("offset", ()))
    return _in_zyx(list(offset), axes) if offset is not None else (0.0, 0.0, 0.0)


def _in_zyx(lengths: list[float], axes: Axes) -> tuple[float, float, float]:
    """Lengths that are written in the order of the file's z, y, x axes."""
    written = dict(zip([axis for axis in axes.names if axis in ("z", "y", "x")], lengths, strict=False))
    return written.get("z", lengths[-1]), written["y"], written["x"]


def _volumes(place: Place, *, depth: int = 0) -> list[Place]:
    """Datasets below a place, the levels of a group counted once."""
    if depth == DEEPEST:
        return []
    if _dataset(place) is not None:
        return [place]
    return [volume for child in place.children() for volume in _volumes(child, depth=depth + 1)]


def _levels(place: Place) -> tuple[str, ...]:
    return tuple(child.name for child in place.children() if child.read(METADATA) is not None)
