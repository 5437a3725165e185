"""Datasets of a few thousand voxels, written in the layout of the real ones: one writer a format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import tensorstore
import tifffile

from savem3.bank import Block, Card, Layout

DEPTH, ROWS, COLUMNS = 20, 14, 22
"""About how many sections a block has, and its pixels."""
AROUND = (2, 3, 5)
"""Voxels of context along z, y, x where a layout has any."""


def small(card: Card, *, layout: int = 0, blocks: int = 2) -> Card:
    """A card whose blocks have few voxels, in one of their layouts."""
    return replace(card, blocks=tuple(_small(block, layout) for block in card.blocks[:blocks]))


def _small(block: Block, number: int) -> Block:
    layout = block.layouts[number]
    padding = AROUND if any(layout.padding) else (0, 0, 0)
    fewer = max(1, block.shape[0] // DEPTH)
    splits = {split: range(z.start // fewer, max(1, z.stop // fewer)) for split, z in block.splits.items()}
    shape = (block.shape[0] // fewer, ROWS, COLUMNS)
    return replace(block, shape=shape, splits=splits, layouts=(replace(layout, padding=padding),))


def grey_of(shape: tuple[int, ...], start: tuple[int, ...] = (0, 0, 0)) -> np.ndarray:
    """Grey values that tell a voxel's place: no shift leaves them as they are."""
    z, y, x = (np.arange(n) - a for n, a in zip(shape, start, strict=True))
    return ((z[:, None, None] + 37 * y[None, :, None] + 101 * x[None, None, :]) % 251).astype(np.uint8)


def labels_of(grey: np.ndarray) -> np.ndarray:
    """Instances that follow from the grey values at the same voxels."""
    return (1 + (grey >= 126)).astype(np.uint64)


def write(card: Card, folder: Path, *, voxel_size: tuple[float, ...] | None = None, turn: bool = False) -> None:
    """All blocks of a card; with another voxel size in the files, or y and x exchanged."""
    for block in card.blocks:
        (layout,) = block.layouts
        _write_block(block, layout, folder, voxel_size=voxel_size or card.voxel_size, turn=turn)


def _write_block(block: Block, layout: Layout, folder: Path, *, voxel_size: tuple[float, ...], turn: bool) -> None:
    context = AROUND if ".zarr" in layout.image or "padded" in layout.image else layout.padding
    wide = tuple(n + 2 * p for n, p in zip(block.shape, context, strict=True))
    stored = {"image": grey_of(wide, context)}
    labels = labels_of(grey_of(block.shape))
    if layout.labels:
        stored["labels"] = (labels + (10 if layout.mapping else 0)).astype(np.uint32)
    if layout.membranes:
        membranes = np.zeros(block.shape, np.uint8)
        membranes[:, :, 8:12] = 1
        stored["membranes"] = membranes
    for what, place in layout.places.items():
        begins = context if what != "image" and not any(layout.padding) else (0, 0, 0)
        offset = [a * s for a, s in zip(begins, voxel_size, strict=True)]
        voxels = stored[what].swapaxes(1, 2) if turn else stored[what]
        path = folder / place.partition(":")[0].replace("**/", "inner/").replace("*", "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        _writer_of(place)(path, place.partition(":")[2], voxels, voxel_size, offset)
    if layout.mapping:
        with h5py.File(folder / layout.labels.partition(":")[0], "r+") as file:
            file[layout.mapping] = np.array([[11, 1], [12, 2]], np.uint64)


def _writer_of(place: str):
    if ".h" in place:
        return write_hdf5
    return write_zarr if ".zarr" in place else write_tiff if place.endswith(".tif") else write_knossos


def write_hdf5(path, name, voxels, voxel_size, offset):
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset(name, data=voxels)
        dataset.attrs["resolution"] = voxel_size
        if any(offset):
            dataset.attrs["offset"] = offset


def write_tiff(path, name, voxels, voxel_size, offset):
    tifffile.imwrite(path, voxels.astype(np.uint16) if voxels.dtype != np.uint8 else voxels)


def write_zarr(path, name, voxels, voxel_size, offset):
    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(path)}}
    array = tensorstore.open(spec, create=True, dtype=voxels.dtype, shape=voxels.shape).result()
    array.write(voxels).result()
    (path / ".zattrs").write_text(json.dumps({"resolution": list(voxel_size), "offset": list(offset)}))


def write_n5(path, name, voxels, voxel_size, offset):
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(path)}}
    array = tensorstore.open(spec, create=True, dtype=voxels.dtype, shape=voxels.shape[::-1]).result()
    array.write(voxels.T).result()
    attributes = json.loads((path / "attributes.json").read_text())
    (path / "attributes.json").write_text(json.dumps(attributes | {"resolution": list(voxel_size[::-1])}))


def write_precomputed(path, name, voxels, voxel_size, offset):
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(path)},
        "multiscale_metadata": {
            "data_type": str(voxels.dtype),
            "num_channels": 1,
            "type": "image" if voxels.dtype == np.uint8 else "segmentation",
        },
        "scale_metadata": {
            "size": list(voxels.shape[::-1]),
            "resolution": list(voxel_size[::-1]),
            "encoding": "raw",
            "chunk_size": [64, 64, 64],
        },
    }
    tensorstore.open(spec, create=True).result().write(voxels.T[..., None]).result()


def write_knossos(path, name, voxels, voxel_size, offset):
    """One magnification of as few cubes of 128³ as hold the volume."""
    edges = [-(-n // 128) for n in voxels.shape]
    cubes = np.zeros([128 * n for n in edges], np.uint8)
    cubes[tuple(slice(n) for n in voxels.shape)] = voxels
    for z, y, x in np.ndindex(*edges):
        places = [f"x{x:04d}", f"y{y:04d}", f"z{z:04d}"]
        folder = path.joinpath("mag1", *places)
        folder.mkdir(parents=True)
        part = cubes[128 * z : 128 * (z + 1), 128 * y : 128 * (y + 1), 128 * x : 128 * (x + 1)]
        part.tofile(folder / f"tiny_mag1_{'_'.join(places)}.raw")
    lines = ['experiment name "tiny";']
    for axis, n, edge in zip("zyx", voxels.shape, voxel_size, strict=True):
        lines += [f"boundary {axis} {n};", f"scale {axis} {float(edge)};"]
    (path / "knossos.conf").write_text("\n".join(lines))
