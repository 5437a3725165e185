"""MRC: one file with a header of 1024 bytes, mapped into memory.

Source: the MRC2014 format. Mode 0 is signed there; files that IMOD stamped as unsigned are read as such. The cell is in
ångström along x, y, z, and MAPC, MAPR, MAPS say which of these the columns, rows and sections run along. The header's
ORIGIN is taken as it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store.attributes import VoxelSize
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.location import Location
from savem3.store.stored import Header, Stored

SUFFIXES = (".mrc", ".rec", ".map", ".st", ".ali")

HEADER_BYTES = 1024

MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
"""Numpy types by the header's mode."""

IMOD = 1146047817
"""IMOD's stamp at byte 152; then the lowest bit at byte 156 says that mode 0 is signed."""

STACK_OF_VOLUMES = 401
"""The first space group number of files that hold several volumes."""

ANGSTROM = 0.1
"""In nm."""


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """What the first 1024 bytes say.

    Parameters
    ----------
    shape
        Sections, rows, columns.
    axes
        What these run along: an order of z, y, x.
    dtype
        Of a voxel as it lies in the file.
    offset
        Bytes before the first voxel.
    edges
        Of a voxel along x, y, z, in Å; 0 where the cell is not given.
    origin
        Along x, y, z, in Å.
    """

    shape: tuple[int, int, int]
    axes: tuple[str, ...]
    dtype: np.dtype[Any]
    offset: int
    edges: tuple[float, float, float]
    origin: tuple[float, float, float]


def recognises(file: Path) -> bool:
    """Whether a file is read here."""
    return file.suffix.lower() in SUFFIXES and file.is_file()


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a volume.

    Raises
    ------
    UnreadableVolume
        If the header is broken, the mode is not one of real numbers, or the file ends before its last voxel.
    """
    name = str(location)
    if location.inside is not None:
        raise UnreadableVolume(f"path must name an MRC file only, got '{location.inside}' behind '{location.file}'")
    header = _header(location.file, name=name)
    axes, shape = interpret(header.axes, header.shape, name=name, channel=channel)
    _refuse_truncated(location.file, header, name=name)
    read = partial(_read, location.file, axes, header)
    voxels = LazyVoxels(shape, header.dtype.newbyteorder("="), (1, shape[1], shape[2]), read)
    size = _voxel_size(header)
    x, y, z = (value * ANGSTROM if np.isfinite(value) else 0.0 for value in header.origin)
    told = Header("mrc", axes.names, size.unit, size.source, (), location.file)
    return Stored(name, voxels, size.nm, (z, y, x), told)


def _header(file: Path, *, name: str) -> MrcHeader:
    with file.open("rb") as opened:
        content = opened.read(HEADER_BYTES)
    if len(content) < HEADER_BYTES:
        raise UnreadableVolume(f"{name} must have an MRC header of {HEADER_BYTES} bytes, got {len(content)}")
    order = _byte_order(content, name=name)
    words = struct.unpack(f"{order}10i", content[:40])
    cell, mapped = struct.unpack(f"{order}3f", content[40:52]), struct.unpack(f"{order}3i", content[64:76])
    space_group, extra = struct.unpack(f"{order}2i", content[88:96])
    if sorted(mapped) != [1, 2, 3]:
        raise UnreadableVolume(f"{name} must have MAPC, MAPR, MAPS 1, 2, 3 in any order, got {mapped}")
    if space_group >= STACK_OF_VOLUMES and words[9] < words[2]:
        raise UnreadableVolume(
            f"{name} must hold one volume, got a stack of {words[2] // max(1, words[9])}: save each as a file"
        )
    return MrcHeader(
        shape=(words[2], words[1], words[0]),
        axes=tuple("xyz"[axis - 1] for axis in reversed(mapped)),
        dtype=_dtype(words[3], content, order, name=name),
        offset=HEADER_BYTES + max(0, extra),
        edges=_edges(cell, words[7:10]),
        origin=struct.unpack(f"{order}3f", content[196:208]),
    )


def _byte_order(content: bytes, *, name: str) -> Literal["<", ">"]:
    """The byte order that the machine stamp says; without one, that in which the mode makes sense."""
    if content[208:211] != b"MAP":
        raise UnreadableVolume(f"{name} must have 'MAP ' at byte 208 as MRC files do, got {content[208:212]!r}")
    if content[212] in (0x44, 0x11):
        return "<" if content[212] == 0x44 else ">"
    return "<" if struct.unpack("<i", content[12:16])[0] < 2**16 else ">"


def _dtype(mode: int, content: bytes, order: Literal["<", ">"], *, name: str) -> np.dtype[Any]:
    if mode not in MODES:
        raise UnreadableVolume(f"{name} must have one of the modes {', '.join(map(str, MODES))}, got mode {mode}")
    stamp, flags = struct.unpack(f"{order}2i", content[152:160])
    unsigned = mode == 0 and stamp == IMOD and not flags & 1
    return np.dtype("u1") if unsigned else np.dtype(f"{order}{MODES[mode]}")


def _edges(cell: tuple[float, ...], sampling: tuple[int, ...]) -> tuple[float, float, float]:
    """The edges of a voxel along x, y, z in Å; 0 where the header does not give them."""
    x, y, z = (length / n if n > 0 and 0 < length < np.inf else 0.0 for length, n in zip(cell, sampling, strict=True))
    return x, y, z


def _voxel_size(header: MrcHeader) -> VoxelSize:
    x, y, z = (edge * ANGSTROM for edge in header.edges)
    return VoxelSize((z, y, x), "Å", "MRC header CELLA / MX, MY, MZ") if min(x, y, z) > 0 else VoxelSize()


def _refuse_truncated(file: Path, header: MrcHeader, *, name: str) -> None:
    sections, rows, columns = header.shape
    needed, found = header.offset + sections * rows * columns * header.dtype.itemsize, file.stat().st_size
    if min(header.shape) > 0 and found < needed:
        raise UnreadableVolume(
            f"{name} must hold {sections} sections in {needed} bytes, got {found} bytes: copy or export it again"
        )


def _read(file: Path, axes: Axes, header: MrcHeader, box: Box) -> NDArray[Any]:
    voxels = np.memmap(file, dtype=header.dtype, mode="r", offset=header.offset, shape=header.shape)[axes.index(box)]
    return axes.arrange(np.array(voxels, dtype=header.dtype.newbyteorder("=")))
