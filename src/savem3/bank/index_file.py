"""An index of instances as a file, so that it need not be made twice: plain columns, nothing that could be run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from savem3.bank.instances import INSTANCE, InstanceIndex
from savem3.store.durable import write_durably

KIND = "savem3 index of instances, 1"
"""What such a file says that it is."""


def write_index(path: Path, index: InstanceIndex, *, made_from: str) -> None:
    """Write an index, whole or not at all.

    Parameters
    ----------
    path
        The file, by custom NAME.safetensors.
    index
        What to keep, 38 bytes an instance.
    made_from
        Digest of all that the index follows from: labels, rules, names.

    Raises
    ------
    OSError
        If the disk is full or the folder may not be written.
    """
    from safetensors.numpy import save

    columns = {name: np.ascontiguousarray(index.instances[name]) for name in INSTANCE.names or ()}
    names = {"names": index.names, "datasets": index.datasets, "imagings": index.imagings}
    write_durably(path, save(columns, {"kind": KIND, "made_from": made_from, "volumes": json.dumps(names)}))


def read_index(path: Path, *, made_from: str) -> InstanceIndex:
    """Read an index back.

    Parameters
    ----------
    path
        The file.
    made_from
        What it must have been made from.

    Raises
    ------
    ValueError
        If it is no index, is damaged, or was made from something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            told = file.metadata() or {}
            _refuse_other(path, told, made_from)
            columns = {name: file.get_tensor(name) for name in INSTANCE.names or ()}
        return _index_of(columns, json.loads(told["volumes"]))
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} must be a whole index of instances, got {error}; delete it to have it made"
        ) from error


def _refuse_other(path: Path, told: dict[str, str], made_from: str) -> None:
    if told.get("kind") != KIND:
        raise ValueError(f"{path} must be '{KIND}', got {told.get('kind', 'another file')!r}")
    if told.get("made_from") != made_from:
        raise ValueError(f"{path} must be made from these volumes and rules, got another's; delete it to have it made")


def _index_of(columns: dict[str, np.ndarray], volumes: dict[str, list[str]]) -> InstanceIndex:
    """The rows again, each column of the type that it had."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or any(column.dtype != INSTANCE[name] for name, column in columns.items()):
        raise TypeError("columns of other lengths or types")
    rows = np.zeros(lengths.pop(), INSTANCE)
    for name, column in columns.items():
        rows[name] = column
    names, datasets, imagings = (tuple(volumes[what]) for what in ("names", "datasets", "imagings"))
    if not len(names) == len(datasets) == len(imagings) or (len(rows) and rows["volume"].max() >= len(names)):
        raise TypeError("volumes that do not fit the rows")
    return InstanceIndex(names, datasets, imagings, rows)
