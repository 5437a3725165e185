"""Models in one archive, to carry to a machine without a network: a plain tar file with a manifest of digests."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savem3.home import weights_folder
from savem3.shelf import verify_file, verify_model
from savem3.shipped import MODELS
from savem3.store.declared import strict_json
from savem3.store.durable import write_durably
from savem3.store.weights import UnusableWeights

FORMAT = "savem3-models-1"
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20
"""Bytes of the longest manifest."""
LARGEST_PARCEL = 2**32
"""Bytes of the largest archive, and of all that it holds."""
MOST_MODELS = 64
"""Models in one archive."""
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}\.safetensors", re.ASCII)
"""What a model's file may be called within an archive: one name, no folder."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A model within an archive.

    Parameters
    ----------
    file
        Its name there.
    size
        Of the file, in bytes.
    sha256
        Of the file.
    """

    file: str
    size: int
    sha256: str


def pack(names: Sequence[str], out: Path, *, overwrite: bool = False) -> list[Packed]:
    """Write models, each verified first, and a manifest of their digests into one archive.

    Parameters
    ----------
    names
        Of models, or paths.
    out
        The archive.
    overwrite
        Whether an older one may be replaced.

    Raises
    ------
    FileExistsError
        If the archive exists, unless ``overwrite``.
    ValueError
        If a model is not whole, two have the same file name, or there are none or too many.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"output must not exist yet, got '{out}': remove it or pass --overwrite")
    if not 1 <= len(names) <= MOST_MODELS:
        raise ValueError(f"names must be 1 to {MOST_MODELS} models, got {len(names)}")
    models = [verify_model(name) for name in names]
    files = [model.path.name for model in models]
    if len(set(files)) != len(files):
        raise ValueError(f"names must be of files with different names, got {', '.join(files)}")
    contents = {model.path.name: model.path.read_bytes() for model in models}
    packed = [Packed(file, len(content), _digest(content)) for file, content in contents.items()]
    entries = [
        {**model.facts, "path": one.file, "file_sha256": one.sha256, "card": model.told.card if model.told else {}}
        for model, one in zip(models, packed, strict=True)
    ]
    manifest = json.dumps({"format": FORMAT, "models": entries}, indent=1, sort_keys=True).encode()
    if bad := [file for file in files if not FILE_NAME.fullmatch(file)]:
        raise ValueError(f"model must be a file named with letters, digits, '.', '_' and '-', got '{bad[0]}'")
    write_durably(out, _archive({MANIFEST: manifest, **contents}))
    return packed


