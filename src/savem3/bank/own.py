"""A user's own annotated volumes: a card in their folder, ``card.toml``, read strictly.

name = "my_cortex"
superset = "my_cortex"          # the tissue; one of the bank's if it was cut from there
imaging = "SBEM"
species = "Mus musculus"
voxel_size_nm = [30, 8, 8]      # z, y, x
licence = "mine"
permissive = false

[[blocks]]
name = "a"
image = "raw.zarr"              # places as `savem3.bank.layout.Layout` has them, relative to this file
labels = "labels.h5:labels"
splits = { train = [0, 49] }    # first and last section, both included
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from savem3.bank.card import ALL, Block, Card
from savem3.bank.layout import Layout, missing_in, shape_of
from savem3.bank.leakage import known_superset, normalised
from savem3.bank.table import DATASETS

FILE = "card.toml"
LARGEST = 2**20
"""Bytes of the longest card."""

TEXTS = ("name", "superset", "imaging", "species", "licence")
OPTIONAL = ("citation", "source", "notes")
KEYS = (*TEXTS, *OPTIONAL, "voxel_size_nm", "permissive", "linked", "myelin", "blocks")
PLACES = ("image", "labels", "membranes", "mask")
BLOCK_KEYS = ("name", *PLACES, "padding", "mapping", "splits")


def cards_in(folder: Path) -> dict[str, Card]:
    """All cards by name: those of the table, and a user's own in a folder and the folders right below it.

    Raises
    ------
    ValueError
        If an own card cannot be meant, or has a name that is taken.
    """
    found = dict(DATASETS)
    for file in (Path(folder) / FILE, *sorted(Path(folder).glob(f"*/{FILE}"))):
        if file.is_file():
            card = read_own(file, within=Path(folder))
            taken = next((name for name in found if normalised(name) == normalised(card.name)), None)
            if taken is not None:
                raise ValueError(f"name in {file} must be unlike those of other cards, got '{card.name}'")
            found[card.name] = card
    return found


def read_own(file: Path, *, within: Path | None = None) -> Card:
    """Read a user's own card; the volumes that it names must be there.

    Parameters
    ----------
    file
        ``card.toml``.
    within
        The folder that the card's places will be looked for in; that of the file if not given.

    Raises
    ------
    ValueError
        If a key is unknown, missing or of another kind, or a superset looks like a slip of a known one.
    FileNotFoundError
        If a volume is not there.
    """
    told = _parse(file)
    _refuse_unknown(told, KEYS, place=str(file))
    texts = {key: _text(told, key, place=str(file)) for key in TEXTS}
    if ":" in texts["name"] or "/" in texts["name"] or normalised(texts["name"]) == "synthetic":
        raise ValueError(f"name in {file} must have no ':' or '/' and not be synthetic, got '{texts['name']}'")
    try:
        superset = known_superset(texts["superset"], DATASETS.values())
    except ValueError as error:
        raise ValueError(f"{error} (in {file})") from error
    blocks = told.get("blocks")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise ValueError(f"{file} must hold at least one table [[blocks]], got {_shown(blocks)}")
    folder = within or file.parent
    below = "" if file.parent == folder else f"{file.parent.name}/"
    return Card(
        name=texts["name"],
        dataset=texts["name"],
        superset=superset,
        imaging=texts["imaging"],
        species=texts["species"],
        licence=texts["licence"],
        voxel_size=_three(told, "voxel_size_nm", float, place=str(file)),
        permissive=_flag(told, "permissive", place=str(file)),
        linked=_flag(told, "linked", place=str(file)) if "linked" in told else True,
        citation=_text(told, "citation", place=str(file)) if "citation" in told else "the user's own",
        source=_text(told, "source", place=str(file)) if "source" in told else str(file),
        notes=_text(told, "notes", place=str(file)) if "notes" in told else "",
        myelin=_numbers(told, "myelin", place=str(file)),
        blocks=tuple(_block(block, folder, below, place=f"[[blocks]] of {file}") for block in blocks),
    )


def _parse(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{file} must have at most {LARGEST} bytes, got {file.stat().st_size}")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} must be valid TOML in UTF-8, got: {' '.join(str(error).split())[:200]}") from error


def _block(told: Mapping[str, Any], folder: Path, below: str, *, place: str) -> Block:
    """A block whose shape is that of its labels, or of its image where it has none."""
    _refuse_unknown(told, BLOCK_KEYS, place=place)
    name = _text(told, "name", place=place)
    places = {key: f"{below}{_within(told, key, place=place)}" for key in PLACES if key in told}
    if "image" not in places:
        raise ValueError(f"{place} must say where the image of '{name}' is, got no 'image'")
    padding = _three(told, "padding", int, place=place) if "padding" in told else (0, 0, 0)
    mapping = _text(told, "mapping", place=place) if "mapping" in told else None
    layout = Layout(**places, padding=padding, mapping=mapping)
    if missing := missing_in(folder, layout):
        raise FileNotFoundError(f"{place} must name volumes that are there, got none at {folder / missing[0]}")
    depth, height, width = shape_of(folder, layout.labels or layout.image)
    return Block(name, (depth, height, width), (layout,), _splits(told, place=place))


def _splits(told: Mapping[str, Any], *, place: str) -> dict[str, range]:
    """Each split's sections; the file has the first and the last."""
    splits = told.get("splits", {})
    if not isinstance(splits, dict) or ALL in splits:
        raise ValueError(f"splits in {place} must be a table without '{ALL}', got {_shown(splits)}")
    found = {}
    for split, ends in splits.items():
        whole = isinstance(ends, list) and len(ends) == 2 and all(type(end) is int for end in ends)
        if not whole or not 0 <= ends[0] <= ends[1]:
            raise ValueError(f"'{split}' of splits in {place} must be [first, last] section, got {_shown(ends)}")
        found[split] = range(ends[0], ends[1] + 1)
    return found


