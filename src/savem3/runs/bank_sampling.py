"""What an epoch would draw from datasets, and what their masks are like: tables, CSV files and a page."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from savem3 import __version__
from savem3.bank import (
    PER_IMAGING,
    PUBLISHED_QUOTAS,
    Annotated,
    Card,
    InstanceIndex,
    Place,
    SelectionRules,
    card_of,
    cards_in,
    index_instances,
    load_named,
    measure,
    plan_epoch,
    read_index,
    select,
    spread_evenly,
    summarise,
    write_index,
)
from savem3.bank.card import find_layout
from savem3.bank.layout import find_file
from savem3.bank.statistics import MEASURED, off_centre
from savem3.runs.output import refuse_existing
from savem3.store.durable import write_durably
from savem3.view.statistics import MaskTable, statistics_page
from savem3.volume import Labels, Sample
from savem3.watch import Watch

DRAWS = ("position", "volume", "dataset", "imaging", "z", "label", "area_px", "y_start", "y_stop", "x_start", "x_stop")
"""Columns of the CSV of draws."""

READ_AT_ONCE = 1 << 20
"""Bytes of a file that are hashed at a time."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What of an epoch is asked for.

    Parameters
    ----------
    place
        Seed, epoch, and how many of its draws are done.
    per_imaging
        Instances of each imaging method.
    published
        Whether datasets get the published quotas; else all instances of an imaging method are alike.
    index
        File that the index is kept in; made if it is not there.
    """

    place: Place
    per_imaging: int = PER_IMAGING
    published: bool = False
    index: Path | None = None


@dataclass(slots=True)
class Shelf:
    """The annotated volumes that names stand for, opened one at a time; which is which is known once all were listed.

    Parameters
    ----------
    folder
        Of the datasets' files.
    names
        As the user gave them.
    cards
        All cards by name, those of the folder too.
    """

    folder: Path
    names: Sequence[str]
    cards: dict[str, Card]
    places: list[tuple[str, int]] = field(default_factory=list)

    def volumes(self) -> Iterator[Annotated]:
        """Each volume in turn; only labels are kept of it."""
        self.places.clear()
        for name in self.single_names():
            samples = load_named(name, self.folder, cards=self.cards)
            for number in range(len(samples)):
                self.places.append((name, number))
                yield _annotated(name, samples.pop(0), self.cards)

    def labels_of(self, volume: int) -> Labels:
        """The labels of a volume by its number in the index."""
        if not self.places:
            self.places.extend((name, 0) for name in self.single_names())
        name, number = self.places[volume]
        return load_named(name, self.folder, cards=self.cards)[number].labels

    def single_names(self) -> list[str]:
        """Names that stand for one volume each, where cards have blocks."""
        return [single for name in self.names for single in self._single_names(name)]

    def files(self) -> list[Path]:
        """All that the labels are read from."""
        found: list[Path] = []
        for name in self.single_names():
            if name.startswith("synthetic:"):
                continue
            card = card_of(name, cards=self.cards)
            layout = find_layout(card, card.block(name.split(":")[0].partition("/")[2] or None), self.folder)
            places = [find_file(self.folder, place) for what, place in layout.places.items() if what != "image"]
            found += [path for path in places if path is not None]
        return sorted(set(found))

    def _single_names(self, name: str) -> list[str]:
        card, _, rest = name.partition(":")
        if card not in self.cards or not rest:
            return [name]
        blocks = self.cards[card].blocks_of(rest.partition(":")[0])
        return [f"{card}/{block.name}:{rest}" for block in blocks if block.is_annotated] or [name]


def run_sample(folder: Path, names: Sequence[str], out: Path | None, *, drawing: Drawing, overwrite: bool) -> None:
    """Print how many masks an epoch draws of each dataset, and write what they are.

    Parameters
    ----------
    folder, names
        Datasets, as `savem3.bank.load_named` takes them.
    out
        A CSV file of the draws, in their order; none is written without it.
    drawing
        Which epoch, and how much of each imaging method.
    overwrite
        Whether an older file may be replaced.

    Raises
    ------
    ValueError
        If a name is none, a dataset has no quota, or a kept index is of something else.
    FileExistsError
        If the output exists and may not be replaced.
    FileNotFoundError
        If a dataset is not in the folder.
    """
    if out is not None:
        refuse_existing(out, overwrite=overwrite)
    index = _index(_shelf(folder, names), drawing.index)
    quotas = {d: n for own in PUBLISHED_QUOTAS.values() for d, n in own.items()} if drawing.published else None
    place = drawing.place
    draws = plan_epoch(index, per_imaging=drawing.per_imaging, quotas=quotas, seed=place.seed, epoch=place.epoch)
    if place.position > len(draws):
        raise ValueError(f"position must lie within the {len(draws)} draws of the epoch, got {place.position}")
    Console(highlight=False, emoji=False).print(_counts_table(index, draws), markup=False)
    if out is not None:
        write_durably(out, _csv(DRAWS, _draw_rows(index, draws, first=place.position)))


def run_statistics(
    folder: Path, names: Sequence[str], out: Path, *, most: int, seed: int, overwrite: bool, watch: Watch
) -> None:
    """Measure the masks of datasets and write a page, and a CSV file beside it.

    Parameters
    ----------
    folder, names
        Datasets, as `savem3.bank.load_named` takes them.
    out
        The page, NAME.html; the masks that were measured go to NAME.csv.
    most
        Masks that are measured at most, as many of each dataset where there are so many.
    seed
        Chooses them.
    overwrite
        Whether older files may be replaced.

    Raises
    ------
    ValueError
        If a name is none, or the output does not end in .html.
    FileExistsError
        If an output exists and may not be replaced.
    FileNotFoundError
        If a dataset is not in the folder.
    """
    table = out.with_suffix(".csv")
    if out.suffix != ".html":
        raise ValueError(f"out must end in .html, got '{out}'")
    for path in (out, table):
        refuse_existing(path, overwrite=overwrite)
    shelf = _shelf(folder, names)
    with watch.stage("list masks"):
        index = index_instances(shelf.volumes(), rules=RULES)
    if not len(index.instances):
        raise ValueError(f"labels must have a mask that the rules keep, got none in {', '.join(names)}")
    with watch.stage("measure masks"):
        some = select(index, spread_evenly(index, most), seed=seed)
        rows = measure(some, shelf.labels_of)
    write_durably(table, _csv(("dataset", *(MEASURED.names or ())), _measured_rows(index, rows)))
    facts = _facts(names, len(rows), most=most, seed=seed)
    write_durably(out, statistics_page("What the masks are like", _tables(index, rows), facts=facts).encode())
    Console(highlight=False, emoji=False).print(_means_table(index, rows), markup=False)


RULES = SelectionRules()
"""What both commands list."""


def _shelf(folder: Path, names: Sequence[str]) -> Shelf:
    if not names:
        raise ValueError("names must be at least one CARD:SPLIT, got none")
    return Shelf(folder, names, cards_in(folder))


def _annotated(name: str, sample: Sample, cards: Mapping[str, Card]) -> Annotated:
    """A volume with what its card says; drawn ones are an imaging method of their own."""
    card = cards.get(sample.name.split("/")[0])
    if card is None:
        return Annotated(sample.name, "synthetic", "synthetic", sample.labels)
    if card.myelin and _is_renumbered(card, name):
        warnings.warn(f"{name} is part of a volume and numbered anew: its myelin cannot be told apart", stacklevel=2)
        return Annotated(sample.name, card.dataset, card.imaging, sample.labels)
    return Annotated(sample.name, card.dataset, card.imaging, sample.labels, unwanted=card.myelin)


def _is_renumbered(card: Card, name: str) -> bool:
    """Whether `load_named` gives labels other numbers than the files have."""
    place, split = name.split(":")[:2]
    block = card.block(place.partition("/")[2] or None)
    sections = block.sections(split)
    return card.linked and sections is not None and len(sections) < block.shape[0]


def _index(shelf: Shelf, kept: Path | None) -> InstanceIndex:
    """The index, read back where it is kept and was made from the same files."""
    if kept is None:
        return index_instances(shelf.volumes(), rules=RULES)
    made_from = digest_of(shelf)
    if kept.exists():
        return read_index(kept, made_from=made_from)
    index = index_instances(shelf.volumes(), rules=RULES)
    write_index(kept, index, made_from=made_from)
    return index


def digest_of(shelf: Shelf) -> str:
    """SHA-256 of all that an index follows from: names, rules, the program's version, and the files of labels."""
    told = [__version__, list(shelf.names), asdict(RULES)]
    digest = hashlib.sha256(json.dumps(told).encode())
    for path in shelf.files():
        for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(shelf.folder)} {file.stat().st_size}\n".encode())
            with file.open("rb") as opened:
                while part := opened.read(READ_AT_ONCE):
                    digest.update(part)
    return digest.hexdigest()


