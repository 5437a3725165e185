"""The formats: which files each one takes, and what reads or writes them. One line per format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from savem3.store import hdf5, ngff_writer, sections, tiff, zarr
from savem3.store.location import Location
from savem3.store.progress import Progress
from savem3.store.stored import Stored
from savem3.volume import BoundaryMap, Image, Labels


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
    open_stored: Callable[[Location], Stored]


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
        return target.suffix.lower() in self.suffixes


READERS = {
    "hdf5": Reader("file.h5[:dataset]", hdf5.recognises, hdf5.open_stored),
    "tiff": Reader("stack.tif", tiff.recognises, tiff.open_stored),
    "zarr": Reader("array.zarr[/group]", zarr.recognises, zarr.open_stored),
    "sections": Reader("folder of .tif, .png or .jpg sections", sections.recognises, sections.open_stored),
}

WRITERS = {
    "ome-zarr": Writer("name.zarr", (".zarr",), ngff_writer.write),
    "hdf5": Writer("file.h5[:dataset]", (".h5", ".hdf5"), hdf5.write),
}
