"""What a block function is, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from savem3.tiles import Tile


@runtime_checkable
class Table(Protocol):
    """Arrays by name, in memory or lazy; ``table[name][a:b]`` is a numpy array."""

    def __getitem__(self, name: str, /) -> Any:
        """An array, or what gives one when it is sliced."""
        ...


@runtime_checkable
class Tables(Protocol):
    """One table a tile, in the order of the tiles; read when asked for."""

    def __len__(self) -> int:
        """Number of tiles."""
        ...

    def __getitem__(self, index: int, /) -> Table:
        """The table of a tile."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """All tables."""
        ...


@dataclass(frozen=True, slots=True)
class Product:
    """What became of one tile.

    Parameters
    ----------
    volumes
        Voxels of the tile's write box, by the name of the volume that they belong to.
    tables
        All else, as arrays by name; it becomes one table.
    """

    volumes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    tables: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@runtime_checkable
class BlockFunction(Protocol):
    """A pure function of a tile: the same bytes in every process, for as often as it is called.

    It is a frozen dataclass that can travel to another process: what it reads are lazy volumes and tables, and it
    writes nothing.
    """

    def __call__(self, tile: Tile, /) -> Product:
        """What becomes of a tile."""
        ...
