"""Annotated volumes by name, as a command line has them: CARD:SPLIT, a part of it, drawn ones, or a user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from savem3.bank.card import Block, Card
from savem3.bank.loading import load_sample
from savem3.bank.synthetic import make_synthetic
from savem3.bank.targets import boundary_target, distance_target
from savem3.grid import Box, Grid
from savem3.volume import Image, Labels, Sample

DRAWN = (Grid((64, 128, 128), (10.0, 10.0, 10.0)), Grid((12, 224, 224), (40.0, 8.0, 8.0)))
"""Grids of drawn volumes, by turns: isotropic, and thick sections."""


def load_named(name: str, folder: Path, *, cards: dict[str, Card]) -> list[Sample]:
    """The annotated volumes that a name stands for.

    Parameters
    ----------
    name
        ``CARD:SPLIT`` for each annotated block of a card that has the split, or ``CARD/BLOCK:SPLIT`` for one of them;
        ``:FIRST-LAST`` behind it for some of its sections (both included); or ``synthetic:N`` for N drawn volumes.
    folder
        Folder of the datasets' files.
    cards
        All cards by name.

    Raises
    ------
    ValueError
        If the name has another form, or there is no such card, block, split or section.
    FileNotFoundError
        If the card's file is not in the folder.
    """
    place, *parts = name.split(":")
    if place == "synthetic" and len(parts) == 1 and parts[0].isdigit():
        return [make_synthetic(seed, grid=DRAWN[seed % 2]) for seed in range(int(parts[0]))]
    if len(parts) not in (1, 2):
        raise ValueError(f"name must be CARD:SPLIT, CARD:SPLIT:FIRST-LAST or synthetic:N, got '{name}'")
    card, block = card_of(name, cards=cards), place.partition("/")[2]
    blocks = [card.block(block).name] if block else [b.name for b in _annotated(card, parts[0])]
    samples = [load_sample(card, folder, parts[0], block=block) for block in blocks]
    return [keep_sections(sample, parts[1]) for sample in samples] if len(parts) == 2 else samples


def _annotated(card: Card, split: str) -> list[Block]:
    """The blocks of a split that have truth; all of them where none has, so that the first says so."""
    blocks = card.blocks_of(split)
    return [block for block in blocks if block.is_annotated] or blocks


def card_of(name: str, *, cards: dict[str, Card]) -> Card:
    """The card that CARD:… or CARD/BLOCK:… stands for.

    Raises
    ------
    ValueError
        If there is no such card.
    """
    card = name.split(":")[0].partition("/")[0]
    if card not in cards:
        raise ValueError(f"name must begin with one of {', '.join(sorted(cards))} or synthetic, got '{name}'")
    return cards[card]


def keep_sections(sample: Sample, sections: str) -> Sample:
    """The part of a sample between two sections, FIRST-LAST, both included, counted from its first.

    Raises
    ------
    ValueError
        If they do not lie within it.
    """
    depth, height, width = sample.image.grid.shape
    first, last = (int(z) if z.isdigit() else -1 for z in (sections.split("-") + ["", ""])[:2])
    if not 0 <= first <= last < depth:
        raise ValueError(f"sections must be FIRST-LAST within 0-{depth - 1} of {sample.name}, got '{sections}'")
    box = Box((first, 0, 0), (last + 1, height, width))
    volumes = {n: getattr(sample, n).crop(box) for n in ("image", "labels", "boundary", "distance")}
    return replace(sample, name=f"{sample.name}:{sections}", **volumes)


def own_sample(name: str, image: Image, labels: Labels, *, licence: str) -> Sample:
    """A user's own annotated volume with the targets that are learned from it.

    Parameters
    ----------
    name
        What to call it in the card of what learns from it.
    image, labels
        On the same grid; labels 0 where nothing is annotated or on membrane.
    licence
        Its terms, for the card.

    Raises
    ------
    ValueError
        If the grids differ.
    """
    if image.grid.shape != labels.grid.shape:
        raise ValueError(f"labels must have the image's shape {image.grid.shape}, got {labels.grid.shape}")
    sectionwise = not image.grid.is_isotropic
    boundary = boundary_target(labels, sectionwise=sectionwise)
    distance = distance_target(boundary, sectionwise=sectionwise)
    return Sample(name, image, labels, boundary, distance, linked=True, licence=licence)
