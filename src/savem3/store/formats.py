"""The formats: which files each one takes, and what reads or writes them. One line per format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from savem3.store import hdf5, knossos, mrc, n5, ngff_writer, precomputed, sections, tiff, tiff_writer, zarr
from savem3.store.location import Location
from savem3.store.progress import Progress
from savem3.store.stored import Stored
from savem3.volume import BoundaryMap, Image, Labels


@runtime_checkable
class Open(Protocol):
    """Opens a volume; raises `UnreadableVolume`."""

    def __call__(self, location: Location, *, channel: int | None) -> Stored: ...


@runtime_checkable
class Write(Protocol):
    """Writes a volume to a path that does not exist yet."""

    def __call__(
        self, volume: Image | Labels | BoundaryMap, target: Path, *, inside: str | None, progress: Progress | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """A format that is read.

    Parameters
    ----------
    looks_like
        How its paths look, for messages.
    recognises
        Whether an existing file or folder is of this format.
    open_stored
        Opens it; raises `UnreadableVolume`.
    """

    looks_like: str
    recognises: Callable[[Path], bool]
    open_stored: Open


@dataclass(frozen=True, slots=True)
class Writer:
    """A format that is written.

    Parameters
    ----------
    looks_like
        How its paths look, for messages.
    suffixes
        Endings of its paths; the first is what the tests use.
    write
        Writes a volume.
    """

    looks_like: str
    suffixes: tuple[str, ...]
    write: Write

    def accepts(self, target: Path) -> bool:
        """Whether a path is written in this format."""
        return target.name.lower().endswith(self.suffixes)


READERS = {
    "hdf5": Reader("file.h5[:dataset]", hdf5.recognises, hdf5.open_stored),
    "tiff": Reader("stack.tif[:number]", tiff.recognises, tiff.open_stored),
    "mrc": Reader("file.mrc", mrc.recognises, mrc.open_stored),
    "zarr": Reader("array.zarr[/group]", zarr.recognises, zarr.open_stored),
    "n5": Reader("container.n5[/dataset]", n5.recognises, n5.open_stored),
    "precomputed": Reader("precomputed folder[:scale]", precomputed.recognises, precomputed.open_stored),
    "knossos": Reader("KNOSSOS folder[:mag]", knossos.recognises, knossos.open_stored),
    "sections": Reader("folder of .tif, .png or .jpg sections", sections.recognises, sections.open_stored),
}
"""The first one that recognises a path reads it."""

WRITERS = {
    "ome-zarr-0.4": Writer("name.v2.zarr", (".v2.zarr",), partial(ngff_writer.write, version="0.4")),
    "ome-zarr": Writer("name.zarr", (".zarr",), ngff_writer.write),
    "hdf5": Writer("file.h5[:dataset]", (".h5", ".hdf5"), hdf5.write),
    "tiff": Writer("stack.tif", (".tif", ".tiff"), tiff_writer.write),
}
"""The first one that accepts a path writes it."""

UNREAD = {
    "header.wkw": "a WEBKNOSSOS layer of wkw files: export it as Zarr (webknossos convert-zarr)",
    "datasource-properties.json": "a WEBKNOSSOS dataset: name the folder of one layer and magnification of it",
    ".wkw": "a WEBKNOSSOS wkw file: export its layer as Zarr (webknossos convert-zarr)",
    ".seg.sz": "a KNOSSOS overlay: convert it with knossos_utils",
    ".k.zip": "a KNOSSOS annotation: convert it with knossos_utils",
    ".dm3": "a DigitalMicrograph file: save it as TIFF or MRC",
    ".dm4": "a DigitalMicrograph file: save it as TIFF or MRC",
    ".npy": "a NumPy file, which names no axes and no lengths: save it as TIFF or HDF5",
    ".npz": "a NumPy file, which names no axes and no lengths: save it as TIFF or HDF5",
    ".nii": "a NIfTI file: save it as TIFF or HDF5",
    ".nii.gz": "a NIfTI file: save it as TIFF or HDF5",
    ".nrrd": "an NRRD file: save it as TIFF or HDF5",
    ".am": "an Amira file: save it as TIFF or HDF5",
}
"""Formats that are met and not read, by the end of their path or a file within it, and what to do."""
