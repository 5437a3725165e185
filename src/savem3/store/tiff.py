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

from savem3.grid import Box, Nanometres
from savem3.store.axes import Axes, interpret
from savem3.store.errors import UnreadableVolume
from savem3.store.lazy import LazyVoxels, Read
from savem3.store.location import Location
from savem3.store.ngff import nanometres_of
from savem3.store.stored import Stored

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

BROKEN = (ValueError, OSError, RuntimeError, IndexError, KeyError, struct.error)
"""What the TIFF library raises on broken files."""

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


def recognises(file: Path) -> bool:
    """Whether a file is read here."""
    return file.suffix.lower() in SUFFIXES and file.is_file()


def open_stored(location: Location) -> Stored:
    """Open a stack; its voxel size is known where ImageJ or OME metadata give it.

    Raises
    ------
    UnreadableVolume
        If sections are missing behind the end of the file, differ in shape, or have channels.
    """
    name = str(location)
    if location.inside is not None:
        raise UnreadableVolume(f"path must name a TIFF stack only, got '{location.inside}' behind '{location.file}'")
    with opened(location.file) as stack:
        refuse_truncated(stack, name=name)
        if len(stack.series) != 1:
            shapes = ", ".join(str(series.shape) for series in stack.series)
            raise UnreadableVolume(f"{name} must hold one stack of equal sections, got shapes {shapes}")
        series = stack.series[0]
        axes, shape = interpret(list(series.axes), series.shape, name=name)
        read = _reader(location.file, series, axes)
        dtype = series.dtype.newbyteorder("=")
        voxels = LazyVoxels(shape, dtype, (1, shape[1], shape[2]), read)
        return Stored(name, voxels, _imagej_voxel_size(stack) or _ome_voxel_size(stack))


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
        raise UnreadableVolume(f"{file} must be an intact TIFF file, got: {error}") from error
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


def _reader(file: Path, series: TiffPageSeries, axes: Axes) -> Read:
    """Map the file into memory where its voxels lie in one piece; else decode the pages of the sections asked for."""
    if series.dataoffset is not None:
        byte_order = series.keyframe.parent.byteorder
        return partial(
            _read_mapped, file, axes, series.shape, series.dtype.newbyteorder(byte_order), int(series.dataoffset)
        )
    return partial(_read_pages, file)


def _read_mapped(
    file: Path, axes: Axes, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, box: Box
) -> NDArray[Any]:
    voxels = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)[axes.index(box)]
    return axes.arrange(np.array(voxels, dtype=dtype.newbyteorder("=")))


def _read_pages(file: Path, box: Box) -> NDArray[Any]:
    with opened(file) as stack:
        height, width = stack.pages.first.shape[:2]
        sections = stack.asarray(key=range(box.start[0], box.stop[0]), series=0)
    return np.ascontiguousarray(sections.reshape(-1, height, width)[:, box.slices[1], box.slices[2]])


def _imagej_voxel_size(stack: TiffFile) -> Nanometres | None:
    """``spacing`` and ``unit`` of ImageJ's metadata with the pixels per unit of the first page."""
    metadata = stack.imagej_metadata or {}
    unit = nanometres_of(metadata.get("unit"))
    (pixels_y, units_y), (pixels_x, units_x) = (_resolution(stack, tag) for tag in ("YResolution", "XResolution"))
    if unit is None or not metadata.get("spacing") or not pixels_y or not pixels_x:
        return None
    return abs(float(metadata["spacing"])) * unit, units_y / pixels_y * unit, units_x / pixels_x * unit


def _resolution(stack: TiffFile, tag: str) -> tuple[int, int]:
    """Pixels, and the units that they span; 0 pixels where the tag is absent."""
    found = stack.pages.first.tags.get(tag)
    pixels, units = (0, 1) if found is None else found.value
    return int(pixels), int(units)


def _ome_voxel_size(stack: TiffFile) -> Nanometres | None:
    """``PhysicalSize`` of the first image of OME metadata; µm where its unit is left out, as OME says."""
    from xml.etree.ElementTree import ParseError, fromstring

    if not stack.ome_metadata:
        return None
    try:
        pixels = next((e for e in fromstring(stack.ome_metadata).iter() if e.tag.endswith("}Pixels")), None)
    except ParseError:
        return None
    sizes = [] if pixels is None else [_physical_size(dict(pixels.attrib), axis) for axis in "ZYX"]
    if len(sizes) != 3 or any(size is None for size in sizes):
        return None
    z, y, x = (float(size) for size in sizes if size is not None)
    return z, y, x


def _physical_size(pixels: dict[str, str], axis: str) -> float | None:
    """The voxel's edge along one axis, nm."""
    unit = nanometres_of(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    size = float(pixels.get(f"PhysicalSize{axis}", 0))
    return size * unit if unit is not None and 0 < size < float("inf") else None
