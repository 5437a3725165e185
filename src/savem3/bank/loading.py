"""A block of a dataset becomes an `Image` or a `Sample`: some of its sections, binned, with what a network learns."""

from __future__ import annotations

from pathlib import Path

import cc3d
import numpy as np
from jaxtyping import UInt8, UInt64

from savem3.bank.binning import bin_grey, bin_labels, bin_mask
from savem3.bank.card import ALL, PIXEL_NM, Block, Card, open_block
from savem3.bank.layout import read_grey, read_labels
from savem3.bank.targets import boundary_target, contacts, distance_target, drop_fragments
from savem3.grid import Box, Grid
from savem3.volume import BoundaryMap, Image, Labels, Sample


def load_image(
    card: Card, folder: Path, split: str = ALL, *, block: str | None = None, pixel_nm: float = PIXEL_NM
) -> Image:
    """Grey values of a split.

    Parameters
    ----------
    card
        The dataset.
    folder
        Folder of the datasets' files.
    split
        Name of a split of the card.
    block
        Which block; may be left out where there is one.
    pixel_nm
        In-plane pixel wanted, nm. Sections are binned by the whole factor that comes nearest to it: the 4 nm of ISBI
        2012 become 8, the 4.6 nm of VNC 9.2, the 10 nm of FIB-25 stay.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder.
    ValueError
        If the split or block is unknown, or a file is not what the card says.
    """
    chosen, sections = card.block(block), card.sections(split, block)
    _, layers = open_block(card, chosen, folder)
    voxels = read_grey(layers["image"], sections, voxel_size=card.voxel_size)
    factor = card.binning(pixel_nm)
    return Image(bin_grey(voxels, factor=factor), _grid_of(card, chosen, sections, factor))


def load_sample(
    card: Card, folder: Path, split: str, *, block: str | None = None, pixel_nm: float = PIXEL_NM
) -> Sample:
    """A split with its labels and the targets that a network learns.

    Where a split is part of a volume with linked labels, a cell that leaves and comes back becomes two (6-connected
    components). Where labels hold for single sections, instances of fewer than 100 pixels become background; so does
    myelin, where the card says which label it has.

    Parameters
    ----------
    card
        The dataset.
    folder
        Folder of the datasets' files.
    split
        Name of a split of the card.
    block
        Which block; may be left out where there is one. It must be annotated.
    pixel_nm
        In-plane pixel wanted, nm; see `load_image`.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder.
    ValueError
        If there is no truth, the split or block is unknown, or a file is not what the card says.
    """
    chosen = card.block(block)
    if not chosen.is_annotated:
        raise ValueError(f"card must have truth to give a sample, got {card.name}, which is raw data")
    image = load_image(card, folder, split, block=block, pixel_nm=pixel_nm)
    labels, membranes = _read_truth(card, chosen, folder, split=split, pixel_nm=pixel_nm)
    sectionwise = not (card.linked and image.grid.is_isotropic)
    boundary = _boundary_of(Labels(labels, image.grid), membranes=membranes, sectionwise=sectionwise)
    return Sample(
        name=f"{card.name}/{split}" + (f"/{chosen.name}" if len(card.blocks) > 1 else ""),
        image=image,
        labels=Labels(labels, image.grid),
        boundary=boundary,
        distance=distance_target(boundary, sectionwise=sectionwise),
        linked=card.linked,
        licence=card.licence,
    )


def _read_truth(
    card: Card, block: Block, folder: Path, *, split: str, pixel_nm: float
) -> tuple[UInt64[np.ndarray, "z y x"], UInt8[np.ndarray, "z y x"] | None]:
    """Labels, and membranes (0 or 1) where they are annotated; binned, labels 0 on membrane."""
    sections, factor = card.sections(split, block.name), card.binning(pixel_nm)
    layout, layers = open_block(card, block, folder)
    labels = read_labels(layers["labels"], sections, mapping=layout.mapping)
    if card.myelin:
        labels = np.where(np.isin(labels, np.asarray(card.myelin, np.uint64)), np.uint64(0), labels)
    if card.linked and len(sections) < block.shape[0]:
        labels = cc3d.connected_components(labels, connectivity=6, out_dtype=np.uint64).astype(np.uint64)
    if not card.linked:
        labels = drop_fragments(labels)
    labels = bin_labels(labels, factor=factor)
    if "membranes" not in layers:
        return labels, None
    membranes = bin_mask(layers["membranes"].read(sections), factor=factor)
    return np.where(membranes > 0, np.uint64(0), labels), membranes


def _boundary_of(labels: Labels, *, membranes: UInt8[np.ndarray, "z y x"] | None, sectionwise: bool) -> BoundaryMap:
    """The annotated membranes and whatever labels still touch; without annotation, the borders between labels."""
    if membranes is None:
        return boundary_target(labels, sectionwise=sectionwise)
    touching = contacts(labels, sectionwise=sectionwise)
    return BoundaryMap(np.where((membranes > 0) | touching, np.uint8(255), np.uint8(0)), labels.grid)


def _grid_of(card: Card, block: Block, sections: range, factor: int) -> Grid:
    """The grid of a split's binned sections, its origin in the whole block."""
    rows, columns = (n - n % factor for n in block.shape[1:])
    box = Box((sections.start, 0, 0), (sections.stop, rows, columns))
    return Grid(block.shape, card.voxel_size).crop(box).coarsen((1, factor, factor))
