"""OME-NGFF: a volume as a Zarr group with a pyramid, checksummed, written block by block.

Version 0.5 is Zarr 3, with CRC32C. Version 0.4 is Zarr 2; of the codecs that all its readers know, gzip has a checksum.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Grid, Shape
from savem3.store.levels import factors
from savem3.store.ngff import group_attributes
from savem3.store.progress import Progress
from savem3.store.voxel_file import COMPLETE, array_metadata
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, Labels

if TYPE_CHECKING:
    import tensorstore

Version = Literal["0.4", "0.5"]
"""Of OME-NGFF."""

CHUNK = 2**18
"""Voxels of a chunk, about; its edges are powers of two of about equal length in nm."""

CHUNK_EDGES = (8, 512)
"""Fewest and most voxels along an edge of a chunk."""

BYTES_AT_ONCE = 2**27
"""Bytes that are read together, in whole chunks of the output; more of them decode a section of a stack less often."""


@dataclass(frozen=True, slots=True)
class PyramidLevel:
    """One array that is being written.

    Parameters
    ----------
    grid
        Its geometry.
    store
        The array.
    source
        Gives the voxels of a box.
    factor
        How many voxels along z, y, x ``source`` reads for one.
    """

    grid: Grid
    store: tensorstore.TensorStore
    source: Callable[[Box], NDArray[Any]]
    factor: Shape


def write(
    volume: Image | Labels | BoundaryMap,
    target: Path,
    *,
    inside: str | None,
    progress: Progress | None,
    version: Version = "0.5",
) -> None:
    """Write a pyramid; ``inside`` names a group within the target."""
    folder = target / (inside or "")
    folder.mkdir(parents=True)
    levels = _levels(volume, folder, version)
    is_labels = isinstance(volume, Labels)
    grids, method = [level.grid for level in levels], "mode" if is_labels else "mean"
    attributes = group_attributes(grids, name=folder.name, method=method, is_labels=is_labels, version=version)
    _write_groups(target, folder, attributes, version)
    total = sum(len(_blocks(level)) for level in levels)
    for done, _ in enumerate(chain.from_iterable(map(_fill, levels)), start=1):
        if progress is not None:
            progress(done, total)


def chunk_of(grid: Grid) -> Shape:
    """The chunk of a level: about as long in nm along each axis, no larger than the level."""
    edge_nm = math.prod((CHUNK, *grid.voxel_size)) ** (1 / 3)
    fewest, most = CHUNK_EDGES
    z, y, x = (
        min(n, max(fewest, min(most, 2 ** round(math.log2(max(1.0, edge_nm / s))))))
        for s, n in zip(grid.voxel_size, grid.shape, strict=True)
    )
    return z, y, x


def _blocks(level: PyramidLevel) -> list[Box]:
    """Boxes of whole chunks that together cover a level."""
    z, y, x = chunk_of(level.grid)
    bytes_read = z * y * x * math.prod(level.factor) * level.store.dtype.numpy_dtype.itemsize
    together = max(1, math.isqrt(BYTES_AT_ONCE // bytes_read))
    return [tile.write for tile in split(level.grid.shape, block=(z, y * together, x * together))]


def _fill(level: PyramidLevel) -> Iterator[None]:
    """Write all blocks of a level, one at a step; a block is encoded while the next one is made."""
    pending: Any = None
    for box in _blocks(level):
        written = level.store[box.slices].write(level.source(box))
        if pending is not None:
            pending.result()
        pending = written
        yield
    pending.result()


def _levels(volume: Image | Labels | BoundaryMap, folder: Path, version: Version) -> list[PyramidLevel]:
    """All levels, finest first, empty; each takes its voxels from the one before."""
    from savem3.store.pyramid import join_grey, join_labels

    join = join_labels if isinstance(volume, Labels) else join_grey
    store = _created(folder / "0", volume.grid, volume.dtype, version)
    levels = [PyramidLevel(volume.grid, store, volume.read, (1, 1, 1))]
    for i, factor in enumerate(factors(volume.grid), start=1):
        grid = levels[-1].grid.coarsen(factor)
        source = partial(_join, levels[-1].store, partial(join, factor=factor), factor)
        levels.append(PyramidLevel(grid, _created(folder / str(i), grid, volume.dtype, version), source, factor))
    return levels


def _join(
    finer: tensorstore.TensorStore, join: Callable[[NDArray[Any]], NDArray[Any]], factor: Shape, box: Box
) -> NDArray[Any]:
    """The voxels of a box of a level, made from the finer one."""
    spans = zip(box.start, box.stop, factor, finer.shape, strict=True)
    region = tuple(slice(a * f, min(b * f, n)) for a, b, f, n in spans)
    return join(np.asarray(finer[region].read().result()))


def _created(folder: Path, grid: Grid, dtype: type[np.generic], version: Version) -> tensorstore.TensorStore:
    """An empty array whose chunks carry a checksum and are stored even where they hold only zeros."""
    import tensorstore

    metadata = (
        array_metadata(grid.shape, np.dtype(dtype).name, chunk=chunk_of(grid))
        if version == "0.5"
        else _array_metadata_2(grid, np.dtype(dtype))
    )
    spec = {
        "driver": "zarr3" if version == "0.5" else "zarr",
        "kvstore": {"driver": "file", "path": f"{folder.absolute()}/"},
        "store_data_equal_to_fill_value": True,
        "metadata": metadata,
    }
    store = tensorstore.open(spec, create=True).result()
    if version == "0.4":
        _write_json(folder / ".zattrs", {COMPLETE: True, "_ARRAY_DIMENSIONS": ["z", "y", "x"]})
    return store


def _array_metadata_2(grid: Grid, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Zarr 2 metadata of an array whose chunks carry gzip's checksum."""
    return {
        "shape": grid.shape,
        "chunks": chunk_of(grid),
        "dtype": dtype.newbyteorder("<").str,
        "compressor": {"id": "gzip", "level": 1},
        "fill_value": 0,
        "dimension_separator": "/",
    }


def _write_groups(target: Path, folder: Path, attributes: dict[str, Any], version: Version) -> None:
    """Metadata of the pyramid's group and of the plain groups around it."""
    above = [parent for parent in folder.parents if parent.is_relative_to(target)]
    for group in (folder, *above):
        own = attributes if group == folder else {}
        if version == "0.5":
            _write_json(group / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": own})
        else:
            _write_json(group / ".zgroup", {"zarr_format": 2})
            _write_json(group / ".zattrs", own)


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
