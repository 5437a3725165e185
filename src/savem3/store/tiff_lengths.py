"""What a TIFF file says about lengths, in ImageJ's or OME's metadata."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from savem3.grid import Nanometres
from savem3.store.attributes import VoxelSize
from savem3.store.units import nanometres_of

if TYPE_CHECKING:
    from tifffile import TiffFile


def imagej_voxel_size(stack: TiffFile) -> VoxelSize:
    """``spacing`` and ``unit`` of ImageJ's metadata with the pixels per unit of the first page."""
    metadata = stack.imagej_metadata or {}
    unit = nanometres_of(metadata.get("unit"))
    (pixels_y, units_y), (pixels_x, units_x) = (_resolution(stack, tag) for tag in ("YResolution", "XResolution"))
    spacing = metadata.get("spacing")
    if unit is None or not isinstance(spacing, int | float) or not pixels_y or not pixels_x:
        return VoxelSize()
    edges = (abs(float(spacing)) * unit, units_y / pixels_y * unit, units_x / pixels_x * unit)
    if not all(0 < edge < float("inf") for edge in edges):
        return VoxelSize()
    return VoxelSize(edges, str(metadata["unit"]), "ImageJ spacing and unit, XResolution, YResolution")


def imagej_origin(stack: TiffFile, size: Nanometres | None) -> Nanometres:
    """ImageJ's origin, which counts pixels from the first one to the point 0; 0 where there is none."""
    metadata = stack.imagej_metadata or {}
    pixels = [metadata.get(f"{axis}origin", 0) for axis in "zyx"]
    if size is None or not all(isinstance(value, int | float) and math.isfinite(value) for value in pixels):
        return 0.0, 0.0, 0.0
    z, y, x = (-float(value) * edge if value else 0.0 for value, edge in zip(pixels, size, strict=True))
    return z, y, x


def _resolution(stack: TiffFile, tag: str) -> tuple[int, int]:
    """Pixels, and the units that they span; 0 pixels where the tag is absent."""
    found = stack.pages.first.tags.get(tag)
    pixels, units = (0, 1) if found is None else found.value
    return int(pixels), int(units)


def ome_voxel_size(stack: TiffFile, number: int) -> VoxelSize:
    """``PhysicalSize`` of an image of OME metadata; µm where its unit is left out, as OME says."""
    from xml.etree.ElementTree import ParseError, fromstring

    if not stack.ome_metadata:
        return VoxelSize()
    try:
        images = [e for e in fromstring(stack.ome_metadata).iter() if e.tag.endswith("}Pixels")]
    except ParseError:
        return VoxelSize()
    if len(images) != len(stack.series):
        return VoxelSize()
    pixels = dict(images[number].attrib)
    z, y, x = (_physical_size(pixels, axis) for axis in "ZYX")
    if z is None or y is None or x is None:
        return VoxelSize()
    return VoxelSize((z, y, x), pixels.get("PhysicalSizeXUnit", "µm"), "OME-XML PhysicalSizeZ, Y, X")


def _physical_size(pixels: dict[str, str], axis: str) -> float | None:
    """The voxel's edge along one axis, nm."""
    unit = nanometres_of(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    try:
        size = float(pixels.get(f"PhysicalSize{axis}", 0))
    except ValueError:
        return None
    return size * unit if unit is not None and 0 < size < float("inf") else None
