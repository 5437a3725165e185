"""Sections with truth that are asked about, who may have learned from them, and answers that are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3 import bank, saem2
from savem3.bank.binning import bin_grey, bin_labels
from savem3.bank.card import PIXEL_NM
from savem3.grid import Box, Grid
from savem3.store import open_image, open_labels
from savem3.volume import Image, IntensityMap, Labels, intensity_of

SMALLEST = 60
"""Instances of fewer pixels in a section are not asked about."""

Line = dict[str, Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Asked:
    """Sections of the bank that are asked about.

    Parameters
    ----------
    card, split
        In the bank; all blocks of the split.
    every
        Of whose sections every so many are looked at.
    tune_every
        Of those of the training split, where a threshold may be chosen.
    """

    card: str
    split: str = "validation"
    every: int = 1
    tune_every: int = 1


DATASETS = {
    "FIB-25": Asked("fib25_training_sample2", every=8, tune_every=16),
    "VNC": Asked("vnc_stack1", tune_every=4),
    "ISBI": Asked("isbi2012_train", tune_every=6),
    "AC3": Asked("ac3", "test", 16),
    "CREMI-B": Asked("cremi_b", "test", 8),
    "HemiBrain": Asked("hemibrain", "test", 32),
    "AxonEM-H": Asked("axonem_h", "test", 8),
    "AxonEM-M": Asked("axonem_m", "test", 8),
    "J0126": Asked("j0126", "all", 32),
    "SegEM": Asked("segem", "all", 16),
}
"""Those of the data here, then the columns of the paper's table."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Sections with truth at about 8 nm.

    Parameters
    ----------
    name
        In the table.
    image, labels
        At their own pixel; labels 0 where nothing is known.
    sections
        Those that are looked at, counted from the image's first.
    factor
        Pixels along y and x that are binned into one, as the bank bins its datasets.
    card, split, block
        Of a dataset of the bank.
    boundary
        Membranes, 255; absent where they are drawn from the labels.
    files
        Where raw and labels are, of a user's own volume.
    """

    name: str
    image: Image
    labels: Labels
    sections: tuple[int, ...]
    factor: int = 1
    card: bank.Card | None = None
    split: str = "validation"
    block: str | None = None
    boundary: NDArray[np.uint8] | None = None
    files: tuple[str, ...] = ()

    @property
    def intensity(self) -> IntensityMap:
        """The one intensity map of the whole volume."""
        return intensity_of(self.image)

    def read(self, z: int) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        """Grey values and labels of a section."""
        grey, labels = (np.asarray(v.voxels[z : z + 1]) for v in (self.image, self.labels))
        return bin_grey(grey, factor=self.factor)[0], bin_labels(labels, factor=self.factor)[0]

    def instances(self, z: int) -> list[Mask]:
        """The connected instances of a section that are large enough."""
        parts, numbers = saem2.instances_of(self.read(z)[1], smallest=SMALLEST)
        return [parts == n for n in numbers]

    def membranes(self, z: int) -> NDArray[np.uint8]:
        """Where membrane is in a section, 255."""
        if self.boundary is not None:
            return self.boundary[z]
        labels = self.read(z)[1][None]
        size = self.image.grid.voxel_size
        grid = Grid(labels.shape, (size[0], size[1] * self.factor, size[2] * self.factor))
        drawn = bank.boundary_target(Labels(labels, grid), sectionwise=True, fragment_voxels=SMALLEST)
        return drawn.read(Box((0, 0, 0), grid.shape))[0]

    def describe(self) -> str:
        """What was looked at, in a line."""
        own = self.card.name if self.card else "own volume"
        own += f" {self.block}" if self.block and self.card and len(self.card.blocks) > 1 else ""
        step = self.sections[1] - self.sections[0] if len(self.sections) > 1 else 1
        start = self.card.sections(self.split, self.block).start if self.card else 0
        z = f"{start + self.sections[0]}–{start + self.sections[-1]}" + (f" every {step}" if step > 1 else "")
        return f"{own}, {len(self.sections)} sections (z {z}) at {self.image.grid.voxel_size[1] * self.factor:g} nm"


def datasets_in(folder: Path) -> dict[str, Asked]:
    """Those that are known, and a user's own annotated ones: their test split, else validation, else all sections."""
    found = dict(DATASETS)
    for name, card in bank.cards_in(folder).items():
        if name not in bank.DATASETS and any(block.is_annotated for block in card.blocks):
            split = next((s for s in ("test", "validation") if s in card.splits), "all")
            found[name] = Asked(name, split)
    return found


