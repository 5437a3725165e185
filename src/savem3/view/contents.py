"""What of a run directory can be shown, finished or not: its volumes at all their scales, and what was exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from savem3.grid import Box, Grid
from savem3.store import UnreadableVolume, open_boundary, open_image, open_labels, open_stored
from savem3.store.axes import Axes
from savem3.store.places import Place
from savem3.store.tensors import opened, voxels_of
from savem3.view.annotations import read_points
from savem3.view.planes import Shown
from savem3.view.pyramid import Pyramid
from savem3.volume import BoundaryMap, Labels

RECORD = "run.json"
PLACES = "quality/places.json"
"""Where a quality report in a run directory keeps its list for Neuroglancer."""

DEEPEST = 3
"""Folders within folders that are searched for exported ones."""

SKELETONS = "neuroglancer_skeletons"
EXPORTED = {
    "neuroglancer_multiscale_volume": ("mesh", "skeletons"),
    "neuroglancer_legacy_mesh": (),
    "neuroglancer_multilod_draco": (),
    SKELETONS: (),
}
"""Kinds of exported folders, and the folders inside each that may hold surfaces and skeletons."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The volumes of a run.

    Parameters
    ----------
    image, boundary, fragments, labels
        What is there of it.
    surfaces, skeletons
        Exported folders in Neuroglancer's precomputed format.
    points
        Places to look at, as Neuroglancer writes annotations.
    remarks
        A sentence for each thing that is not whole or not there.
    """

    image: Pyramid | None = None
    boundary: Pyramid | None = None
    fragments: Pyramid | None = None
    labels: Pyramid | None = None
    surfaces: tuple[Path, ...] = ()
    skeletons: tuple[Path, ...] = ()
    points: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def pyramids(self) -> list[Pyramid]:
        """All that is there, what lies below first."""
        ordered = (self.image, self.boundary, self.fragments, self.labels)
        return [pyramid for pyramid in ordered if pyramid is not None]


def contents_of(run: Path, *, raw: str | None = None) -> Contents:
    """Open what a run directory holds; nothing but metadata is read, except of a raw volume that is not uint8.

    Parameters
    ----------
    run
        A run directory, finished, unfinished or being worked on.
    raw
        The path of its raw volume, where run.json does not name it or it was moved.

    Raises
    ------
    ValueError
        If the folder is no run directory, holds no volume yet, or the raw volume is another one.
    """
    record = read_record(run)
    place = _grid_of(record)
    remarks = [] if record.get("state") == "finished" else [f"the run in '{run}' is unfinished: what is there is shown"]
    made = {name: _open_made(run, name, place) for name in ("boundary", "fragments", "labels")}
    remarks += [f"{name}.zarr is not there yet" for name, pyramid in made.items() if pyramid is None]
    path = raw or record.get("raw")
    image = None
    if path is None:
        remarks.append("run.json does not name the raw volume: pass --raw to see it too")
    else:
        image = _open_raw(str(path), record, place)
    exported = exported_in(run)
    skeletons = tuple(folder for folder in exported if _kind(folder) == SKELETONS)
    surfaces = tuple(folder for folder in exported if folder not in skeletons)
    points, unread = _points_in(run)
    remarks += unread
    contents = Contents(image, **made, surfaces=surfaces, skeletons=skeletons, points=points, remarks=tuple(remarks))
    if not contents.pyramids:
        raise ValueError(f"run must hold a volume, got '{run}', where none is begun yet")
    return contents


def read_record(run: Path) -> dict[str, Any]:
    """What the run.json of a folder says.

    Raises
    ------
    ValueError
        If the folder is no run directory.
    """
    try:
        return dict(json.loads((run / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"run must be a folder that 'savem3 reconstruct' made, got '{run}': {error}") from error


def exported_in(folder: Path, *, depth: int = 0) -> tuple[Path, ...]:
    """Folders below a folder that hold surfaces or skeletons in Neuroglancer's format, sorted."""
    found: list[Path] = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and path.suffix != ".zarr"):
        kind = _kind(inner)
        if kind is None and depth + 1 < DEEPEST:
            found += exported_in(inner, depth=depth + 1)
        elif kind is not None:
            found += [inner / part for part in EXPORTED[kind] if _kind(inner / part)] if EXPORTED[kind] else [inner]
    return tuple(found)