def _refuse_unknown(told: Mapping[str, Any], known: tuple[str, ...], *, place: str) -> None:
    for key in told:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            cure = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"{place} must hold what a card says, got '{key[:60]}'; {cure}")


def _text(told: Mapping[str, Any], key: str, *, place: str) -> str:
    value = told.get(key)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"'{key}' in {place} must be text, got {_shown(value)}")
    return value.strip()


def _within(told: Mapping[str, Any], key: str, *, place: str) -> str:
    """A place below the card's folder."""
    value = _text(told, key, place=place)
    if "*" in value or ".." in Path(value).parts or Path(value).is_absolute():
        raise ValueError(f"'{key}' in {place} must lie in the card's folder, without '..' or '*', got '{value}'")
    return value


def _flag(told: Mapping[str, Any], key: str, *, place: str) -> bool:
    value = told.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"'{key}' in {place} must be true or false, got {_shown(value)}")
    return value


def _three(told: Mapping[str, Any], key: str, kind: type, *, place: str) -> tuple[Any, Any, Any]:
    """Three numbers along z, y, x: lengths above 0, or whole numbers from 0 on."""
    value, length = told.get(key), kind is float
    numbers = value if isinstance(value, list) and len(value) == 3 else []
    fits = [type(n) in (int, kind) and isfinite(n) and (n > 0 if length else n >= 0) for n in numbers]
    if not numbers or not all(fits):
        wanted = "lengths above 0 in nm" if length else "whole numbers"
        raise ValueError(f"'{key}' in {place} must be three {wanted} (z, y, x), got {_shown(value)}")
    z, y, x = (kind(n) for n in numbers)
    return z, y, x


def _numbers(told: Mapping[str, Any], key: str, *, place: str) -> tuple[int, ...]:
    value = told.get(key, [])
    if not isinstance(value, list) or not all(type(n) is int and n > 0 for n in value):
        raise ValueError(f"'{key}' in {place} must be a list of instances, got {_shown(value)}")
    return tuple(value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
