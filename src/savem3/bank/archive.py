"""A zip archive of volumes becomes a folder: regular files alone, within the folder, bounded, all of them or none."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

MOST_FILES = 1000
"""Files of one archive."""

MOST_BYTES = 2**36
"""Bytes of all files of an archive, unpacked."""

REGULAR = (0, stat.S_IFREG)
"""File types that are unpacked; archives made on Windows say none."""


def unpack_zip(archive: Path) -> Path:
    """Unpack an archive beside itself, into a folder of its name.

    Raises
    ------
    FileExistsError
        If the folder is there.
    ValueError
        If the archive is damaged, or holds anything but regular files within it, or too much.
    """
    target = archive.with_suffix("")
    if target.exists():
        raise FileExistsError(f"'{target}' must not exist yet, got a folder: move it away")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive)
            with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=archive.parent) as unfinished:
                folder = Path(unfinished) / target.name
                folder.mkdir()
                for member in members:
                    _take(opened, member, folder)
                os.replace(folder, target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{archive} must be an intact zip archive, got: {error}") from error
    return target


def _members(opened: zipfile.ZipFile, archive: Path) -> list[zipfile.ZipInfo]:
    """The files that an archive declares, once all of it is allowed."""
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES or sum(member.file_size for member in members) > MOST_BYTES:
        raise ValueError(f"{archive} must hold at most {MOST_FILES} files of {MOST_BYTES} bytes, got more")
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in member.filename or kind not in REGULAR:
            raise ValueError(f"{archive} must hold regular files within it alone, got '{member.filename[:100]}'")
    return members


def _take(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """One file; its checksum is compared as it is read."""
    path = folder / PurePosixPath(member.filename.replace("\\", "/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("wb") as file:
        shutil.copyfileobj(source, file)
