"""The volumes with truth that methods are compared on, each with the part of it that decided nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from savem3 import bank
from savem3.bank.card import PIXEL_NM
from savem3.bench.cutting import Volume, keep_sections
from savem3.bench.manifest import digest_of_file
from savem3.evaluate import relabel_components
from savem3.grid import Box, Shape
from savem3.volume import Image, Labels

SMALL: Shape = (24, 96, 96)
"""What is kept of a volume to see whether a suite runs."""


@dataclass(frozen=True, slots=True)
class Named:
    """Where a column of a table is found.

    Parameters
    ----------
    card, split
        In the bank.
    says
        What the column is to be read with.
    sectionwise
        Whether its truth holds for single sections, which are then cut one by one.
    calibrates
        Sections of the card, first and last, on which a setting may be chosen by labels; absent where there are none.
    block
        Of the card; the only one, if absent.
    """

    card: str
    split: str
    says: str
    sectionwise: bool = False
    calibrates: tuple[int, int] | None = None
    block: str | None = None


SAMPLE_2 = "FIB-25 sample 2, z 130–249; no section from 120 on trained or calibrated anything that ships"
VOLUMES: Mapping[str, Named] = {
    "FIB-25": Named("fib25_training_sample2", "validation", SAMPLE_2, calibrates=(100, 119)),
    "gala": Named("gala_fib_example", "all", "gala example; what ships was chosen on it: no held-out volume"),
    "AC3": Named("ac3", "test", "AC3 of SNEMI3D"),
    "CREMI-C": Named("cremi_c", "all", "CREMI sample C"),
}
SECTIONS: Mapping[str, Named] = {
    "VNC": Named("vnc_stack1", "validation", "VNC stack 1, sections 16–19", sectionwise=True),
    "ISBI": Named("isbi2012_train", "validation", "ISBI 2012, sections 25–29", sectionwise=True),
}


def volumes_in(folder: Path) -> dict[str, Named]:
    """Columns of volumes: those that are known, and a user's own annotated ones (`savem3.bank.own`)."""
    return {**VOLUMES, **_own_in(folder, linked=True)}


def sections_in(folder: Path) -> dict[str, Named]:
    """Columns of sections: those that are known, and a user's own whose labels hold for single sections."""
    return {**SECTIONS, **_own_in(folder, linked=False)}


def here(columns: Mapping[str, Named], folder: Path) -> dict[str, Named]:
    """Those whose files are in the folder."""
    cards = bank.cards_in(folder)
    return {name: named for name, named in columns.items() if bank.is_here(cards[named.card], folder)}


def _own_in(folder: Path, *, linked: bool) -> dict[str, Named]:
    """Blocks of own cards: their test split where they have one, else their validation split, else all."""
    found = {}
    for name, card in bank.cards_in(folder).items():
        if name in bank.DATASETS or card.linked != linked:
            continue
        for block in (block for block in card.blocks if block.is_annotated):
            split = next((s for s in ("test", "validation") if block.sections(s) is not None), "all")
            column = name if len(card.blocks) == 1 else f"{name}/{block.name}"
            found[column] = Named(name, split, f"your own, {split}", not linked, block=block.name)
    return found


@dataclass(frozen=True, slots=True)
class Truth:
    """A volume that is scored.

    Parameters
    ----------
    name
        Its column.
    image, labels
        On one grid; labels 0 where nothing is known.
    sectionwise
        Whether each section is a volume of its own.
    digests
        Of the files that it was read from, by name.
    whole
        Of the volume that it is a part of: shape, and the box that is scored.
    says
        What the column is to be read with.
    """

    name: str
    image: Image
    labels: Labels
    sectionwise: bool
    digests: Mapping[str, str]
    whole: tuple[Shape, Box]
    says: str

    @property
    def of(self) -> dict[str, object]:
        """What a result depends on."""
        return {"files": dict(self.digests), "shape": list(self.labels.grid.shape), "start": list(self.whole[1].start)}


def read_truth(name: str, folder: Path, *, quick: bool) -> Truth:
    """A volume by its column's name, the truth numbered by 6-connected components of the part.

    Raises
    ------
    FileNotFoundError
        If its files are not in the folder.
    """
    named = {**volumes_in(folder), **sections_in(folder)}[name]
    card = bank.cards_in(folder)[named.card]
    # volumes at their own pixel, as published tables have them; sections binned to about 8 nm, as the bank has them
    pixel_nm = PIXEL_NM if named.sectionwise else card.voxel_size[1]
    sample = bank.load_sample(card, folder, named.split, block=named.block, pixel_nm=pixel_nm)
    image, labels = sample.image, sample.labels
    if quick:
        image, labels = _keep_small(image), _keep_small(labels)
    start = card.sections(named.split, named.block).start
    box = Box((start, 0, 0), (start + sample.image.grid.shape[0], *sample.image.grid.shape[1:]))
    if quick:
        inner = _small_box(sample.image.grid.shape)
        first = tuple(a + b for a, b in zip(box.start, inner.start, strict=True))
        box = Box((first[0], first[1], first[2]), (first[0] + inner.shape[0], *_far(first, inner)))
    true = labels if named.sectionwise else relabel_components(labels)
    digests = {path.name: digest_of_file(path) for path in files_of(named.card, folder)}
    whole = card.block(named.block).shape
    return Truth(name, image, true, named.sectionwise, digests, (whole, box), named.says)


def read_calibration(name: str, folder: Path, *, quick: bool) -> tuple[Image, Labels] | None:
    """Sections of the same card on which a setting may be chosen by labels; nothing where the column has none."""
    named = volumes_in(folder)[name]
    if named.calibrates is None:
        return None
    sample = bank.load_sample(bank.DATASETS[named.card], folder, "all")
    image, labels = keep_sections(sample.image, named.calibrates), keep_sections(sample.labels, named.calibrates)
    if quick:
        image, labels = _keep_small(image), _keep_small(labels)
    return image, relabel_components(labels)


def files_of(card: str, folder: Path) -> list[Path]:
    """The files of a dataset in a folder."""
    checked = bank.check_card(bank.cards_in(folder)[card], folder)
    return list(dict.fromkeys(folder / file for block in checked for file in block.files))


def _small_box(shape: Shape) -> Box:
    kept = [min(n, most) for n, most in zip(shape, SMALL, strict=True)]
    z, y, x = ((n - k) // 2 for n, k in zip(shape, kept, strict=True))
    return Box((z, y, x), (z + kept[0], y + kept[1], x + kept[2]))


def _far(first: tuple[int, ...], inner: Box) -> tuple[int, int]:
    return first[1] + inner.shape[1], first[2] + inner.shape[2]


def _keep_small(volume: Volume) -> Volume:
    return volume.crop(_small_box(volume.grid.shape))
