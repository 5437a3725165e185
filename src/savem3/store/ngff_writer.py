"""OME-NGFF 0.5: a volume as a Zarr 3 group with a pyramid, checksummed, written block by block."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Grid, Shape
from savem3.store.levels import factors
from savem3.store.ngff import group_attributes
from savem3.store.progress import Progress
from savem3.store.voxel_file import array_metadata
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, Labels

if TYPE_CHECKING:
    import tensorstore

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


def write(volume: Image | Labels | BoundaryMap, target: Path, *, inside: str | None, progress: Progress | None) -> None:
    """Write a pyramid; ``inside`` names a group within the target."""
    folder = target / (inside or "")
    folder.mkdir(parents=True)
    levels = _levels(volume, folder)
    is_labels = isinstance(volume, Labels)
    grids, method = [level.grid for level in levels], "mode" if is_labels else "mean"
    attributes = group_attributes(grids, name=folder.name, method=method, is_labels=is_labels)
    _write_groups(target, folder, attributes)
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


def _levels(volume: Image | Labels | BoundaryMap, folder: Path) -> list[PyramidLevel]:
    """All levels, finest first, empty; each takes its voxels from the one before."""
    from savem3.store.pyramid import join_grey, join_labels

    join = join_labels if isinstance(volume, Labels) else join_grey
    store = _created(folder / "0", volume.grid, volume.dtype)
    levels = [PyramidLevel(volume.grid, store, volume.read, (1, 1, 1))]
    for i, factor in enumerate(factors(volume.grid), start=1):
        grid = levels[-1].grid.coarsen(factor)
        source = partial(_join, levels[-1].store, partial(join, factor=factor), factor)
        levels.append(PyramidLevel(grid, _created(folder / str(i), grid, volume.dtype), source, factor))
    return levels


def _join(
    finer: tensorstore.TensorStore, join: Callable[[NDArray[Any]], NDArray[Any]], factor: Shape, box: Box
) -> NDArray[Any]:
    """The voxels of a box of a level, made from the finer one."""
    spans = zip(box.start, box.stop, factor, finer.shape, strict=True)
    region = tuple(slice(a * f, min(b * f, n)) for a, b, f, n in spans)
    return join(np.asarray(finer[region].read().result()))


def _created(folder: Path, grid: Grid, dtype: type[np.generic]) -> tensorstore.TensorStore:
    """An empty array whose chunks carry a checksum and are stored even where they hold only zeros."""
    import tensorstore

    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{folder.absolute()}/"},
        "store_data_equal_to_fill_value": True,
        "metadata": array_metadata(grid.shape, np.dtype(dtype).name, chunk=chunk_of(grid)),
    }
    return tensorstore.open(spec, create=True).result()


def _write_groups(target: Path, folder: Path, attributes: dict[str, Any]) -> None:
    """Metadata of the pyramid's group and of the plain groups around it."""
    above = [parent for parent in folder.parents if parent.is_relative_to(target)]
    for group in (folder, *above):
        content = {"zarr_format": 3, "node_type": "group", "attributes": attributes if group == folder else {}}
        (group / "zarr.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
