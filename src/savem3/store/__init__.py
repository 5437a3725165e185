"""Store: a path → a lazy noun, and back. The only room that knows files.

Enters: the path of a volume, ``file.h5:raw``, ``stack.tif``, ``name.zarr/group``, a folder of sections, or the URL of
a Zarr, N5 or precomputed volume, with or without a voxel size. Leaves: `Image`, `Labels` or `BoundaryMap`, z, y, x, nm,
whose voxels are read when they are indexed. Back: nouns become OME-NGFF, HDF5 or TIFF, complete or not there at all.

Method: section 1 (words, shapes, conventions). Each format is one file and one line in `READERS` or `WRITERS`.
"""

from savem3.store.errors import MissingVoxelSize, UnreadableVolume
from savem3.store.formats import READERS, WRITERS, Reader, Writer
from savem3.store.grey import BadValues
from savem3.store.lazy import LazyVoxels
from savem3.store.location import absolute
from savem3.store.opening import image_of, open_boundary, open_image, open_labels, open_stored
from savem3.store.progress import Progress
from savem3.store.pyramid_file import PyramidFile
from savem3.store.stored import Header, Stored
from savem3.store.voxel_file import VoxelFile
from savem3.store.writing import completed, write_boundary, write_image, write_labels, writer_for

__all__ = [
    "READERS",
    "WRITERS",
    "BadValues",
    "Header",
    "LazyVoxels",
    "MissingVoxelSize",
    "Progress",
    "PyramidFile",
    "Reader",
    "Stored",
    "UnreadableVolume",
    "VoxelFile",
    "Writer",
    "absolute",
    "completed",
    "image_of",
    "open_boundary",
    "open_image",
    "open_labels",
    "open_stored",
    "write_boundary",
    "write_image",
    "write_labels",
    "writer_for",
]
