"""Whether a folder holds a dataset as its card says: every file, shape, voxel size and number type; nothing is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from savem3.bank.card import Block, Card, open_block
from savem3.bank.layout import Layer, find_file

INTEGERS = "iu"


@dataclass(frozen=True, slots=True)
class Checked:
    """A block, and what is wrong with it.

    Parameters
    ----------
    card, block
        Their names.
    problem
        One sentence; empty where nothing is wrong.
    is_missing
        Whether files are missing, rather than different.
    files
        What was found, relative to the folder.
    """

    card: str
    block: str
    problem: str = ""
    is_missing: bool = False
    files: tuple[str, ...] = ()


def check_card(card: Card, folder: Path) -> list[Checked]:
    """Look at the headers of all blocks of a dataset."""
    return [_check_block(card, block, Path(folder)) for block in card.blocks]


def is_here(card: Card, folder: Path) -> bool:
    """Whether the files of all blocks are there, whatever they hold."""
    return all(
        any(all(find_file(folder, place) for place in layout.places.values()) for layout in block.layouts)
        for block in card.blocks
    )


def _check_block(card: Card, block: Block, folder: Path) -> Checked:
    try:
        layout, layers = open_block(card, block, folder)
        files = (find_file(folder, place) for place in layout.places.values())
        found = tuple(dict.fromkeys(str(file.relative_to(folder)) for file in files if file))
        return Checked(card.name, block.name, _odd_numbers(layers), files=found)
    except FileNotFoundError as error:
        return Checked(card.name, block.name, str(error), is_missing=True)
    except (OSError, ValueError) as error:
        return Checked(card.name, block.name, str(error))


def _odd_numbers(layers: dict[str, Layer]) -> str:
    """A sentence about number types that are not what they stand for."""
    for what in ("labels", "membranes", "mask"):
        if what in layers and layers[what].stored.voxels.dtype.kind not in INTEGERS + "b" * (what != "labels"):
            return f"{layers[what].stored.name} must hold integers, got {layers[what].stored.voxels.dtype}"
    return ""
