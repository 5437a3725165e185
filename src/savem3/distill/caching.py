"""Having a teacher look at a whole volume once: within a budget, resumable, and never mixed with another volume's."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from savem3.distill.cache import STRIDES, CachedLooks, Storage, Tiling, in_strides, pack
from savem3.distill.cells import turn_box, turn_shape
from savem3.grid import Box
from savem3.store import Progress
from savem3.store.durable import write_durably
from savem3.store.weights import UnusableWeights, Weights, read_weights, write_weights
from savem3.teacher import Look, Teacher
from savem3.volume import Image, IntensityMap

ARCHITECTURE = "cached looks"


def cache_looks(
    image: Image,
    teacher: Teacher,
    *,
    folder: Path,
    digest: str,
    intensity: IntensityMap,
    planes: Literal[1, 3],
    budget_bytes: int,
    storage: Storage = "uint8",
    tiling: Tiling = Tiling(),
    batch: int = 4,
    progress: Progress | None = None,
) -> CachedLooks:
    """Have a teacher look at every section once, and keep what it sees; blocks that are there already are checked only.

    Source: the paper looks at each crop. One owner a voxel on a global grid makes neighbouring tiles agree.

    Parameters
    ----------
    image
        May be lazy and of any size.
    teacher
        Looks at single sections.
    folder
        Where the maps go; it is made, and may hold an unfinished cache of the same image and teacher.
    digest
        Of the teacher's weights: what a later run must ask with to go on from this folder.
    intensity
        The intensity map of the whole image.
    planes
        1 for the sections along z, 3 also for those along y and x (isotropic volumes).
    budget_bytes
        The most that the maps may take on the disk.
    storage
        ``uint8`` keeps 255 steps of each channel's range in a block, ``float16`` takes twice the room.
    tiling, batch
        How sections are cut for the teacher, and how many tiles it sees at once.
    progress
        Called with the blocks done and all blocks.

    Raises
    ------
    ValueError
        If there is no room, the folder belongs to another image, teacher or setting, or maps are not finite.
    """
    sample = teacher.look_at(np.zeros((1, tiling.tile, tiling.tile), np.float32))
    kinds = tuple(k for k in STRIDES if getattr(sample, k) is not None)
    cached = CachedLooks(folder, image.grid.shape, planes, kinds, tiling)
    _make_room(cached, needed_bytes(cached, sample, storage=storage), budget_bytes=budget_bytes)
    asked = {"teacher": digest, "image": _digest_of(image), "intensity": asdict(intensity), "storage": storage}
    _claim(folder, {**asked, "shape": image.grid.shape, "planes": planes, "tiling": asdict(tiling), "kinds": kinds})
    todo = [(plane, index) for plane in range(planes) for index in range(len(cached.blocks(plane)))]
    for done, (plane, index) in enumerate(todo, 1):
        if not _is_whole(file := cached.file(index, plane=plane)):
            seen = _look_at_block(image, teacher, cached, index, plane=plane, intensity=intensity, batch=batch)
            write_weights(Weights(ARCHITECTURE, pack(seen, storage)), file)
        if progress is not None:
            progress(done, len(todo))
    return cached


def needed_bytes(cached: CachedLooks, sample: Look, *, storage: Storage) -> int:
    """What all maps of a volume take on the disk, headers left out; ``sample`` is any look of the teacher."""
    values = 0.0
    for kind in cached.kinds:
        maps = getattr(sample, kind)
        values += (1 if maps.ndim == 3 else maps.shape[1]) / STRIDES[kind] ** 2
    cells = sum(int(np.prod(cached.blocks(plane).shape)) for plane in range(cached.planes))
    return int(cells * values * np.dtype(storage).itemsize)


def _make_room(cached: CachedLooks, needed: int, *, budget_bytes: int) -> None:
    instead = "or let the teacher look at each crop, without a cache"
    if needed > budget_bytes:
        raise ValueError(f"budget_bytes must hold the maps' {needed} bytes, got {budget_bytes}; raise it, {instead}")
    cached.folder.mkdir(parents=True, exist_ok=True)
    there = sum(file.stat().st_size for file in cached.folder.glob("plane*/*.safetensors"))
    free = shutil.disk_usage(cached.folder).free
    if needed - there > free:
        raise ValueError(f"folder must have {needed - there} bytes free, got {free}; choose another disk, {instead}")


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Write down what the maps are of; refuse a folder that holds others."""
    file, now = folder / "cache.json", json.loads(json.dumps(asked))
    if file.is_file():
        was = json.loads(file.read_text())
        if changed := [name for name in now if was.get(name) != now[name]]:
            told = ", ".join(changed)
            raise ValueError(f"folder must hold maps of the same {told}, got others in '{folder}'; remove it")
        return
    write_durably(file, json.dumps(now, sort_keys=True, indent=1).encode())


def _digest_of(image: Image) -> str:
    total = hashlib.sha256()
    for z in range(image.grid.shape[0]):
        total.update(np.ascontiguousarray(image.voxels[z]).tobytes())
    return total.hexdigest()


def _is_whole(file: Path) -> bool:
    try:
        return read_weights(file).architecture == ARCHITECTURE
    except (FileNotFoundError, UnusableWeights):
        return False


def _look_at_block(
    image: Image,
    teacher: Teacher,
    cached: CachedLooks,
    index: int,
    *,
    plane: int,
    intensity: IntensityMap,
    batch: int,
) -> dict[str, NDArray[np.float32]]:
    """Every kind of map of one block's own voxels, (section, channel, row, column)."""
    shape = turn_shape(image.grid.shape, plane=plane)
    write = cached.blocks(plane)[index].write
    seen = cached.tiling.seen(write, within=shape)
    sections = intensity.to_unit(_read_reflected(image, seen, plane=plane))
    looks = [teacher.look_at(sections[z : z + batch]) for z in range(0, len(sections), batch)]
    own = write.relative_to(seen)
    return {kind: _own_part(looks, kind, own) for kind in cached.kinds}


def _own_part(looks: Sequence[Look], kind: str, own: Box) -> NDArray[np.float32]:
    maps = np.concatenate([getattr(look, kind) for look in looks])
    maps = maps[:, None] if maps.ndim == 3 else maps
    if not np.isfinite(maps).all():
        raise ValueError(f"teacher must give finite maps, got {kind} with NaN or infinity")
    _, rows, columns = in_strides(own, STRIDES[kind])
    return np.asarray(maps[:, :, rows, columns])


def _read_reflected(image: Image, box: Box, *, plane: int) -> NDArray[np.uint8]:
    """A plane's voxels in a box that may reach beyond the volume, which goes on as its reflection."""
    shape = turn_shape(image.grid.shape, plane=plane)
    inner = box.intersect(Box((0, 0, 0), shape))
    assert inner is not None
    missing = [(i - a, b - j) for a, b, i, j in zip(box.start, box.stop, inner.start, inner.stop, strict=True)]
    voxels = image.read(turn_box(inner, plane=plane)).swapaxes(0, plane)
    return np.pad(voxels, missing, mode="reflect")