def _counts_table(index: InstanceIndex, draws: Int64[np.ndarray, " draw"]) -> Table:
    """Masks and draws of each dataset."""
    table = _table("imaging", "dataset", "volumes", "masks", "drawn", "each drawn")
    times = np.bincount(draws, minlength=len(index.instances))
    for (imaging, dataset), members in index.of_dataset().items():
        own = times[members]
        volumes = len(np.unique(index.instances["volume"][members]))
        often = f"{own.min()}" if own.min() == own.max() else f"{own.min()}–{own.max()}"
        table.add_row(imaging, dataset, f"{volumes:,}", f"{len(members):,}", f"{own.sum():,}", f"{often} times")
    table.add_row("all", "", f"{len(index.names):,}", f"{len(times):,}", f"{len(draws):,}", "")
    return table


def _means_table(index: InstanceIndex, rows: Shaped[np.ndarray, " mask"]) -> Table:
    """Means of each dataset."""
    table = _table("imaging", "dataset", "masks", "measured", "area px", "relative size", "concavity", "thinness")
    for one in summarise(index, rows):
        means = one.means
        shown = (f"{means[name]:.3f}" for name in ("relative_size", "concavity", "thinness"))
        table.add_row(
            one.imaging, one.dataset, f"{one.masks:,}", f"{one.measured:,}", f"{means['area_px']:,.0f}", *shown
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number < 2 else "right")
    return table