def _archive(contents: dict[str, bytes]) -> bytes:
    """A tar file without times or owners: the same models give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack(parcel: Path, *, into: Path | None = None, overwrite: bool = False) -> list[Path]:
    """Put the models of an archive into the user's folder; all of them, or none if anything is wrong.

    Nothing of the archive is written but the models that its manifest lists: under a temporary name, checked as
    `savem3.shelf.verify_file` does, then renamed.

    Parameters
    ----------
    parcel
        As `pack` wrote it.
    into
        Another folder.
    overwrite
        Whether older models of the same names may be replaced.

    Raises
    ------
    FileExistsError
        If another model of the same name is there, unless ``overwrite``.
    savem3.store.weights.UnusableWeights
        If the archive or a model is damaged or hostile.
    """
    folder = into or weights_folder()
    if not parcel.is_file():
        raise FileNotFoundError(f"parcel must be an archive of models (.tar), got no file '{parcel}'")
    if parcel.stat().st_size > LARGEST_PARCEL:
        raise UnusableWeights(f"{parcel} must have at most {LARGEST_PARCEL} bytes, got {parcel.stat().st_size}")
    try:
        with tarfile.open(parcel, mode="r:") as archive:
            members = _members(archive, parcel)
            packed = _read_manifest(archive, members, parcel)
            _refuse_taken(packed, folder, overwrite=overwrite)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
                found = [_take(archive, members[one.file], one, Path(unfinished), parcel) for one in packed]
                for file in found:
                    os.replace(file, folder / file.name)
    except (tarfile.TarError, EOFError) as error:
        raise UnusableWeights(f"{parcel} must be a plain tar archive, not compressed, got: {error}") from error
    return [folder / one.file for one in packed]


def _members(archive: tarfile.TarFile, parcel: Path) -> dict[str, tarfile.TarInfo]:
    """What an archive declares to hold, once all of it is allowed."""
    members: dict[str, tarfile.TarInfo] = {}
    total = 0
    for member in archive:
        name = member.name[:100]
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise UnusableWeights(f"{parcel} must hold regular files alone, got {_kind(member)} '{name}'")
        if member.name != MANIFEST and not FILE_NAME.fullmatch(member.name):
            raise UnusableWeights(f"{parcel} must hold {MANIFEST} and NAME.safetensors alone, got '{name}'")
        if member.name in members:
            raise UnusableWeights(f"{parcel} must hold each file once, got '{name}' twice")
        if len(members) > MOST_MODELS:
            raise UnusableWeights(f"{parcel} must hold at most {MOST_MODELS} models, got more")
        total += member.size
        if total > LARGEST_PARCEL:
            raise UnusableWeights(f"{parcel} must hold at most {LARGEST_PARCEL} bytes, got {total} up to '{name}'")
        members[member.name] = member
    return members


def _kind(member: tarfile.TarInfo) -> str:
    kinds = {
        "a symbolic link": member.issym(),
        "a hard link": member.islnk(),
        "a folder": member.isdir(),
        "a device": member.isdev(),
        "a sparse file": member.issparse(),
    }
    return next((kind for kind, fits in kinds.items() if fits), "something else,")


def _read_manifest(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], parcel: Path) -> list[Packed]:
    """What the manifest lists; exactly the other members."""
    if MANIFEST not in members or members[MANIFEST].size > LARGEST_MANIFEST:
        got = f"one of {members[MANIFEST].size}" if MANIFEST in members else "none"
        raise UnusableWeights(f"{parcel} must hold a {MANIFEST} of at most {LARGEST_MANIFEST} bytes, got {got}")
    found = strict_json(_content(archive, members[MANIFEST]), name=f"{MANIFEST} of {parcel}")
    if found.get("format") != FORMAT or not isinstance(found.get("models"), list):
        got = str(found.get("format"))[:40]
        raise UnusableWeights(f"{MANIFEST} of {parcel} must have format {FORMAT} and a list of models, got {got}")
    packed = [_packed(entry, parcel) for entry in found["models"]]
    listed, held = [one.file for one in packed], {*members} - {MANIFEST}
    if not packed or len(set(listed)) != len(listed) or set(listed) != held:
        odd = ", ".join(sorted(set(listed) ^ held)[:5]) or f"{len(listed)} entries for {len(held)} files"
        raise UnusableWeights(f"{MANIFEST} of {parcel} must list exactly the models beside it, each once, got {odd}")
    for one in packed:
        if members[one.file].size != one.size:
            raise UnusableWeights(f"{parcel} must hold {one.size} bytes of {one.file}, got {members[one.file].size}")
    return packed


def _packed(entry: Any, parcel: Path) -> Packed:
    plain = entry if isinstance(entry, dict) else {}
    file, size, sha256 = plain.get("path"), plain.get("bytes"), plain.get("file_sha256")
    if not isinstance(file, str) or type(size) is not int or not isinstance(sha256, str):
        raise UnusableWeights(f"{MANIFEST} of {parcel} must give path, bytes and file_sha256 of each model, got others")
    return Packed(file, size, sha256)


def _refuse_taken(packed: Sequence[Packed], folder: Path, *, overwrite: bool) -> None:
    """Refuse names that are taken: those of shipped models always, as they would never be found."""
    for one in packed:
        if (MODELS / one.file).is_file():
            raise UnusableWeights(f"model must not be called like a shipped one, got '{Path(one.file).stem}'")
        there = folder / one.file
        if there.is_symlink() or (there.exists() and not overwrite and _digest(there.read_bytes()) != one.sha256):
            raise FileExistsError(f"output must not exist yet, got '{there}': remove it or pass --overwrite")


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, one: Packed, folder: Path, parcel: Path) -> Path:
    """A model in a folder of its own, with the digest that the manifest gives, and whole."""
    archive.extract(member, folder, set_attrs=False, filter="data")
    file = folder / one.file
    got = _digest(file.read_bytes())
    if got != one.sha256:
        raise UnusableWeights(f"{parcel} must hold {one.file} with SHA-256 {one.sha256[:64]}, got {got}")
    try:
        verify_file(file)
    except UnusableWeights as error:
        raise UnusableWeights(str(error).replace(str(file), f"{one.file} in {parcel}")) from error
    return file


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
