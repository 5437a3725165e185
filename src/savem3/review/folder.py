"""A review folder: the queue, the volumes it speaks of, and the logs of those who looked at it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from savem3.review.items import Item, items_of
from savem3.review.log import Reading, logs_in, read_log
from savem3.review.strict import read_json
from savem3.store import open_image, open_labels
from savem3.store.proposals import read_proposals
from savem3.volume import Image, Labels

RECORD = "review.json"
QUEUE = "queue.jsonl"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One annotated volume of a review folder.

    Parameters
    ----------
    name
        Its folder.
    image, labels
        Grey values, and the labels as they were before anybody looked.
    """

    name: str
    image: Image
    labels: Labels


@dataclass(frozen=True, slots=True)
class Folder:
    """A review folder that is open.

    Parameters
    ----------
    path
        Where it is.
    datasets
        By name.
    items
        The queue, in its order.
    """

    path: Path
    datasets: dict[str, Dataset]
    items: list[Item]

    def only(self, names: Sequence[str]) -> Folder:
        """The folder with the items of some datasets alone, numbered anew; with all of them where none is named.

        Raises
        ------
        ValueError
            If there is no dataset of a name.
        """
        missing = sorted(set(names) - set(self.datasets))
        if missing:
            raise ValueError(f"dataset must be one of {', '.join(self.datasets)}, got {', '.join(missing)}")
        chosen = [item for item in self.items if not names or item.dataset in names]
        return replace(self, items=[replace(item, number=number) for number, item in enumerate(chosen)])

    def read_logs(self, *, but: Path | None = None) -> dict[str, Reading]:
        """What each reviewer said, by name.

        Raises
        ------
        ValueError
            If a log is damaged, or speaks of what is not in the queue.
        """
        found = {path: read_log(path) for path in logs_in(self.path) if path != but}
        for path, reading in found.items():
            self.check(reading, path)
        return {path.stem.removeprefix("log-"): reading for path, reading in found.items()}

    def check(self, reading: Reading, path: Path) -> None:
        """Refuse a log that belongs to another queue."""
        items = {item.id: item for item in self.items}
        for record in reading.records:
            if record.item not in items:
                raise ValueError(f"'{path}' must be of the queue in '{self.path}', got a record of {record.item}")
            if record.edit is not None:
                items[record.item].mask(record.edit)


def open_folder(path: Path) -> Folder:
    """Open a review folder; of its volumes nothing but metadata is read.

    Raises
    ------
    ValueError
        If it is none, or its queue speaks of what its volumes do not hold.
    """
    names = _names_of(path)
    datasets = {name: _open_dataset(path / name) for name in names}
    items = items_of(read_proposals(path / QUEUE))
    for item in items:
        _check_place(item, datasets)
    return Folder(path, datasets, items)


def _names_of(path: Path) -> list[str]:
    """The datasets that review.json names."""
    try:
        facts = read_json((path / RECORD).read_bytes())
        names = [dataset["name"] for dataset in facts["datasets"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"a review folder must hold an intact {RECORD}, got '{path}': {error!r}") from error
    bad: list[Any] = [name for name in names if not isinstance(name, str) or not NAME.fullmatch(name)]
    if bad or len(set(names)) != len(names) or not names:
        raise ValueError(f"the datasets of {path / RECORD} must have names that differ, of letters, digits, ., - and _")
    return names


def _open_dataset(path: Path) -> Dataset:
    image, labels = open_image(path / "raw.zarr"), open_labels(path / "labels.zarr")
    if image.grid.shape != labels.grid.shape:
        raise ValueError(f"labels must have the shape of raw {image.grid.shape}, got {labels.grid.shape} in '{path}'")
    return Dataset(path.name, image, labels)


def _check_place(item: Item, datasets: dict[str, Dataset]) -> None:
    """Refuse an item that lies in no volume."""
    if item.dataset not in datasets:
        raise ValueError(f"{item.id} must lie in one of {', '.join(datasets)}, got '{item.dataset}'")
    shape = datasets[item.dataset].labels.grid.shape
    if min(item.box.start) < 0 or any(end > n for end, n in zip(item.box.stop, shape, strict=True)):
        raise ValueError(f"{item.id} must lie inside its volume of {shape} voxels, got the crop {item.box}")
