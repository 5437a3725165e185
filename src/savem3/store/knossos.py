"""KNOSSOS: a folder of cubes of 128 voxels, ``mag1/x0000/y0000/z0000/name_mag1_x0000_y0000_z0000.raw``.

Source: the files that KNOSSOS writes: ``knossos.conf`` with the experiment's name, the boundary in voxels and the scale
in nm, and raw cubes of uint8 with x running fastest. Compressed cubes and ``.seg.sz`` overlays are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Nanometres
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.location import Location
from savem3.store.stored import Header, Stored
from savem3.tiles import split

CONF = "knossos.conf"

CUBE = 128
"""Voxels of a cube along each axis."""

ELSEWHERE = "convert it with knossos_utils or webknossos, for example to Zarr"


@dataclass(frozen=True, slots=True)
class Cubes:
    """The cubes of one magnification.

    Parameters
    ----------
    folder
        ``mag1``, ``mag2``, …
    experiment
        What the names of the cubes begin with.
    """

    folder: Path
    experiment: str

    def file(self, z: int, y: int, x: int) -> Path:
        """The cube at a place, counted in cubes."""
        place = f"x{x:04d}_y{y:04d}_z{z:04d}"
        return self.folder.joinpath(*place.split("_")) / f"{self.experiment}_{place}.raw"


def recognises(file: Path) -> bool:
    """Whether a folder, one magnification in it, or its ``knossos.conf``, is read here."""
    if file.name == CONF:
        return file.is_file()
    is_magnification = re.fullmatch("mag[0-9]+", file.name) is not None
    places = (".", "mag1", "..") if is_magnification else (".", "mag1")
    return any((file / place / CONF).is_file() for place in places)


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a magnification, named behind the colon, such as ``mag2``; ``mag1`` if none is named.

    Raises
    ------
    UnreadableVolume
        If ``knossos.conf`` does not say how large the volume is, or its cubes are not raw.
    """
    name, root = str(location), location.file.parent if location.file.name == CONF else location.file
    if channel:
        raise UnreadableVolume(f"{name} must have a channel {channel}, got a KNOSSOS volume, which has one")
    cubes, text = _cubes(root, location.inside, name=name)
    x, y, z = (int(_setting(text, f"boundary {axis}", name=name)) for axis in "xyz")
    voxels = LazyVoxels((z, y, x), np.dtype(np.uint8), (CUBE, CUBE, CUBE), partial(_read, cubes))
    size = _voxel_size(text)
    unit, source = ("nm", f"scale in {CONF}") if size else (None, None)
    folders = tuple(sorted(f.name for f in cubes.folder.parent.glob("mag*") if f.is_dir()))
    return Stored(name, voxels, size, header=Header("knossos", ("z", "y", "x"), unit, source, folders, cubes.folder))


def _cubes(root: Path, inside: str | None, *, name: str) -> tuple[Cubes, str]:
    """The cubes that are meant, and the text of their settings."""
    if inside is None:
        inside = root.name if re.fullmatch("mag[0-9]+", root.name) else "mag1"
    folder = root if root.name == inside else root / inside
    places = [folder / CONF] + ([folder.parent / CONF] if inside == "mag1" else [])
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise UnreadableVolume(f"{name} must have a file {CONF} in {folder}, got none")
    text = file.read_text(encoding="utf-8", errors="replace")
    if not folder.is_dir():
        raise UnreadableVolume(f"{name} must have its cubes in a folder {folder}, got none")
    return Cubes(folder, _experiment(text, inside, name=name)), text


def _experiment(text: str, magnification: str, *, name: str) -> str:
    """What the cubes' names begin with: the experiment's name, with the magnification behind it."""
    found = re.search(r'experiment name\s+"([^"]*)"', text)
    if found is None:
        raise UnreadableVolume(f'{name} must say experiment name "…" in {CONF}, got none')
    experiment = found[1]
    return experiment if experiment.endswith(f"_{magnification}") else f"{experiment}_{magnification}"


def _setting(text: str, key: str, *, name: str) -> float:
    """A number of the settings."""
    found = re.search(rf"^\s*{key}\s+([0-9]+\.?[0-9]*)\s*;", text, re.MULTILINE)
    if found is None:
        raise UnreadableVolume(f"{name} must say '{key} NUMBER;' in {CONF}, got none")
    return float(found[1])


def _voxel_size(text: str) -> Nanometres | None:
    """``scale`` in nm; ``None`` where it is not given or no length."""
    try:
        x, y, z = (_setting(text, f"scale {axis}", name=CONF) for axis in "xyz")
    except UnreadableVolume:
        return None
    return (z, y, x) if all(0 < edge < np.inf for edge in (x, y, z)) else None


def _read(cubes: Cubes, box: Box) -> NDArray[Any]:
    """Copy the part of each cube that lies in the box."""
    voxels = np.empty(box.shape, np.uint8)
    first = tuple(a // CUBE for a in box.start)
    many = tuple(-(-b // CUBE) - a for a, b in zip(first, box.stop, strict=True))
    for tile in split((many[0], many[1], many[2]), block=(1, 1, 1)):
        z, y, x = (a + b for a, b in zip(first, tile.write.start, strict=True))
        corner = (z * CUBE, y * CUBE, x * CUBE)
        cube = Box(corner, (corner[0] + CUBE, corner[1] + CUBE, corner[2] + CUBE))
        part = cube.intersect(box)
        if part is not None:
            voxels[part.relative_to(box).slices] = _cube(cubes, z, y, x)[part.relative_to(cube).slices]
    return voxels


def _cube(cubes: Cubes, z: int, y: int, x: int) -> NDArray[np.uint8]:
    file = cubes.file(z, y, x)
    if not file.is_file():
        others = sorted(f.name for f in file.parent.glob(f"{file.stem}*")) if file.parent.is_dir() else []
        cure = f"got {others[0]}: {ELSEWHERE}" if others else "got none: copy the volume again"
        raise UnreadableVolume(f"{cubes.folder} must have a raw cube {file.name}, {cure}")
    if file.stat().st_size != CUBE**3:
        raise UnreadableVolume(f"{file} must be a raw cube of {CUBE**3} bytes, got {file.stat().st_size}")
    return np.memmap(file, dtype=np.uint8, mode="r", shape=(CUBE, CUBE, CUBE))
