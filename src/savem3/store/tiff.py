"""TIFF stacks: one file whose pages are the sections."""

from __future__ import annotations

import json
import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels, Read
from savem3.store.location import Location
from savem3.store.stored import Header, Stored
from savem3.store.tiff_lengths import imagej_origin, imagej_voxel_size, ome_voxel_size

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the TIFF library raises on broken files."""

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


def recognises(file: Path) -> bool:
    """Whether a file is read here."""
    return file.suffix.lower() in SUFFIXES and file.is_file()


def open_stored(location: Location, *, channel: int | None = None) -> Stored:
    """Open a stack, the one numbered behind the colon if the file has several.

    Its voxel size is known where ImageJ or OME metadata give it.

    Raises
    ------
    UnreadableVolume
        If sections are missing behind the end of the file, differ in shape, or have channels and none is chosen.
    """
    name = str(location)
    with opened(location.file) as stack:
        refuse_truncated(stack, name=name)
        number = _series_number(stack, location, name=name)
        series = stack.series[number]
        axes, shape = interpret(list(series.axes), series.shape, name=name, channel=channel)
        read = _reader(location.file, series, number, axes)
        voxels = LazyVoxels(shape, series.dtype.newbyteorder("="), (1, shape[1], shape[2]), read)
        imagej = imagej_voxel_size(stack)
        size = imagej if imagej.nm else ome_voxel_size(stack, number)
        listed = tuple(str(i) for i in range(len(stack.series)))
        header = Header("tiff", axes.names, size.unit, size.source, listed, location.file)
        return Stored(name, voxels, size.nm, imagej_origin(stack, imagej.nm), header)


def _series_number(stack: TiffFile, location: Location, *, name: str) -> int:
    """Which stack of a file is meant."""
    inside = location.inside
    if inside is None and len(stack.series) == 1:
        return 0
    if inside is not None and inside.isdecimal() and int(inside) < len(stack.series):
        return int(inside)
    listed = ", ".join(f"{location.file}:{i} {series.shape}" for i, series in enumerate(stack.series))
    if inside is None:
        raise UnreadableVolume(f"{name} must hold one stack of equal sections or be named with one of: {listed}")
    raise UnreadableVolume(f"{name} must name one of the stacks {listed}, got '{inside}'")


@contextmanager
def opened(file: Path) -> Iterator[TiffFile]:
    """The open file; what the TIFF library complains about is said once, with the path, and not logged as well."""
    from tifffile import TiffFile

    log = logging.getLogger("tifffile")
    log.addFilter(_silence)
    try:
        with TiffFile(file) as stack:
            yield stack
    except UnreadableVolume:
        raise
    except BROKEN as error:
        raise UnreadableVolume(
            f"{file} must be an intact TIFF file, got: {str(error) or type(error).__name__}"
        ) from error
    finally:
        log.removeFilter(_silence)


def _silence(_: logging.LogRecord) -> bool:
    return False


def refuse_truncated(stack: TiffFile, *, name: str) -> None:
    """Compare the sections that a file declares with those it holds.

    Raises
    ------
    UnreadableVolume
        If the file ends before its last section.
    """
    declared, readable = _declared_sections(stack), _readable_sections(stack)
    wanted = f"{declared} sections" if declared else "all sections that it lists"
    try:
        complete = readable >= (declared or len(stack.pages)) and not _goes_on(stack)
    except BROKEN:  # the file ends within its list of pages
        complete = False
    if not complete:
        raise UnreadableVolume(
            f"{name} must hold {wanted}, got {readable} readable (file ends at byte {stack.filehandle.size}): "
            "copy or export it again"
        )


def _declared_sections(stack: TiffFile) -> int | None:
    """Pages that ImageJ's or tifffile's own metadata promise; ``None`` without such metadata."""
    if stack.imagej_metadata:
        return int(stack.imagej_metadata.get("images", 1))
    page = stack.pages.first
    if str(page.description).startswith('{"shape":'):
        return math.prod(json.loads(page.description)["shape"]) // math.prod(page.shape)
    return None


def _readable_sections(stack: TiffFile) -> int:
    """Pages whose bytes lie within the file; sections behind a first page without pages of their own count too."""
    size, first = stack.filehandle.size, stack.pages.first
    contiguous = first.is_contiguous and _declared_sections(stack)
    if contiguous:
        return min(contiguous, (size - first.dataoffsets[0]) // max(1, first.nbytes))
    readable = 0
    try:
        for page in stack.pages:
            end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
            readable += end <= size
    except BROKEN:
        pass  # the file ends within the header of this page
    return readable


def _goes_on(stack: TiffFile) -> bool:
    """Whether the last page that was found points to another one, which then lies behind the end of the file."""
    position, tiff = stack.pages.next_page_offset, stack.tiff
    if not position:
        return False
    stack.filehandle.seek(position)
    pointer = stack.filehandle.read(tiff.offsetsize)
    return len(pointer) < tiff.offsetsize or struct.unpack(tiff.offsetformat, pointer)[0] >= stack.filehandle.size


def _reader(file: Path, series: TiffPageSeries, number: int, axes: Axes) -> Read:
    """Map the file into memory where its voxels lie in one piece; else decode the pages of the sections asked for."""
    if series.dataoffset is not None:
        byte_order, needed = series.keyframe.parent.byteorder, int(series.dataoffset) + series.nbytes
        if needed > file.stat().st_size:
            raise UnreadableVolume(
                f"{file} must hold {needed} bytes, got {file.stat().st_size}: copy or export it again"
            )
        return partial(
            _read_mapped, file, axes, series.shape, series.dtype.newbyteorder(byte_order), int(series.dataoffset)
        )
    within = len(series.keyframe.shape)
    if {"y", "x"} <= set(axes.names[-within:]):
        return partial(_read_pages, file, number, axes, series.shape, within)
    raise UnreadableVolume(f"{file} must have sections in its pages, got axes {', '.join(axes.names)}")


def _read_mapped(
    file: Path, axes: Axes, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, box: Box
) -> NDArray[Any]:
    voxels = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)[axes.index(box)]
    return axes.arrange(np.array(voxels, dtype=dtype.newbyteorder("=")))


def _read_pages(file: Path, number: int, axes: Axes, shape: tuple[int, ...], within: int, box: Box) -> NDArray[Any]:
    """Decode the pages of a box; the last ``within`` axes lie in a page, the others count the pages."""
    index, outer = axes.index(box), shape[: len(shape) - within]
    pages = np.arange(math.prod(outer)).reshape(outer)[index[: len(outer)]]
    with opened(file) as stack:
        voxels = (
            stack.series[number].asarray() if not outer else stack.asarray(key=pages.ravel().tolist(), series=number)
        )
    voxels = voxels.reshape(*pages.shape, *shape[len(outer) :])
    kept = (slice(None),) * pages.ndim
    return np.ascontiguousarray(axes.arrange(voxels[(*kept, *index[len(outer) :])]))
