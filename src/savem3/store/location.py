"""A path as the user writes it: a file or folder, and perhaps a dataset inside it (``file.h5:raw``)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from savem3.store.errors import UnreadableVolume

DRIVE = 2
"""Characters of a Windows drive (``C:``): a colon among them never starts the name of a dataset."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a volume lies.

    Parameters
    ----------
    file
        The file or folder.
    inside
        Name of the dataset inside it, without a leading slash; ``None`` where the user named none.
    """

    file: Path
    inside: str | None = None

    def __str__(self) -> str:
        return str(self.file) if self.inside is None else f"{self.file}:{self.inside}"


def readings(path: str | Path) -> list[Location]:
    """All ways to read a path, the whole text as one file first, then split at each colon from the right."""
    text = str(path)
    colons = [i for i in range(len(text) - 2, DRIVE - 1, -1) if text[i] == ":"]
    split = [Location(Path(text[:i]), text[i + 1 :].strip("/")) for i in colons]
    return [Location(Path(text)), *split]


def find(path: str | Path) -> Location:
    """The reading of a path whose file exists.

    Raises
    ------
    UnreadableVolume
        If there is none; the message names the closest sibling.
    """
    for location in readings(path):
        if _exists(location.file):
            return location
    raise UnreadableVolume(f"path must exist, got '{path}'{_closest_sibling(readings(path)[-1].file)}")


def _exists(file: Path) -> bool:
    """Whether a file is there; a name that the system cannot hold is not."""
    try:
        return file.exists()
    except OSError:
        return False


def absolute(path: str | Path) -> str:
    """The same place, named from anywhere on this machine; what lies behind a URL is named so already."""
    return str(path) if "://" in str(path) else str(Path(path).absolute())


def destination(path: str | Path) -> Location:
    """The reading of a path that is to be written: split only behind a file name with an ending (``out.h5:labels``)."""
    split = [location for location in readings(path)[1:] if location.file.suffix]
    return split[0] if split else Location(Path(path))


def _closest_sibling(file: Path) -> str:
    """A suggestion for a misspelt path: the nearest name next to the first part of it that is missing."""
    missing = next((part for part in [*reversed(file.parents), file] if not _exists(part)), file)
    if not missing.parent.is_dir():
        return ""
    names = [sibling.name for sibling in missing.parent.iterdir()]
    close = get_close_matches(missing.name, names, n=1)
    return f"; did you mean '{missing.parent / close[0]}'?" if close else ""
