"""Unifying one volume with one teacher: who is asked, where the result goes, and what it is worth."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Float64, UInt64
from scipy import ndimage

from savem3.blocks import Stage
from savem3.engine import FATES, UnifySections
from savem3.engine.parts import parts_of
from savem3.evaluate import boundary_iou, depth_of, iou
from savem3.predict import choose_backend
from savem3.prompt import Prompter
from savem3.proposal import Proposal
from savem3.runs.asking import StoredPrompter, StoredTeacher
from savem3.runs.masks import StoredSam, digest_of_folder
from savem3.shipped import find_model, read_teacher
from savem3.stages import coarser
from savem3.store import PyramidFile, completed, open_image, open_labels
from savem3.store.proposals import proposal_of
from savem3.store.tables import TableFile, write_table
from savem3.teacher import Teacher
from savem3.tiles import Blocks
from savem3.volume import Image, IntensityMap, Labels

SETTLED = "settled.safetensors"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
SMALLEST = 60
"""Instances of fewer pixels are not scored."""


@dataclass(frozen=True, slots=True)
class Cleansed:
    """A volume to unify, as `savem3 cleanse` leaves one.

    Parameters
    ----------
    folder
        Of raw.zarr, labels.zarr, and mask.zarr if there is one.
    image, labels
        Not read yet.
    weight
        0 where nothing is to be learned; absent where everything counts.
    settled
        Marks that an earlier run left beside them.
    """

    folder: Path
    image: Image
    labels: Labels
    weight: Labels | None
    settled: frozenset[bytes]

    @property
    def name(self) -> str:
        """What it is called in a queue: its folder's name."""
        return self.folder.resolve().name


@dataclass(frozen=True, slots=True)
class Asked:
    """Who draws and who sees boundaries, in whichever process, and the digest of both."""

    prompter: Callable[[], Prompter]
    teacher: Callable[[], Teacher] | None
    sha256: str


def open_cleansed(folder: Path) -> Cleansed:
    """Open what was cleansed or unified before.

    Raises
    ------
    ValueError
        If its volumes have unlike shapes, or its name cannot be that of a folder in a queue.
    FileNotFoundError
        If there are none.
    """
    for name in ("raw.zarr", "labels.zarr"):
        if not (folder / name).is_dir():
            raise FileNotFoundError(f"folder must hold {name}, as savem3 cleanse leaves it, got '{folder}'")
    image, labels = open_image(folder / "raw.zarr"), open_labels(folder / "labels.zarr")
    weight = open_labels(folder / "mask.zarr") if (folder / "mask.zarr").is_dir() else None
    if not NAME.fullmatch(folder.resolve().name):
        raise ValueError(f"folder must have a name of letters, digits, ., - and _, got '{folder.resolve().name}'")
    found = Cleansed(folder, image, labels, weight, read_settled(folder / SETTLED))
    shapes = {volume.grid.shape for volume in (image, labels, weight) if volume is not None}
    if len(shapes) > 1:
        raise ValueError(f"raw, labels and mask must have one shape, got {sorted(shapes)} in '{folder}'")
    return found


def read_settled(path: Path) -> frozenset[bytes]:
    """Marks that an earlier run left; none where there is no such file."""
    if not path.is_file():
        return frozenset()
    return frozenset(row.tobytes() for row in TableFile(path)["settled"][...])


def write_settled(path: Path, marks: Iterable[bytes]) -> None:
    """Write marks for later runs."""
    write_table(path, {"settled": np.frombuffer(b"".join(sorted(marks)), np.uint8).reshape(-1, 32)})


def marks_of(stage: Stage) -> frozenset[bytes]:
    """The marks that a finished stage left."""
    return frozenset(row.tobytes() for table in stage.table_files for row in table["settled"])


