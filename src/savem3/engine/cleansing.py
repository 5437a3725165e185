"""Cleansing: operations one after the other on each section, and a record by which all can be done again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from savem3.blocks import Product
from savem3.engine.operations import operation_of, told
from savem3.engine.section import Operation, Section
from savem3.grid import Box, Grid
from savem3.tiles import Tile
from savem3.volume import Image, Labels, VoxelArray

Record = dict[str, Any]
WHAT = ("grey", "labels", "weight")


@dataclass(frozen=True, slots=True)
class Cleansed:
    """What a volume became.

    Parameters
    ----------
    image, labels
        Afterwards, on one grid.
    weight
        0 where nothing is to be learned, else 1.
    records
        One an operation: its name and parameters, digests of what it was given and what it left, and how many pixels of
        what it changed.
    """

    image: Image
    labels: Labels
    weight: UInt8[np.ndarray, "z y x"]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class CleanseSections:
    """The block function of cleansing. A block is one whole section of the result.

    Parameters
    ----------
    image, labels
        On one grid; may be lazy.
    weight
        Of the same shape, not 0 where something is to be learned; everywhere if absent.
    operations
        In their order.

    Raises
    ------
    ValueError
        If the shapes differ, or an operation cannot be done here.
    """

    image: Image
    labels: Labels
    weight: VoxelArray | None
    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        shape = self.image.grid.shape
        for name, volume in (("labels", self.labels.voxels), ("mask", self.weight)):
            if volume is not None and tuple(volume.shape) != shape:
                raise ValueError(f"{name} must have the image's shape {shape}, got {tuple(volume.shape)}")
        assert self.grids

    @property
    def grids(self) -> list[Grid]:
        """Before the first operation, and after each."""
        grids = [self.image.grid]
        for operation in self.operations:
            grids.append(operation.grid_of(grids[-1]))
        return grids

    def __call__(self, tile: Tile) -> Product:
        """Volumes ``raw``, ``labels`` and ``mask``; tables of digests (one more than operations) and of changes."""
        section = self._read(tile.write.start[0])
        digests, changes = [section.digest()], []
        for operation, grid in zip(self.operations, self.grids, strict=False):
            after = operation.apply(section, grid)
            changes.append(section.changes_to(after))
            digests.append(after.digest())
            section = after
        volumes: dict[str, NDArray[Any]] = {
            "raw": section.grey[None],
            "labels": section.labels[None],
            "mask": section.weight[None],
        }
        digest = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
        tables: dict[str, NDArray[Any]] = {"digests": digest, "changes": np.array(changes, np.int64).reshape(-1, 3)}
        return Product({name: np.ascontiguousarray(voxels) for name, voxels in volumes.items()}, tables)

    def _read(self, z: int) -> Section:
        _, height, width = self.image.grid.shape
        box = Box((z, 0, 0), (z + 1, height, width))
        weight = np.ones((height, width), np.uint8)
        if self.weight is not None:
            weight = (np.asarray(self.weight[box.slices])[0] != 0).astype(np.uint8)
        return Section(z, self.image.read(box)[0], self.labels.read(box)[0], weight)


def cleanse(
    image: Image, labels: Labels, weight: UInt8[np.ndarray, "z y x"] | None, operations: Sequence[Operation]
) -> Cleansed:
    """Do operations one after the other; nothing is changed in place.

    Parameters
    ----------
    image, labels
        On one grid.
    weight
        Not 0 where something is to be learned; everywhere if absent.
    operations
        In their order.

    Raises
    ------
    ValueError
        If the shapes differ, or an operation cannot be done here.
    """
    function = CleanseSections(image, labels, weight, tuple(operations))
    grid = function.grids[-1]
    _, height, width = grid.shape
    boxes = (Box((z, 0, 0), (z + 1, height, width)) for z in range(grid.shape[0]))
    products = [function(Tile(box, box)) for box in boxes]
    raw, drawn, mask = (np.concatenate([p.volumes[name] for p in products]) for name in ("raw", "labels", "mask"))
    records = records_of(function.operations, [p.tables for p in products])
    return Cleansed(Image(raw, grid), Labels(drawn, grid), mask, records)


def replay(
    records: Iterable[Mapping[str, Any]], image: Image, labels: Labels, weight: UInt8[np.ndarray, "z y x"] | None
) -> Cleansed:
    """Do again what records say; on the same input that gives the same bytes.

    Raises
    ------
    ValueError
        If the input is the same and the result is not, or as `cleanse` does.
    """
    before = list(records)
    done = cleanse(image, labels, weight, [operation_of(record) for record in before])
    refuse_other(before, done.records)
    return done


def refuse_other(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> bool:
    """Whether operations were given the same volume as when they were recorded; other results on it are refused.

    Raises
    ------
    ValueError
        If an operation left something else than its record says.
    """
    if not before or before[0].get("before") != now[0]["before"]:
        return False
    for old, new in zip(before, now, strict=True):
        if old.get("after") != new["after"]:
            raise ValueError(f"{new['operation']} must leave what its record says, got other bytes from the same input")
    return True


def records_of(operations: Sequence[Operation], tables: Iterable[Mapping[str, Any]]) -> tuple[Record, ...]:
    """What is kept of operations, from the tables of all sections in their order."""
    totals = [hashlib.sha256() for _ in range(len(operations) + 1)]
    changed: Int64[np.ndarray, "operation what"] = np.zeros((len(operations), len(WHAT)), np.int64)
    for table in tables:
        for total, digest in zip(totals, table["digests"], strict=True):
            total.update(digest.tobytes())
        changed += table["changes"]
    digests = [total.hexdigest() for total in totals]
    return tuple(
        {
            **told(operation),
            "before": digests[i],
            "after": digests[i + 1],
            "changed": {name: int(n) for name, n in zip(WHAT, changed[i], strict=True)},
        }
        for i, operation in enumerate(operations)
    )
