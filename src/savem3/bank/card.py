"""What is known about a public dataset, and how its file becomes an `Image` or a `Sample`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
from jaxtyping import UInt8, UInt64
from numpy.typing import NDArray

from savem3.bank.binning import bin_grey, bin_labels, bin_mask
from savem3.bank.targets import (
    boundary_target,
    contacts,
    distance_target,
    drop_fragments,
)
from savem3.grid import Box, Grid, Nanometres, Shape
from savem3.store import open_stored
from savem3.volume import BoundaryMap, Image, Labels, Sample

PIXEL_NM = 8.0
"""In-plane pixel that teacher and student look at, nm."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What people annotated, and where in the file it is.

    Parameters
    ----------
    labels
        Name of the instances in the file.
    linked
        Whether a number means the same cell in every section.
    membranes
        Name of the membrane annotation in the file, nonzero on membrane; absent where cells touch each other.
    """

    labels: str
    linked: bool
    membranes: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A public dataset: one file of sections, its origin, its terms and its splits.

    Parameters
    ----------
    name
        Name in the table of datasets.
    superset
        The tissue it was cut from; cards that share it must not meet in training and test.
    imaging
        Imaging method, such as FIB-SEM.
    species
        Animal and stage.
    voxel_size
        Edge lengths of a voxel along z, y, x, nm.
    licence
        Terms of the data, in a few words.
    permissive
        Whether a model trained on it may be used commercially.
    citation
        What to cite.
    source
        Where the data is published.
    file
        Name of its file: HDF5 with z, y, x arrays.
    splits
        Sections of each split, by its name; ``all`` is always there.
    truth
        The annotation; absent for raw data.
    image
        Name of the grey values in the file.

    Raises
    ------
    ValueError
        If there is no split ``all``, or another one reaches beyond it.
    """

    name: str
    superset: str
    imaging: str
    species: str
    voxel_size: Nanometres
    licence: str
    permissive: bool
    citation: str
    source: str
    file: str
    splits: Mapping[str, range] = field(hash=False)
    truth: Truth | None = None
    image: str = "raw"

    def __post_init__(self) -> None:
        if "all" not in self.splits:
            raise ValueError(f"splits must name a split 'all', got {sorted(self.splits)}")
        for split, sections in self.splits.items():
            if not (len(sections) and sections[0] in self.splits["all"] and sections[-1] in self.splits["all"]):
                raise ValueError(f"split {split!r} must lie within {self.splits['all']}, got {sections}")

    def sections(self, split: str) -> range:
        """The sections of a split.

        Raises
        ------
        ValueError
            If the card has no such split.
        """
        if split not in self.splits:
            raise ValueError(f"split must be one of {sorted(self.splits)} of {self.name}, got {split!r}")
        return self.splits[split]

    def binning(self, pixel_nm: float) -> int:
        """The whole number of pixels along y and x whose mean comes nearest to ``pixel_nm``; at least 1."""
        factor = int(pixel_nm // self.voxel_size[1])
        return min(
            (max(1, factor), factor + 1),
            key=lambda n: abs(n * self.voxel_size[1] - pixel_nm),
        )


def refuse_leakage(training_cards: Iterable[Card], test_cards: Iterable[Card]) -> None:
    """Stop a training whose labels come from the tissue of a test set.

    Parameters
    ----------
    training_cards
        Cards whose labels are learned from. The raw data of a test set may be distilled on: it has no labels.
    test_cards
        Cards that will be reported.

    Raises
    ------
    ValueError
        If a training card shares its superset with a test card.

    Notes
    -----
    Source: the rule of the paper's authors, to leave out every dataset of the test set's superset.
    """
    tests = list(test_cards)
    for training in training_cards:
        for test in tests:
            if training.superset == test.superset:
                raise ValueError(
                    f"training cards must not share a superset with test cards, got {training.name} "
                    f"and {test.name}, both of {test.superset}"
                )


def load_image(card: Card, folder: Path, split: str = "all", *, pixel_nm: float = PIXEL_NM) -> Image:
    """Grey values of a split.

    Parameters
    ----------
    card
        The dataset.
    folder
        Folder that holds the card's file.
    split
        Name of a split of the card.
    pixel_nm
        In-plane pixel wanted, nm. Sections are binned by the whole factor that comes nearest to it: the 4 nm of ISBI
        2012 become 8, the 4.6 nm of VNC 9.2, the 10 nm of FIB-25 stay.

    Raises
    ------
    FileNotFoundError
        If the file is not in the folder.
    ValueError
        If the split is unknown, or the file states another voxel size than the card.
    """
    voxels = _read(card, folder, name=card.image, sections=card.sections(split))
    factor = card.binning(pixel_nm)
    return Image(
        bin_grey(voxels.astype(np.uint8), factor=factor),
        _grid_of(card, voxels.shape, split, factor),
    )


def load_sample(card: Card, folder: Path, split: str, *, pixel_nm: float = PIXEL_NM) -> Sample:
    """A split with its labels and the targets that a network learns.

    Where a split is part of a volume with linked labels, a cell that leaves and comes back becomes two (6-connected
    components). Where labels hold for single sections, instances of fewer than 100 pixels become background.

    Parameters
    ----------
    card
        The dataset; one with truth.
    folder
        Folder that holds the card's file.
    split
        Name of a split of the card.
    pixel_nm
        In-plane pixel wanted, nm; see `load_image`.

    Raises
    ------
    FileNotFoundError
        If the file is not in the folder.
    ValueError
        If the card has no truth, the split is unknown, or the file states another voxel size than the card.
    """
    if card.truth is None:
        raise ValueError(f"card must have truth to give a sample, got {card.name}, which is raw data")
    image = load_image(card, folder, split, pixel_nm=pixel_nm)
    labels, membranes = _read_truth(card, card.truth, folder, split=split, pixel_nm=pixel_nm)
    sectionwise = not (card.truth.linked and image.grid.is_isotropic)
    boundary = _boundary_of(Labels(labels, image.grid), membranes=membranes, sectionwise=sectionwise)
    return Sample(
        name=f"{card.name}/{split}",
        image=image,
        labels=Labels(labels, image.grid),
        boundary=boundary,
        distance=distance_target(boundary, sectionwise=sectionwise),
        linked=card.truth.linked,
        licence=card.licence,
    )


def _read_truth(
    card: Card, truth: Truth, folder: Path, *, split: str, pixel_nm: float
) -> tuple[UInt64[np.ndarray, "z y x"], UInt8[np.ndarray, "z y x"] | None]:
    """Labels, and membranes (0 or 1) where they are annotated; binned, labels 0 on membrane."""
    sections, factor = card.sections(split), card.binning(pixel_nm)
    labels = _read(card, folder, name=truth.labels, sections=sections).astype(np.uint64)
    if truth.linked and sections != card.splits["all"]:
        labels = cc3d.connected_components(labels, connectivity=6, out_dtype=np.uint64).astype(np.uint64)
    if not truth.linked:
        labels = drop_fragments(labels)
    labels = bin_labels(labels, factor=factor)
    if truth.membranes is None:
        return labels, None
    membranes = bin_mask(_read(card, folder, name=truth.membranes, sections=sections), factor=factor)
    return np.where(membranes > 0, np.uint64(0), labels), membranes


def _boundary_of(labels: Labels, *, membranes: UInt8[np.ndarray, "z y x"] | None, sectionwise: bool) -> BoundaryMap:
    """The annotated membranes and whatever labels still touch; without annotation, the borders between labels."""
    if membranes is None:
        return boundary_target(labels, sectionwise=sectionwise)
    touching = contacts(labels, sectionwise=sectionwise)
    return BoundaryMap(np.where((membranes > 0) | touching, np.uint8(255), np.uint8(0)), labels.grid)


def _grid_of(card: Card, shape: tuple[int, ...], split: str, factor: int) -> Grid:
    """The grid of a split's binned sections, its origin in the whole file."""
    native: Shape = (len(card.splits["all"]), shape[1], shape[2])
    sections = card.sections(split)
    rows, columns = (n - n % factor for n in native[1:])
    box = Box((sections.start, 0, 0), (sections.stop, rows, columns))
    return Grid(native, card.voxel_size).crop(box).coarsen((1, factor, factor))


def _read(card: Card, folder: Path, *, name: str, sections: range) -> NDArray[Any]:
    """Sections of one dataset of the card's file."""
    path = Path(folder) / card.file
    if not path.exists():
        raise FileNotFoundError(f"{card.name} must lie at {path}; get it from {card.source}")
    stored = open_stored(f"{path}:{name}")
    if stored.voxel_size not in (None, card.voxel_size):
        raise ValueError(f"{path.name} must have voxels of {card.voxel_size} nm (z, y, x), got {stored.voxel_size}")
    return np.asarray(stored.voxels[sections.start : sections.stop])
