"""What a weights file declares about itself, checked against its own bytes before anything is believed or allocated."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from savem3.store.weights import FORMAT, Tensors, UnusableWeights

LARGEST_FILE = 2**33
"""Bytes of the largest weights file that is read."""
LARGEST_HEADER = 2**22
"""Bytes of the longest header: hundreds of times those of the shipped models."""
LARGEST_CARD = 2**20
"""Characters of the longest card."""
DEEPEST_CARD = 32
"""How deeply a card's values may be nested."""
SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "I32": 4, "F32": 4, "I64": 8, "F64": 8}
"""Bytes of a value of each type that is read."""
MARKS = {b"PK\x03\x04": "a ZIP archive, as torch.save writes", b"\x80": "a pickle", b"\x1f\x8b": "a gzip archive"}
"""How files begin that are mistaken for weights."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file declares.

    Parameters
    ----------
    architecture
        What the values fit into.
    card
        What is known about them.
    sha256
        The digest that the values must have.
    types, shapes
        Of each value, by its name.
    """

    architecture: str
    card: dict[str, Any]
    sha256: str
    types: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]


def read_declared(path: Path) -> Declared:
    """Read the header of a savem3 weights file; no value is read.

    Raises
    ------
    UnusableWeights
        If the header is not whole, contradicts itself or the size of the file, or is not a savem3 one.
    """
    header, values_bytes = _read_header(path)
    told = header.pop("__metadata__", {})
    spans = [_span_of(path, name, entry) for name, entry in header.items()]
    _check_spans(path, spans, values_bytes)
    if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
        raise UnusableWeights(f"{path} must have metadata of texts alone, got others")
    if told.get("format") != FORMAT:
        raise UnusableWeights(f"{path} must have format {FORMAT}, got {str(told.get('format'))[:40]}")
    architecture, sha256 = told.get("architecture", ""), told.get("sha256", "")
    if not (architecture and len(architecture) <= 64 and architecture.isprintable()):
        raise UnusableWeights(f"{path} must name its architecture in at most 64 characters, got {architecture[:64]!r}")
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise UnusableWeights(f"{path} must state a SHA-256 of 64 hexadecimal digits, got {sha256[:64]!r}")
    types = {name: entry["dtype"] for name, entry in header.items()}
    shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    return Declared(architecture, _card_of(path, told.get("card", "{}")), sha256, types, shapes)


def check_finite(tensors: Tensors, *, name: str) -> None:
    """Refuse values that no network computes with.

    Raises
    ------
    UnusableWeights
        Naming the first tensor with NaN or infinity, and how many it has.
    """
    for key in sorted(tensors):
        values = tensors[key]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise UnusableWeights(f"{name} must hold finite values, got {bad} that are NaN or infinite in '{key}'")


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header as it is written, and the bytes of all values behind it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} must be a weights file (.safetensors), got no file of that name")
    size = path.stat().st_size
    if not 10 <= size <= LARGEST_FILE:
        raise UnusableWeights(f"{path} must be a safetensors file of 10 to {LARGEST_FILE} bytes, got {size}")
    with path.open("rb") as file:
        start = file.read(9)
        if start[8:] != b"{":
            kind = next((kind for mark, kind in MARKS.items() if start.startswith(mark)), "none")
            raise UnusableWeights(f"{path} must be a safetensors file (pickles are never read), got {kind}")
        (length,) = struct.unpack("<Q", start[:8])
        if length > min(LARGEST_HEADER, size - 8):
            most = min(LARGEST_HEADER, size - 8)
            raise UnusableWeights(f"{path} must have a header of at most {most} bytes, got one of {length}")
        content = start[8:] + file.read(length - 1)
    header = strict_json(content, name=f"header of {path}")
    return header, size - 8 - int(length)


def _span_of(path: Path, name: str, entry: Any) -> tuple[int, int]:
    """The bytes that a tensor takes, begin and end; as many as its shape and type say."""
    said = f"{path} must describe tensor '{name[:60]}' by"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise UnusableWeights(f"{said} dtype, shape and data_offsets, got {_short(entry)}")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in SIZES:
        raise UnusableWeights(f"{said} one of the types {', '.join(SIZES)}, got {_short(kind)}")
    if not _are_counts(shape) or len(shape) > 16:
        raise UnusableWeights(f"{said} a shape of at most 16 whole numbers, got {_short(shape)}")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise UnusableWeights(f"{said} two data_offsets in order, got {_short(offsets)}")
    wanted = prod(shape) * SIZES[kind]
    if offsets[1] - offsets[0] != wanted:
        raise UnusableWeights(f"{said} data_offsets that span its {wanted} bytes, got {offsets[1] - offsets[0]}")
    return offsets[0], offsets[1]


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**62 for n in numbers)


def _check_spans(path: Path, spans: list[tuple[int, int]], values_bytes: int) -> None:
    """Tensors lie one behind the other, without a gap or a byte that two of them share."""
    reached = 0
    for begin, end in sorted(spans):
        if begin != reached:
            kind = "that overlap" if begin < reached else "with a gap between them"
            raise UnusableWeights(f"{path} must hold its tensors one behind the other, got some {kind} at byte {begin}")
        reached = end
    if reached != values_bytes:
        raise UnusableWeights(f"{path} must hold {reached} bytes of values as its header says, got {values_bytes}")


def _card_of(path: Path, text: str) -> dict[str, Any]:
    if len(text) > LARGEST_CARD:
        raise UnusableWeights(f"{path} must have a card of at most {LARGEST_CARD} characters, got {len(text)}")
    return strict_json(text.encode(), name=f"card of {path}")


def strict_json(content: bytes, *, name: str) -> dict[str, Any]:
    """A JSON object in UTF-8 in which no key is written twice and no number is NaN or infinite.

    Raises
    ------
    UnusableWeights
        If it is none, or nested more deeply than `DEEPEST_CARD`.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise ValueError(f"'{twice[:60]}' twice")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"the number {constant}")

    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
    except RecursionError as error:
        raise UnusableWeights(f"{name} must be nested at most {DEEPEST_CARD} deep, got more") from error
    except UnicodeDecodeError as error:
        raise UnusableWeights(f"{name} must be UTF-8, got byte {error.object[error.start]} at {error.start}") from error
    except ValueError as error:
        raise UnusableWeights(f"{name} must be intact JSON, got {error}") from error
    if not isinstance(found, dict):
        raise UnusableWeights(f"{name} must be a JSON object, got {type(found).__name__}")
    if _depth(found) > DEEPEST_CARD:
        raise UnusableWeights(f"{name} must be nested at most {DEEPEST_CARD} deep, got more")
    return found


def _depth(value: Any) -> int:
    """How deeply objects and lists are nested; found level by level, so that no depth is too much."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST_CARD:
        level = [inner for item in level for inner in _inside(item)]
        depth += 1
    return depth


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
