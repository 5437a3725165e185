"""A folder of pictures, one per section, in natural order: ``s2.png`` before ``s10.png``."""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store import tiff
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels
from savem3.store.location import Location
from savem3.store.stored import Header, Stored

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PICTURES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*tiff.SUFFIXES, *PICTURES)

GREY_MODES = {"1": "bool", "L": "uint8", "I;16": "uint16", "I;16L": "uint16", "I;16B": "uint16", "I": "int32"}
"""Pillow's names of grey pictures, and their number type."""

BROKEN = (
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the picture library raises on broken files."""

_pillow_limit = threading.Lock()

Kind = tuple[tuple[int, int], np.dtype[Any]]
"""Pixels along y, x and number type of one section."""


def recognises(file: Path) -> bool:
    """Whether a folder is read here."""
    return file.is_dir() and any(child.suffix.lower() in SUFFIXES for child in file.iterdir())


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a folder; the header of each section is read, no pixels. Pictures do not tell a voxel size.

    Raises
    ------
    UnreadableVolume
        If the sections differ in shape or type or have channels, or a number is missing among their names.
    """
    name = str(location)
    if channel:
        raise UnreadableVolume(f"{name} must have a channel {channel}, got grey sections; save that channel as grey")
    if location.inside is not None:
        raise UnreadableVolume(f"path must name a folder only, got '{location.inside}' behind '{location.file}'")
    sections = in_natural_order(location.file)
    refuse_gaps(sections)
    shape, dtype = _kind(sections[0])
    for section in sections[1:]:
        kind = _kind(section)
        if kind != (shape, dtype):
            raise UnreadableVolume(
                f"{section} must be a section of {shape} {dtype} pixels like {sections[0].name}, "
                f"got {kind[0]} {kind[1]}"
            )
    chunk = (1, shape[0], shape[1])
    voxels = LazyVoxels((len(sections), *shape), dtype, chunk, partial(_read, tuple(sections)))
    return Stored(name, voxels, None, header=Header("sections", file=location.file))


def in_natural_order(folder: Path) -> list[Path]:
    """The sections of a folder, numbers in their names compared as numbers.

    Hidden files are left out.
    """
    found = [f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
    return sorted(found, key=_natural)


def refuse_gaps(sections: list[Path]) -> None:
    """Refuse a folder where the one number that counts the sections leaves one out or names one twice.

    Names that count in steps, as 000, 010, 020, leave none out; names with several changing numbers are not judged.

    Raises
    ------
    UnreadableVolume
        Naming the sections around the gap.
    """
    names = [re.split(r"([0-9]+)", section.stem) for section in sections]
    if len({len(parts) for parts in names}) > 1:
        return
    columns = [column for column in zip(*names, strict=True) if len({_value(part) for part in column}) > 1]
    if len(columns) != 1 or not all(part.isdecimal() for part in columns[0]):
        return
    numbers = [int(part) for part in columns[0]]
    steps = [b - a for a, b in pairwise(numbers)]
    usual = min(steps) if len(steps) > 1 else 1
    for i, step in enumerate(steps):
        if step == 0 or step != usual:
            raise UnreadableVolume(
                f"{sections[0].parent} must hold each section once, got {sections[i].name} followed by "
                f"{sections[i + 1].name}: add what is missing, or number the files anew if that is right"
            )


def _value(part: str) -> int | str:
    return int(part) if part.isdecimal() else part


def _natural(file: Path) -> list[tuple[bool, int, str]]:
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", file.name)]


def _kind(section: Path) -> Kind:
    if section.suffix.lower() in PICTURES:
        return _picture_kind(section)
    stored = tiff.open_stored(Location(section))
    pages, height, width = stored.voxels.shape
    if pages != 1:
        raise UnreadableVolume(f"{section} must hold one section, got {pages}: open it by its name")
    return (height, width), stored.voxels.dtype


def _picture_kind(section: Path) -> Kind:
    with _opened(section) as picture:
        if picture.mode not in GREY_MODES:
            raise UnreadableVolume(
                f"{section} must be a grey picture, got a channel axis ({picture.mode}): save it as grey"
            )
        return (picture.height, picture.width), np.dtype(GREY_MODES[picture.mode])


@contextmanager
def _opened(section: Path) -> Iterator[Picture]:
    """The picture, of any size: sections above Pillow's limit are common, and `Stored` has a limit of its own."""
    import PIL.Image

    try:
        with _pillow_limit:
            limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
            try:
                opened = PIL.Image.open(section)
            finally:
                PIL.Image.MAX_IMAGE_PIXELS = limit
        with opened as picture:
            yield picture
    except UnreadableVolume:
        raise
    except BROKEN as error:
        raise UnreadableVolume(f"{section} must be an intact picture, got: {error}") from error


def _read(sections: tuple[Path, ...], box: Box) -> NDArray[Any]:
    wanted = sections[box.start[0] : box.stop[0]]
    return np.stack([_pixels(section)[box.slices[1:]] for section in wanted])


def _pixels(section: Path) -> NDArray[Any]:
    if section.suffix.lower() not in PICTURES:
        pixels: NDArray[Any] = tiff.open_stored(Location(section)).voxels[0]
        return pixels
    with _opened(section) as picture:
        return np.asarray(picture).astype(GREY_MODES[picture.mode])
