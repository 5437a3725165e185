"""A noun → a path. What lies under the path is complete: it is written beside it and then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from savem3.store.formats import WRITERS, Writer
from savem3.store.location import destination
from savem3.store.progress import Progress
from savem3.volume import BoundaryMap, Image, Labels


def write_labels(
    labels: Labels, path: str | Path, *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write labels in the format that the path's ending names, such as OME-NGFF 0.5 for ``.zarr``; see `WRITERS`.

    Parameters
    ----------
    labels
        The labels; lazy ones are read block by block.
    path
        A new folder or file; a group or dataset inside it behind a colon.
    overwrite
        Whether an older output may be replaced. It is deleted when the new one is complete, not before.
    progress
        Told the number of finished blocks and of all blocks.

    Raises
    ------
    FileExistsError
        If the path exists, unless ``overwrite``.
    ValueError
        If the ending is not known, or the format cannot hold an object number.
    """
    _write(labels, path, overwrite=overwrite, progress=progress)


def write_boundary(
    boundary: BoundaryMap, path: str | Path, *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write a boundary map; see `write_labels`."""
    _write(boundary, path, overwrite=overwrite, progress=progress)


def write_image(image: Image, path: str | Path, *, overwrite: bool = False, progress: Progress | None = None) -> None:
    """Write an image; see `write_labels`."""
    _write(image, path, overwrite=overwrite, progress=progress)


def _write(
    volume: Image | Labels | BoundaryMap, path: str | Path, *, overwrite: bool, progress: Progress | None
) -> None:
    location, writer = destination(path), writer_for(path)
    with completed(location.file, overwrite=overwrite) as unfinished:
        writer.write(volume, unfinished, inside=location.inside, progress=progress)


def writer_for(path: str | Path) -> Writer:
    """The format that a path to be written has, by its ending.

    Raises
    ------
    ValueError
        If it is none of those that are written.
    """
    location = destination(path)
    writer = next((w for w in WRITERS.values() if w.accepts(location.file)), None)
    if writer is None:
        known = ", ".join(writer.looks_like for writer in WRITERS.values())
        raise ValueError(f"path must be one of {known}, got '{location}'")
    return writer


@contextmanager
def completed(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A path beside the target to write to; what lies there takes the target's place when all went well.

    Raises
    ------
    FileExistsError
        If the target exists, unless ``overwrite``.
    """
    if target.exists() and not overwrite:
        raise FileExistsError(f"output must not exist yet, got '{target}': choose another name or pass --overwrite")
    target.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{target.name[:64]}.", suffix=".unfinished", dir=target.parent))
    try:
        yield workplace / target.name
        _take_place(workplace / target.name, target, aside=workplace / f"{target.name}.old")
    finally:
        if not (workplace / f"{target.name}.old").exists() or target.exists():
            shutil.rmtree(workplace)


def _take_place(finished: Path, target: Path, *, aside: Path) -> None:
    """Rename an output to its name; an older one goes aside, and comes back should the rename fail."""
    if not target.exists():
        finished.rename(target)
        return
    target.rename(aside)
    try:
        finished.rename(target)
    except OSError:
        aside.rename(target)
        raise
