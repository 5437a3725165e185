"""Tables: arrays by name in one safetensors file, written whole and read in slices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.store.durable import write_durably


@dataclass(frozen=True, slots=True)
class Column:
    """One array of a table file, read when it is indexed by a slice of its first axis or by an ellipsis."""

    path: Path
    name: str

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        """The rows of a slice."""
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            rows = file.get_slice(self.name)
            is_empty = 0 in rows.get_shape()  # of which safetensors gives no slice
            source = file.get_tensor(self.name) if index is Ellipsis or is_empty else rows
            values: NDArray[Any] = source[index]
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows."""
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            return int(file.get_slice(self.name).get_shape()[0])


@dataclass(frozen=True, slots=True)
class TableFile:
    """The arrays of one file; holds nothing open, so it may travel to another process."""

    path: Path

    def __getitem__(self, name: str, /) -> Column:
        if name not in set(self):
            raise KeyError(name)
        return Column(self.path, name)

    def __iter__(self) -> Iterator[str]:
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            return iter(sorted(file.keys()))

    def load(self) -> dict[str, NDArray[Any]]:
        """All arrays in memory."""
        from safetensors.numpy import load_file

        return load_file(self.path)


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The tables of all blocks of a stage, ``0.safetensors`` to ``n − 1.safetensors``, each read when asked for."""

    folder: Path
    number: int

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int, /) -> dict[str, NDArray[Any]]:
        """The table of a block, in memory."""
        if not 0 <= index < self.number:
            raise IndexError(f"index must lie within the {self.number} tables, got {index}")
        return TableFile(self.file_of(index)).load()

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        """The tables of all blocks, one after the other."""
        return map(self.__getitem__, range(self.number))

    def file_of(self, index: int) -> Path:
        """Where the table of a block lies."""
        return self.folder / f"{index}.safetensors"


def write_table(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write a table whole or not at all; its file's SHA-256."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(values) for name, values in sorted(arrays.items())})
    write_durably(path, content)
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
