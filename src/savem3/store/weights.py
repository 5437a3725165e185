"""Network weights: safetensors with a header that says what they are, and a digest of every value.

safetensors does not notice a flipped bit among the values, so the header carries a SHA-256 that is checked at load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savem3.store.durable import write_durably

FORMAT = "savem3-weights-1"

Tensors = Mapping[str, NDArray[np.generic]]


class UnusableWeights(ValueError):
    """A weights file that is damaged, of another format or of another architecture."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's values and what is known about them.

    Parameters
    ----------
    architecture
        What the values fit into, such as ``fast`` or ``saem2-tiny``.
    tensors
        Values by name.
    card
        What trained it, on which splits, under which licence, with which scores; plain JSON values.
    sha256
        Digest of the values; computed when absent.
    """

    architecture: str
    tensors: Tensors
    card: dict[str, object] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__setattr__(self, "sha256", digest(self.tensors))


def digest(tensors: Tensors) -> str:
    """SHA-256 over names, types, shapes and values, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        total.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def write_weights(weights: Weights, path: Path) -> None:
    """Write a weights file; a reader never sees a half-written one."""
    from safetensors.numpy import save

    header = {
        "format": FORMAT,
        "architecture": weights.architecture,
        "card": json.dumps(weights.card, sort_keys=True),
        "sha256": weights.sha256,
    }
    write_durably(path, save({k: np.ascontiguousarray(v) for k, v in weights.tensors.items()}, metadata=header))


def read_weights(path: Path) -> Weights:
    """Read a weights file and check its digest.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnusableWeights
        If it is not a savem3 weights file, or a value changed since it was written.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"{path} must be a weights file (.safetensors), got no file of that name")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise UnusableWeights(f"{path} must be a safetensors file, got one that cannot be read ({error})") from error
    if header.get("format") != FORMAT:
        raise UnusableWeights(f"{path} must have format {FORMAT}, got {header.get('format')}")
    if digest(tensors) != header.get("sha256"):
        raise UnusableWeights(f"{path} must match its SHA-256 {header.get('sha256')}, got other values; fetch it again")
    return Weights(header["architecture"], tensors, json.loads(header["card"]), header["sha256"])


def architecture_of(path: Path) -> str | None:
    """What the values of a file fit into, from its header alone; None if it is no savem3 weights file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return header.get("architecture") if header.get("format") == FORMAT else None


def check_names(weights: Weights, *, expected: set[str], architecture: str) -> None:
    """Refuse weights that do not fit a network.

    Raises
    ------
    UnusableWeights
        Naming the architecture, or at most five missing and five unexpected values.
    """
    if weights.architecture != architecture:
        raise UnusableWeights(f"weights must be for {architecture}, got {weights.architecture}")
    missing, unexpected = sorted(expected - set(weights.tensors)), sorted(set(weights.tensors) - expected)
    if missing or unexpected:
        raise UnusableWeights(
            f"weights must hold the values of {architecture}, got missing {missing[:5]} and unexpected {unexpected[:5]}"
        )