def ask_whom(name: str, intensity: IntensityMap, *, device: str) -> Asked:
    """A shipped teacher, a weights file, or the folder of a SAM, which sees no boundaries.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such teacher, or it answers no prompts.
    """
    _, device = choose_backend("torch", device=device)
    if Path(name).is_dir():
        sha256 = digest_of_folder(Path(name))
        return Asked(StoredSam(Path(name).absolute(), sha256, intensity, device), None, sha256)
    path = find_model(name).absolute()
    teacher, weights = read_teacher(str(path))
    teacher.prompter(intensity)
    stored = StoredTeacher(path, weights.sha256, device)
    return Asked(StoredPrompter(stored, intensity), stored, weights.sha256)


def stages_of(name: str, unify: UnifySections, folder: Path, *, tables: Path) -> tuple[list[Stage], PyramidFile]:
    """Sections, then the pyramid of their labels; and where that goes.

    Parameters
    ----------
    name
        Of the stage; begins the names of its records.
    unify
        What is done to a section.
    folder
        Gets labels.zarr.
    tables
        Gets marks, fates and queue, a file a section.
    """
    grid = unify.labels.grid
    pyramid = PyramidFile(folder / "labels.zarr", grid, "uint64", "mode", (1, *grid.shape[1:]))
    tiles = Blocks(grid.shape, pyramid.block)
    first = Stage(name, tiles, unify, {"labels": pyramid.levels[0]}, tables=tables)
    return [first, *coarser(f"{name} labels", name, pyramid)], pyramid


def queue_of(stage: Stage) -> Iterator[Proposal]:
    """What a finished stage hands to a person, section by section."""
    for table in stage.table_files:
        lines = table["queue"].tobytes().decode().split("\n")
        yield from (proposal_of(line) for line in lines if line)


def fates_of(stage: Stage) -> dict[str, int]:
    """How many parts met which fate in a finished stage."""
    counts = sum((table["fates"] for table in stage.table_files), np.zeros(len(FATES), np.int64))
    return {fate: int(n) for fate, n in zip(FATES, counts, strict=True)}


def copy_volume(source: Path, target: Path) -> None:
    """Copy a volume's folder whole or not at all; one that is there stays."""
    if not target.exists():
        with completed(target, overwrite=False) as unfinished:
            shutil.copytree(source, unfinished)


def agreement(labels: Labels, truth: Labels) -> dict[str, Any]:
    """Mean IoU and boundary IoU (2 pixels; 2 % of the diagonal) of the truth's instances, section by section.

    An instance is compared with the part of a label that shares most pixels with it; without one it scores 0.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if labels.grid.shape != truth.grid.shape:
        raise ValueError(f"truth must have the shape {labels.grid.shape} of the labels, got {truth.grid.shape}")
    sections = ((np.asarray(v.voxels[z : z + 1])[0] for v in (labels, truth)) for z in range(labels.grid.shape[0]))
    rows = [row for drawn, true in sections for row in _scores_of(drawn, true)]
    means = np.mean(rows, axis=0).tolist() if rows else [None] * 3
    return {**dict(zip(("iou", "biou_2", "biou_share"), means, strict=True)), "instances": len(rows)}


def _scores_of(
    labels: UInt64[np.ndarray, "y x"], truth: UInt64[np.ndarray, "y x"]
) -> Iterator[Float64[np.ndarray, " score"]]:
    """The scores of each instance of a section."""
    parts = np.asarray(cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32))
    boxes, depths = ndimage.find_objects(parts), (2, depth_of((labels.shape[0], labels.shape[1])))
    for true in parts_of(truth, smallest=SMALLEST):
        counts = np.bincount(parts[true.box][true.mask])
        counts[0] = 0
        if not counts.any():
            yield np.zeros(3)
            continue
        number = int(counts.argmax())
        both = [(a, b) for a, b in zip(true.box, boxes[number - 1], strict=True)]
        rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in both)
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        mask[true.y - rows.start :, true.x - columns.start :][: true.mask.shape[0], : true.mask.shape[1]] = true.mask
        own = parts[rows, columns] == number
        yield np.array([iou(own, mask), *(boundary_iou(own, mask, depth=depth) for depth in depths)])
