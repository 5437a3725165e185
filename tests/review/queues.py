"""Small review folders, made by hand: a wall of cells in 30 × 6 × 4 nm voxels, each to grow by a pixel or two."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import ndimage

from savem3.grid import Grid
from savem3.proposal import Proposal
from savem3.store import write_image, write_labels
from savem3.store.proposals import write_proposals
from savem3.volume import Image, Labels

SIZES = (30.0, 6.0, 4.0)
CELL = (12, 15)
"""Pixels from one cell to the next; walls of three pixels are between them."""


def cells(shape: tuple[int, int, int]) -> np.ndarray:
    """Labels: bricks of `CELL` pixels without their walls, the same in all sections, from 2**60 + 1."""
    _, y, x = np.indices(shape)
    number = (y // CELL[0]) * 100 + x // CELL[1] + 1
    inside = (y % CELL[0] >= 3) & (x % CELL[1] >= 3)
    return np.where(inside, number.astype(np.uint64) + np.uint64(2**60), np.uint64(0))


def proposals_of(labels: np.ndarray, *, count: int, dataset: str) -> list[Proposal]:
    """One proposal a label and section, its new mask the old one grown towards the upper left."""
    found: list[Proposal] = []
    for z, section in enumerate(labels):
        for label in np.unique(section[section > 0]):
            if len(found) == count:
                return found
            found.append(_grown(section, int(label), z=z, dataset=dataset))
    return found


def _grown(section: np.ndarray, label: int, *, z: int, dataset: str) -> Proposal:
    whole = section == label
    y, x = ndimage.find_objects(whole.astype(np.uint8))[0]
    box = slice(max(0, y.start - 3), y.stop + 2), slice(max(0, x.start - 3), x.stop + 2)
    old = whole[box]
    new = old | np.roll(old, -1, 0) | np.roll(old, -2, 1)
    iou = float((old & new).sum() / (old | new).sum())
    place = {"dataset": dataset, "z": z, "label": label, "y_start": box[0].start, "x_start": box[1].start}
    return Proposal(f"{dataset}:z{z}:label{label}", **place, old=old, new=new, iou=iou, score=0.75, reason="grown")


def make_folder(
    folder: Path, *, count: int = 8, shape: tuple[int, int, int] = (3, 40, 52), datasets: tuple[str, ...] = ("wall",)
) -> Path:
    """A review folder with one queue over all datasets, each with ``count`` items at most."""
    folder.mkdir(parents=True)
    labels, grid = cells(shape), Grid(shape, SIZES)
    noise = np.random.default_rng(0).integers(0, 40, shape)
    grey = (np.where(labels > 0, 180, 60) + noise).astype(np.uint8)
    proposals: list[Proposal] = []
    for name in datasets:
        write_image(Image(grey, grid), folder / name / "raw.zarr")
        write_labels(Labels(labels, grid), folder / name / "labels.zarr")
        proposals += proposals_of(labels, count=count, dataset=name)
    write_proposals(folder / "queue.jsonl", proposals)
    facts = {"datasets": [{"name": name, "voxel_size": SIZES} for name in datasets], "made_by": "tests", "version": "0"}
    (folder / "review.json").write_text(json.dumps(facts))
    return folder
