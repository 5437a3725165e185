"""A path → a noun, its voxels still on disk."""

from __future__ import annotations

from pathlib import Path

from savem3.grid import Grid, Nanometres
from savem3.store import remote
from savem3.store.errors import MissingVoxelSize, UnreadableVolume
from savem3.store.formats import READERS, UNREAD, Reader
from savem3.store.grey import boundary_voxels, image_voxels, label_voxels
from savem3.store.location import Location, find
from savem3.store.stored import Stored
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels


def open_image(
    path: str | Path,
    *,
    voxel_size: Nanometres | None = None,
    invert: bool = False,
    intensity: IntensityMap | None = None,
    channel: int | None = None,
) -> Image:
    """Open an image.

    Parameters
    ----------
    path
        A file or folder; a dataset inside it behind a colon, such as ``file.h5:raw``. Or a URL, see `remote`.
    voxel_size
        Along z, y, x, in nm; goes before what the file says.
    invert
        Whether bright and dark are exchanged, for images whose membranes are bright.
    intensity
        The intensity map of an earlier run on this volume. Without it, a volume that is not uint8 is read once here.
    channel
        Which channel of a volume with several, from 0.

    Raises
    ------
    UnreadableVolume
        If the path does not lead to a grey volume.
    MissingVoxelSize
        If neither the file nor the caller gives a voxel size.
    """
    return image_of(open_stored(path, channel=channel), voxel_size=voxel_size, invert=invert, intensity=intensity)


def image_of(
    stored: Stored,
    *,
    voxel_size: Nanometres | None = None,
    invert: bool = False,
    intensity: IntensityMap | None = None,
) -> Image:
    """The image that a stored volume is; see `open_image`."""
    grid = _grid(stored, voxel_size)
    return Image(image_voxels(stored, invert=invert, intensity=intensity), grid)


def open_labels(path: str | Path, *, voxel_size: Nanometres | None = None, channel: int | None = None) -> Labels:
    """Open labels of any integer type; see `open_image`."""
    stored = open_stored(path, channel=channel)
    return Labels(label_voxels(stored), _grid(stored, voxel_size))


def open_boundary(path: str | Path, *, voxel_size: Nanometres | None = None, channel: int | None = None) -> BoundaryMap:
    """Open a boundary map, uint8 from 0 to 255 or floats from 0 to 1; see `open_image`."""
    stored = open_stored(path, channel=channel)
    return BoundaryMap(boundary_voxels(stored), _grid(stored, voxel_size))


def open_stored(path: str | Path, *, channel: int | None = None) -> Stored:
    """Open a volume with the numbers that it is stored with; the first format that recognises it reads it.

    Raises
    ------
    UnreadableVolume
        If no format recognises it, or the one that does finds it broken.
    """
    if remote.is_url(path):
        return remote.open_stored(str(path), channel=channel)
    location = find(path)
    for reader in READERS.values():
        if reader.recognises(location.file):
            return _openable(reader, location, channel)
    for mark, cure in UNREAD.items():
        if location.file.name.lower().endswith(mark) or (location.file / mark).is_file():
            raise UnreadableVolume(f"{location} must be of a format that is read here, got {cure}")
    known = ", ".join(reader.looks_like for reader in READERS.values())
    raise UnreadableVolume(f"path must be one of {known}, got '{path}'")


def _openable(reader: Reader, location: Location, channel: int | None) -> Stored:
    """Open with a reader; what the system refuses is said with the path."""
    try:
        return reader.open_stored(location, channel=channel)
    except OSError as error:
        raise UnreadableVolume(f"{location} must be readable, got: {error}") from error


def _grid(stored: Stored, voxel_size: Nanometres | None) -> Grid:
    size = voxel_size if voxel_size is not None else stored.voxel_size
    if size is None:
        raise MissingVoxelSize(stored.name)
    z, y, x = (float(edge) for edge in size)
    return Grid(stored.voxels.shape, (z, y, x), stored.origin)
