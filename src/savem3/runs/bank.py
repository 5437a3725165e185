"""What the bank knows, told to people and machines; and files fetched, when somebody asks for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from savem3.bank import DATASETS, Card, Checked, Layout, cards_in, check_card, fetch, is_here, unpack_zip
from savem3.plan import size_text
from savem3.watch import Watch

HERE = {True: "here", False: "not here"}
"""What a table says of a folder."""

SHOWN = 6
"""Blocks whose files are drawn; the rest are counted."""


def run_list(folder: Path | None, *, as_json: bool) -> None:
    """All datasets, a line each.

    Parameters
    ----------
    folder
        Folder of their files, and of a user's own cards.
    as_json
        One list of objects for machines.
    """
    cards = [card for _, card in sorted(_cards(folder).items())]
    here = {card: None if folder is None else is_here(card, folder) for card in cards}
    if as_json:
        Console().out(json.dumps([_facts(card) | {"here": there} for card, there in here.items()]), highlight=False)
        return
    header = ["name", "superset", "imaging", "species", "z × y × x nm", "labelled", "licence"]
    rows = [header + ([] if folder is None else ["folder"])]
    rows += [[*_row(card), *([] if there is None else [HERE[there]])] for card, there in here.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    console = Console(highlight=False, emoji=False)
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), soft_wrap=True, markup=False)


def run_show(name: str, folder: Path | None, *, as_json: bool) -> None:
    """All that is known of one dataset.

    Raises
    ------
    ValueError
        If there is no such dataset.
    """
    card = _card(name, folder)
    if as_json:
        Console().out(json.dumps(_facts(card)), highlight=False)
        return
    console = Console(highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for what, value in _lines(card):
        table.add_row(what, value)
    console.print(table, markup=False)
    console.print(_tree(card), markup=False)


def run_check(name: str, folder: Path, *, as_json: bool) -> int:
    """Look whether a folder holds a dataset, or all of them.

    Parameters
    ----------
    name
        Of a dataset, or ``all``: then those of which nothing is there are left out.
    folder
        Folder of their files.
    as_json
        One list of objects for machines.

    Returns
    -------
    code
        0 if all is as it should be, 2 if anything is missing or different, or nothing is there.

    Raises
    ------
    ValueError
        If there is no such dataset.
    FileNotFoundError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"folder must be there, got '{folder}'")
    cards = list(_cards(folder).values()) if name == "all" else [_card(name, folder)]
    found = [check_card(card, folder) for card in cards]
    looked = [name != "all" or not all(one.is_missing for one in checks) for checks in found]
    checks = [one for checks, wanted in zip(found, looked, strict=True) if wanted for one in checks]
    if as_json:
        Console().out(json.dumps([asdict(one) for one in checks]), highlight=False)
    else:
        _tell(checks, left_out=[card.name for card, wanted in zip(cards, looked, strict=True) if not wanted])
    return 0 if checks and not any(one.problem for one in checks) else 2


def run_fetch(name: str, folder: Path, *, watch: Watch) -> None:
    """Fetch the files of a dataset that may be had without asking; archives are unpacked.

    Raises
    ------
    ValueError
        If there is no such dataset, or none of its files can be fetched; or one is not what was published.
    savem3.home.OfflineError
        If the network is forbidden.
    """
    card = _card(name, folder if folder.is_dir() else None)
    if not card.downloads:
        raise ValueError(f"dataset must have files that can be fetched directly, got {name}: get it from {card.source}")
    if folder.is_dir() and is_here(card, folder):
        watch.say(f"{name} is here", file=str(folder), here=True)
        return
    watch.say(f"terms of {name}: {card.licence}", licence=card.licence)
    for download in card.downloads:
        known = "with the published SHA-256" if download.sha256 else "no SHA-256 is published: the first one is pinned"
        watch.say(f"{download.url} ({known})", url=download.url, sha256=download.sha256)
        with watch.stage(Path(download.file).name) as counter:
            file = fetch(download, folder, progress=counter)
        if file.suffix == ".zip":
            file, archive = unpack_zip(file), file
            archive.unlink()
        watch.say(f"{file}", file=str(file))


