"""Neuroglancer precomputed volumes with all their levels, written block by block, and what belongs to their segments.

Source: Neuroglancer's description of the format. Axes are x, y, z; lengths nm; offsets whole voxels of each scale. Our
choice: coarser voxels are aligned with the format's coordinates and not with the volume's first voxel, so that each
offset is whole; where a coarse voxel begins before the volume, the volume's first voxels are counted for it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savem3.blocks import Progress
from savem3.grid import Box, Grid, Nanometres, Shape
from savem3.store.levels import factors
from savem3.store.pyramid import join_grey, join_labels
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, Labels

if TYPE_CHECKING:
    import tensorstore

CHUNK = 64
"""Voxels of a chunk along each axis."""

WHOLE_WITHIN = 1e-6
"""So many voxels an origin may lie off a whole one."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One level: ``offset`` and ``shape`` in its own voxels along z, y, x."""

    offset: Shape
    shape: Shape
    voxel_size: Nanometres

    def coarsen(self, factor: Shape) -> Scale:
        """The level of whole coarse voxels that cover this one."""
        start = [o // f for o, f in zip(self.offset, factor, strict=True)]
        stop = [-(-(o + n) // f) for o, n, f in zip(self.offset, self.shape, factor, strict=True)]
        z, y, x = (b - a for a, b in zip(start, stop, strict=True))
        sz, sy, sx = (s * f for s, f in zip(self.voxel_size, factor, strict=True))
        return Scale((start[0], start[1], start[2]), (z, y, x), (sz, sy, sx))


def write_precomputed(
    volume: Image | Labels | BoundaryMap,
    folder: Path,
    *,
    block: Shape = (128, 128, 128),
    progress: Progress | None = None,
) -> None:
    """Write a volume: labels as compressed segmentation, coarser by the mode; grey values raw, coarser by the mean.

    Parameters
    ----------
    volume
        Lazy ones are read block by block.
    folder
        A new folder; see `savem3.store.completed`.
    block
        Voxels at once, rounded up to whole chunks; it changes no byte.
    progress
        Told of each finished block.

    Raises
    ------
    ValueError
        If the origin is no whole number of voxels, which the format cannot say.
    """
    scales = [Scale(whole_offset(volume.grid), volume.grid.shape, volume.grid.voxel_size)]
    steps = factors(volume.grid)
    for step in steps:
        scales.append(scales[-1].coarsen(step))
    stores = [_created(folder, scale, volume) for scale in scales]
    chunks = tuple(-(-b // CHUNK) * CHUNK for b in block)
    together = (chunks[0], chunks[1], chunks[2])
    boxes = [(i, tile.write) for i, scale in enumerate(scales) for tile in split(scale.shape, block=together)]
    for done, (i, box) in enumerate(boxes, start=1):
        voxels = volume.read(box) if i == 0 else _joined(stores[i - 1], scales[i - 1], scales[i], box, steps[i - 1])
        stores[i][tuple(reversed(box.slices))].write(voxels.T).result()
        if progress is not None:
            progress(done, len(boxes))


def whole_offset(grid: Grid) -> Shape:
    """The origin in voxels.

    Raises
    ------
    ValueError
        If it is not whole.
    """
    exact = [o / s for o, s in zip(grid.origin, grid.voxel_size, strict=True)]
    z, y, x = (round(e) for e in exact)
    if any(abs(e - n) > WHOLE_WITHIN for e, n in zip(exact, (z, y, x), strict=True)):
        raise ValueError(f"origin must be whole voxels for precomputed, got {grid.origin} nm with {grid.voxel_size}")
    return z, y, x


def link(folder: Path, **links: str) -> None:
    """Name what belongs to the segments, ``mesh``, ``skeletons`` or ``segment_properties``, in a volume's info."""
    info = json.loads((folder / "info").read_text(encoding="utf-8"))
    (folder / "info").write_text(json.dumps({**info, **links}, indent=1), encoding="utf-8")


def write_properties(
    ids: Sequence[int], numbers: Mapping[str, NDArray[Any]], folder: Path, *, described: Mapping[str, str]
) -> None:
    """Write numbers of segments, by their names, for Neuroglancer to list and to filter by.

    Parameters
    ----------
    ids
        The segments.
    numbers
        One of each segment, float32 in the file.
    folder
        A new folder.
    described
        What each name means.
    """
    folder.mkdir(parents=True)
    properties = [
        {
            "id": name,
            "type": "number",
            "data_type": "float32",
            "description": described[name],
            "values": [float(value) for value in values.astype(np.float32)],
        }
        for name, values in numbers.items()
    ]
    inline = {"ids": [str(i) for i in ids], "properties": properties}
    content = {"@type": "neuroglancer_segment_properties", "inline": inline}
    (folder / "info").write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _created(folder: Path, scale: Scale, volume: Image | Labels | BoundaryMap) -> tensorstore.TensorStore:
    """An empty level that begins at 0, 0, 0 when it is indexed."""
    import tensorstore

    is_labels = isinstance(volume, Labels)
    packed = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8]}
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder.absolute()}/"},
        "store_data_equal_to_fill_value": True,
        "multiscale_metadata": {
            "type": "segmentation" if is_labels else "image",
            "data_type": np.dtype(volume.dtype).name,
            "num_channels": 1,
        },
        "scale_metadata": {
            "size": scale.shape[::-1],
            "resolution": scale.voxel_size[::-1],
            "voxel_offset": scale.offset[::-1],
            "chunk_size": [CHUNK] * 3,
            **(packed if is_labels else {"encoding": "raw"}),
        },
    }
    store = tensorstore.open(spec, create=True, open=True).result()
    return store[tensorstore.d["channel"][0]][tensorstore.d[:].translate_to[0]]


def _joined(finer: tensorstore.TensorStore, fine: Scale, coarse: Scale, box: Box, factor: Shape) -> NDArray[Any]:
    """The voxels of a box of a level, made from the finer one."""
    spans, before = [], []
    for axis in range(3):
        first = (box.start[axis] + coarse.offset[axis]) * factor[axis] - fine.offset[axis]
        last = (box.stop[axis] + coarse.offset[axis]) * factor[axis] - fine.offset[axis]
        spans.append(slice(max(0, first), min(last, fine.shape[axis])))
        before.append((max(0, -first), 0))
    voxels = np.asarray(finer[tuple(reversed(spans))].read().result()).T
    if any(first for first, _ in before):
        voxels = np.pad(voxels, before, mode="edge")
    join = join_labels if voxels.dtype == np.uint64 else join_grey
    return join(voxels, factor=factor)
