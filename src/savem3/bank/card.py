"""What is known about a public dataset: where it is from, on what terms, which blocks it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from savem3.bank.download import Download
from savem3.bank.layout import Layer, Layout, missing_in, open_layers
from savem3.grid import Nanometres, Shape

PIXEL_NM = 8.0
"""In-plane pixel that teacher and student look at, nm."""

ALL = "all"
"""The split of all sections, which every block has."""


@dataclass(frozen=True, slots=True)
class Block:
    """One volume of a dataset.

    Parameters
    ----------
    name
        Unlike that of the dataset's other blocks.
    shape
        Voxels along z, y, x that are annotated; of raw data, all.
    layouts
        The ways in which it may lie on the disk; the first that is there is read.
    splits
        Sections of each split but ``all``, by its name, counted within the block.

    Raises
    ------
    ValueError
        If a split reaches beyond the block, or only some of its layouts have labels.
    """

    name: str
    shape: Shape
    layouts: tuple[Layout, ...]
    splits: Mapping[str, range] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if len({layout.labels is None for layout in self.layouts}) != 1:
            raise ValueError(f"layouts of block {self.name} must all have labels, or none, got {len(self.layouts)}")
        whole = range(self.shape[0])
        for split, sections in self.splits.items():
            if not (len(sections) and sections.step == 1 and sections[0] in whole and sections[-1] in whole):
                raise ValueError(f"split {split!r} of block {self.name} must lie within {whole}, got {sections}")

    @property
    def is_annotated(self) -> bool:
        """Whether people drew instances in it."""
        return any(layout.labels is not None for layout in self.layouts)

    def sections(self, split: str) -> range | None:
        """The sections of a split; ``None`` where the block is not in it."""
        return range(self.shape[0]) if split == ALL else self.splits.get(split)


@dataclass(frozen=True, slots=True)
class Card:
    """A public dataset: its origin, its terms and its blocks.

    Parameters
    ----------
    name
        Name in the table of datasets.
    dataset
        Name of the dataset that an epoch's quotas count it to.
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
    blocks
        Its volumes.
    linked
        Whether a number means the same cell in every section.
    myelin
        Instances that are myelin, which a data engine makes background.
    notes
        What else its users must know: masks, what is left out, what could not be verified.
    downloads
        Files that can be fetched without asking anybody.

    Raises
    ------
    ValueError
        If there is no block, or two have one name.
    """

    name: str
    dataset: str
    superset: str
    imaging: str
    species: str
    voxel_size: Nanometres
    licence: str
    permissive: bool
    citation: str
    source: str
    blocks: tuple[Block, ...]
    linked: bool = True
    myelin: tuple[int, ...] = ()
    notes: str = ""
    downloads: tuple[Download, ...] = ()

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"blocks of {self.name} must be at least one, each with its own name, got {names}")

    @property
    def is_annotated(self) -> bool:
        """Whether any of its blocks is."""
        return any(block.is_annotated for block in self.blocks)

    @property
    def splits(self) -> dict[str, range]:
        """The sections of each split, in the first block that has it."""
        found: dict[str, range] = {ALL: range(self.blocks[0].shape[0])}
        for block in self.blocks:
            found = {**block.splits, **found}
        return found

    def block(self, name: str | None) -> Block:
        """A block by its name; the only one if none is named.

        Raises
        ------
        ValueError
            If there is no such block, or none is named and there are several.
        """
        for block in self.blocks:
            if block.name == name or (name is None and len(self.blocks) == 1):
                return block
        raise ValueError(f"block must be one of {', '.join(b.name for b in self.blocks)} of {self.name}, got {name!r}")

    def blocks_of(self, split: str) -> list[Block]:
        """The blocks that are in a split.

        Raises
        ------
        ValueError
            If none is.
        """
        found = [block for block in self.blocks if block.sections(split) is not None]
        if not found:
            raise ValueError(f"split must be one of {sorted(self.splits)} of {self.name}, got {split!r}")
        return found

    def sections(self, split: str, block: str | None = None) -> range:
        """The sections of a split in a block.

        Raises
        ------
        ValueError
            If the block has no such split.
        """
        chosen = self.block(block)
        sections = chosen.sections(split)
        if sections is None:
            raise ValueError(f"split must be one of {sorted([ALL, *chosen.splits])} of {self.name}, got {split!r}")
        return sections

    def binning(self, pixel_nm: float) -> int:
        """The whole number of pixels along y and x whose mean comes nearest to ``pixel_nm``; at least 1."""
        factor = int(pixel_nm // self.voxel_size[1])
        return min(
            (max(1, factor), factor + 1),
            key=lambda n: abs(n * self.voxel_size[1] - pixel_nm),
        )


def find_layout(card: Card, block: Block, folder: Path) -> Layout:
    """The first layout of a block whose files are all there.

    Raises
    ------
    FileNotFoundError
        If there is none; the message names what is missing from the first, and where to get it.
    """
    missing = [missing_in(folder, layout) for layout in block.layouts]
    for layout, gone in zip(block.layouts, missing, strict=True):
        if not gone:
            return layout
    fewest = min(missing, key=len)
    raise FileNotFoundError(f"{card.name} must lie at {Path(folder) / fewest[0]}; get it from {card.source}")


def open_block(card: Card, block: Block, folder: Path) -> tuple[Layout, dict[str, Layer]]:
    """The layout in which a block lies there, and its volumes, verified and not read.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is not what the card says; the message names it and where the dataset is published.
    """
    layout = find_layout(card, block, folder)
    try:
        return layout, open_layers(folder, layout, shape=block.shape, voxel_size=card.voxel_size)
    except ValueError as error:
        raise ValueError(f"{error}; {card.name} is published at {card.source}") from error