def _cards(folder: Path | None) -> dict[str, Card]:
    return DATASETS if folder is None else cards_in(folder)


def _card(name: str, folder: Path | None) -> Card:
    """A dataset by its name."""
    cards = _cards(folder)
    if name not in cards:
        close = get_close_matches(name, cards, n=1)
        cure = f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(sorted(cards))}"
        raise ValueError(f"name must be that of a dataset, got '{name}'{cure}")
    return cards[name]


def _row(card: Card) -> list[str]:
    labelled = f"{sum(block.is_annotated for block in card.blocks)} of {len(card.blocks)}"
    return [card.name, card.superset, card.imaging, card.species, _edges(card), labelled, card.licence]


def _facts(card: Card) -> dict[str, object]:
    """A card as plain values."""
    blocks = [
        {
            "name": block.name,
            "shape": block.shape,
            "splits": {split: [sections[0], sections[-1]] for split, sections in block.splits.items()},
            "layouts": [asdict(layout) for layout in block.layouts],
        }
        for block in card.blocks
    ]
    names = ("name", "dataset", "superset", "imaging", "species", "licence", "permissive", "citation", "source")
    told = {name: getattr(card, name) for name in (*names, "linked", "notes")}
    downloads = [asdict(download) for download in card.downloads]
    own = {"voxel_size_nm": card.voxel_size, "myelin": list(card.myelin), "blocks": blocks, "downloads": downloads}
    return told | own


def _lines(card: Card) -> list[tuple[str, str]]:
    """What is told of a card, but its files."""
    splits = ", ".join(f"{split} ({len(card.blocks_of(split))} blocks)" for split in sorted(card.splits))
    shapes = sorted({" × ".join(map(str, block.shape)) for block in card.blocks})
    labelled = sum(block.is_annotated for block in card.blocks)
    lines = [
        ("name", f"{card.name} ({card.dataset})"),
        ("superset", card.superset),
        ("imaging", card.imaging),
        ("species", card.species),
        ("voxel size", f"{_edges(card)} nm (z, y, x)"),
        ("blocks", f"{len(card.blocks)}, {labelled} of them labelled; {', '.join(shapes)} voxels"),
        ("splits", splits),
        ("labels", "linked from section to section" if card.linked else "of single sections"),
        ("myelin", ", ".join(map(str, card.myelin))),
        ("licence", card.licence + ("" if card.permissive else " (not for models that are used commercially)")),
        ("cite", card.citation),
        ("get it from", card.source),
        ("fetch", ", ".join(f"{one.file} (at most {size_text(one.most_bytes)})" for one in card.downloads)),
        ("notes", card.notes),
    ]
    return [(what, value) for what, value in lines if value]


def _tree(card: Card) -> Tree:
    """The files that are expected, block by block; where a block may lie in several ways, each of them."""
    tree = Tree("FOLDER")
    for block in card.blocks[:SHOWN]:
        branch = tree.add(f"block {block.name}")
        for number, layout in enumerate(block.layouts):
            twig = branch if len(block.layouts) == 1 else branch.add("either" if not number else "or")
            for what, place in layout.places.items():
                twig.add(f"{place}  {what}{_remark(layout, what)}")
    if len(card.blocks) > SHOWN:
        tree.add(f"… and {len(card.blocks) - SHOWN} more blocks")
    return tree


def _remark(layout: Layout, what: str) -> str:
    padded = what == "image" and any(layout.padding)
    mapped = what == "labels" and layout.mapping is not None
    z, y, x = layout.padding
    return (f", padded by {z} × {y} × {x}" if padded else "") + (f", by its table {layout.mapping}" if mapped else "")


def _tell(checks: list[Checked], *, left_out: list[str]) -> None:
    """One line a block, and one for the datasets of which nothing is there."""
    console = Console(highlight=False, emoji=False)
    for one in checks:
        said = one.problem or f"as it should be: {', '.join(one.files)}"
        console.print(f"{one.card}/{one.block}  {said}", soft_wrap=True, markup=False)
    if left_out:
        console.print(f"not here: {', '.join(left_out)}", soft_wrap=True, markup=False)


def _edges(card: Card) -> str:
    return " × ".join(f"{edge:g}" for edge in card.voxel_size)