def ids_in(folders: Iterable[Path]) -> set[int] | None:
    """The objects that all of some exported folders know; ``None`` where they cannot be told from names of files."""
    known: set[int] | None = None
    for folder in folders:
        names = {path.name.removesuffix(":0") for path in folder.iterdir()}
        ids = {int(name) for name in names if name.isascii() and name.isdigit()}
        if ids:
            known = ids if known is None else known & ids
    return known


def _points_in(run: Path) -> tuple[tuple[Mapping[str, Any], ...], list[str]]:
    """The list of a quality report, if there is one; or why it is not shown."""
    if not (run / PLACES).exists():
        return (), []
    try:
        return tuple(read_points(run / PLACES)), []
    except ValueError as error:
        return (), [str(error)]


def _kind(folder: Path) -> str | None:
    """The kind of an exported folder; ``None`` for all other folders."""
    try:
        kind = json.loads((folder / "info").read_text(encoding="utf-8"))["@type"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kind if isinstance(kind, str) and kind in EXPORTED else None


def _grid_of(record: dict[str, Any]) -> Grid:
    """Where the run's voxels are, as its record says from the start."""
    try:
        place = record["identity"]["input"]
        shape, size, origin = (tuple(place[name]) for name in ("shape", "voxel_size", "origin"))
        return Grid(shape, size, origin)
    except (KeyError, TypeError) as error:
        raise ValueError(f"run must hold a record with its grid, got: {error!r}") from error


def _open_made(run: Path, name: str, place: Grid) -> Pyramid | None:
    """A volume that the run made; where it is unfinished, its finest level as far as it goes, 0 elsewhere."""
    folder = run / f"{name}.zarr"
    if (folder / "zarr.json").is_file():
        return _open_levels(name, folder)
    if not (folder / "0" / "zarr.json").is_file():
        return None
    store = opened(Place(str(folder / "0")), "zarr3", name=str(folder), fill_missing=True)
    voxels = voxels_of(store, Axes(("z", "y", "x")), place.shape, name=str(folder))
    if tuple(store.shape) != place.shape:
        raise UnreadableVolume(f"{folder} must have the shape {place.shape} of the run, got {tuple(store.shape)}")
    return Pyramid(name, (BoundaryMap(voxels, place) if name == "boundary" else Labels(voxels, place),))


def _open_levels(name: str, path: Path) -> Pyramid:
    """A finished volume with all its levels."""
    open_noun: Callable[[str], Shown] = open_boundary if name == "boundary" else open_labels
    levels = open_stored(path).header.volumes
    return Pyramid(name, tuple(open_noun(f"{path}/{level}") for level in levels))


def _open_raw(path: str, record: Mapping[str, Any], place: Grid) -> Pyramid:
    """The raw volume as the run saw it; with its own levels where it was taken whole and as it is."""
    source, checked = record.get("source") or {}, record.get("check") or {}
    channel, sections = source.get("channel"), source.get("sections")
    invert = source.get("invert") == "yes" or (source.get("invert") == "auto" and bool(checked.get("inverted")))
    header = open_stored(path, channel=channel).header
    image = open_image(path, voxel_size=place.voxel_size, invert=invert, channel=channel)
    if sections is not None:
        first = int(str(sections).partition(":")[0])
        box = Box((first, 0, 0), (first + place.shape[0], *image.grid.shape[1:]))
        image = image.window(box)
    if image.grid.shape != place.shape:
        raise ValueError(f"raw must have the shape of the run {place.shape}, got {image.grid.shape} in '{path}'")
    image = replace(image, grid=place)
    if sections is not None or header.format != "zarr" or open_stored(path).voxels.dtype != np.uint8:
        return Pyramid("image", (image,))
    coarser = (open_image(f"{path}/{level}", invert=invert) for level in header.volumes[1:])
    return Pyramid("image", (image, *(level for level in coarser if _is_coarser(level.grid, place))))


def _is_coarser(level: Grid, finest: Grid) -> bool:
    """Whether a level is the whole of the finest one, with voxels that are whole numbers of its voxels."""
    factors = [coarse / fine for coarse, fine in zip(level.voxel_size, finest.voxel_size, strict=True)]
    if any(abs(factor - round(factor)) > 1e-3 or factor < 1 for factor in factors):
        return False
    z, y, x = (round(factor) for factor in factors)
    return level.shape == finest.coarsen((z, y, x)).shape