def held_out(name: str, folder: Path, *, tune: bool = False) -> list[Volume]:
    """The blocks of a dataset that are asked about; or of its training split, that thresholds are chosen on.

    Blocks whose files are not in the folder are left out.
    """
    asked = datasets_in(folder)[name]
    card, split = bank.cards_in(folder)[asked.card], "train" if tune else asked.split
    here = {checked.block for checked in bank.check_card(card, folder) if not checked.is_missing}
    blocks = [b.name for b in card.blocks if b.sections(split) is not None and b.is_annotated and b.name in here]
    every = asked.tune_every if tune else asked.every
    return [_read_block(name, card, folder, split=split, block=block, every=every) for block in blocks]


def _read_block(name: str, card: bank.Card, folder: Path, *, split: str, block: str, every: int) -> Volume:
    sample = bank.load_sample(card, folder, split, block=block)
    sections = range(0, sample.image.grid.shape[0], every)
    drawn = sample.boundary.read(sample.boundary.grid.box)
    volume = Volume(name, sample.image, sample.labels, tuple(sections), card=card, boundary=drawn)
    return replace(volume, split=split, block=block)


def own_volume(name: str, raw: str, labels: str, *, every: int) -> Volume:
    """A user's volume, any path that the store opens."""
    image = open_image(raw)
    truth = open_labels(labels, voxel_size=image.grid.voxel_size)
    if truth.grid.shape != image.grid.shape:
        raise ValueError(f"labels of {name} must have the shape of raw {image.grid.shape}, got {truth.grid.shape}")
    pixel = image.grid.voxel_size[1]
    factor = min(range(1, 1 + max(1, round(2 * PIXEL_NM / pixel))), key=lambda n: abs(n * pixel - PIXEL_NM))
    sections = tuple(range(0, image.grid.shape[0], every))
    return Volume(name, image, truth, sections, factor, files=(raw, labels))


def seen_by(card: Mapping[str, Any], volume: Volume) -> str:
    """What a checkpoint's labels have to do with a volume, for the table's column."""
    labels = set(labels_in(card))
    if not labels:
        return "not known"
    if volume.card is None:
        names = {volume.name, *volume.files, *(Path(file).name for file in volume.files)}
        return "trained on it" if labels & names else "not among its labels"
    start = volume.card.sections(volume.split, volume.block).start
    tested = {start + z for z in volume.sections}
    told = [_kinship(label, volume.card, tested, block=volume.block) for label in labels]
    return next((word for word in ("trained on it", "held-out sections", "same tissue") if word in told), "never seen")


def labels_in(card: Mapping[str, Any]) -> Iterator[str]:
    """Every dataset that a card or the card of an earlier run in it names as labels."""
    for key, value in card.items():
        if key == "labels" and isinstance(value, list):
            yield from map(str, value)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from labels_in(inner)


def refuse_kin(card: Mapping[str, Any], volumes: list[Volume]) -> None:
    """The rule for published tables: no label of a test set's tissue, in whatever section."""
    known = [bank.DATASETS[n] for n in {label.split(":")[0] for label in labels_in(card)} if n in bank.DATASETS]
    bank.refuse_leakage(known, [v.card for v in volumes if v.card is not None])


def _kinship(label: str, card: bank.Card, tested: set[int], *, block: str | None) -> str:
    name, *parts = label.split(":")
    other = bank.DATASETS.get(name)
    if other is None or other.superset != card.superset:
        return "never seen"
    if other is not card:
        return "same tissue"
    learned = card.block(block).sections(parts[0] if parts else "all")
    if learned is None:
        return "same tissue"
    if len(parts) == 2:
        first, last = map(int, parts[1].split("-"))
        learned = learned[first : last + 1]
    return "trained on it" if tested & set(learned) else "held-out sections"


def file_of(work: Path, *names: str) -> Path:
    """Where the results of one method on one dataset are kept."""
    return work / ("--".join(re.sub(r"[^\w.]+", "-", name).strip("-") for name in names) + ".jsonl")


def read_lines(path: Path, *, of: Line) -> list[Line]:
    """The results that are kept in a file, or none; a line that was cut off is removed.

    Raises
    ------
    ValueError
        If they are of something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if not whole:
        path.write_text(json.dumps(of) + "\n", encoding="utf-8")
        return []
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    was, *lines = map(json.loads, whole.splitlines())
    if was != of:
        raise ValueError(f"{path.name} must hold results of {of}, got {was}; remove it to begin anew")
    return lines


def add_line(path: Path, line: Line) -> None:
    """Keep one more result."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