def _draw_rows(index: InstanceIndex, draws: Int64[np.ndarray, " draw"], *, first: int) -> Iterator[list[Any]]:
    """A line for each draw that is left."""
    for position, row in enumerate(index.instances[draws[first:]].tolist(), first):
        told = dict(zip(index.instances.dtype.names or (), row, strict=True))
        volume = told["volume"]
        whose = [index.names[volume], index.datasets[volume], index.imagings[volume]]
        box = [told[name] for name in ("y_start", "y_stop", "x_start", "x_stop")]
        yield [position, *whose, told["z"], told["label"], told["area"], *box]


def _measured_rows(index: InstanceIndex, rows: Shaped[np.ndarray, " mask"]) -> Iterator[list[Any]]:
    for volume, *values in rows.tolist():
        rounded = [f"{value:.6g}" if isinstance(value, float) else value for value in values]
        yield [index.datasets[volume], index.names[volume], *rounded]


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()


def _tables(index: InstanceIndex, rows: Shaped[np.ndarray, " mask"]) -> list[MaskTable]:
    """What the page shows, of each dataset that was measured."""
    whose = np.array(index.datasets)[rows["volume"]]
    tables = [
        MaskTable(one.dataset, one.imaging, one.masks, one.sections, _columns(rows[whose == one.dataset]))
        for one in summarise(index, rows)
    ]
    return [table for table in tables if table.measured]


def _columns(rows: Shaped[np.ndarray, " mask"]) -> dict[str, NDArray[np.float64]]:
    columns = {name: rows[name].astype(np.float64) for name in (MEASURED.names or ())[3:]}
    return columns | {"off_centre": off_centre(rows)}


def _facts(names: Sequence[str], measured: int, *, most: int, seed: int) -> dict[str, str]:
    return {
        "datasets": " ".join(names),
        "kept": f"masks of {RULES.smallest} pixels and more with at most {RULES.border_share:.0%} of their outline "
        "on the section's edge; of FIB-SEM every third section",
        "measured": f"{measured:,} masks, at most {most:,} in all, chosen by rank of size with seed {seed}",
        "pixels": "as networks see them: binned to about 8 nm",
        "program": f"savem3 {__version__}",
    }
