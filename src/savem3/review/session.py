"""What the page asks for and tells: items of the queue, the tissue around them, verdicts. Knows nothing of the web."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.proposal import runs_of
from savem3.review.folder import Folder
from savem3.review.items import Item
from savem3.review.log import Log
from savem3.review.merge import merge
from savem3.review.verdicts import Record, Verdict

MARGIN, SMALLEST = 48, 256
"""Pixels around a crop that are shown at least, and along each side of the picture."""

LISTED = 2000
"""Items that are listed at once."""


class Stale(Exception):
    """The page has not seen the last verdict on what it speaks of."""


@dataclass(frozen=True, slots=True)
class Session:
    """One reviewer at one queue.

    Parameters
    ----------
    folder
        What is looked at.
    log
        Where the verdicts go.
    others
        What stood in the logs of other reviewers when the page was opened, by their names.
    """

    folder: Folder
    log: Log
    others: Mapping[str, Mapping[str, Record]]

    @property
    def seen(self) -> int:
        """How many records the log has; a page that knows fewer is behind."""
        return len(self.log.reading.records)

    def listed(self, first: int) -> dict[str, Any]:
        """Up to `LISTED` items of the queue, from the one of this number, each as dataset, z, IoU, state, conflict."""
        mine = self.log.reading.standing.verdicts
        conflicts = merge({**self.others, self.log.reviewer: mine}).conflicts
        places = {name: place for place, name in enumerate(self.folder.datasets)}
        rows = [
            [places[item.dataset], item.z, round(item.iou, 3), _state(mine.get(item.id)), int(item.id in conflicts)]
            for item in self.folder.items[first : first + LISTED]
        ]
        return {"first": first, "seen": self.seen, "count": len(self.folder.items), "items": rows}

    def look(self, number: int) -> bytes:
        """One item as the page draws it: the length of its facts, the facts as JSON, grey values of up to 3 sections.

        Raises
        ------
        IndexError
            If the queue has no item of this number.
        """
        item = self._item(number)
        dataset = self.folder.datasets[item.dataset]
        box = _window(item, dataset.image.grid.shape)
        facts = {**_facts_of(item, box), **self._said(item), **_around(item, box, dataset.labels.read(box))}
        facts["voxel_nm"] = dataset.image.grid.voxel_size
        head = json.dumps(facts, allow_nan=False).encode()
        return len(head).to_bytes(4, "little") + head + np.ascontiguousarray(dataset.image.read(box)).tobytes()

    def say(self, number: int, verdict: Verdict, *, seen: int, edit: list[int] | None = None) -> dict[str, Any]:
        """Write a verdict down; it is on disk when this returns.

        Parameters
        ----------
        number
            Of the item.
        verdict
            What is said of it.
        seen
            How many records the page knew of.
        edit
            Run lengths of the mask that was drawn, with ``mend`` alone.

        Raises
        ------
        IndexError
            If the queue has no item of this number.
        ValueError
            If the edit is no mask of the item's crop.
        Stale
            If something was said of the item since.
        """
        item = self._item(number)
        if (edit is not None) != (verdict == "mend"):
            raise ValueError(f"edit must be there with the verdict mend and no other, got '{verdict}'")
        if edit is not None:
            item.mask(tuple(edit))
        with self.log.turn:
            last = self.log.reading.standing.verdicts.get(item.id)
            if seen > self.seen or (last is not None and last.number >= seen):
                raise Stale
            self.log.say(item.id, verdict, edit=None if edit is None else tuple(edit))
        return self._told(item)

    def undo(self, *, seen: int) -> dict[str, Any]:
        """Take back what was said last; see `say`."""
        with self.log.turn:
            if seen != self.seen:
                raise Stale
            items = {item.id: item for item in self.folder.items}
            record = self.log.undo(among=items)
        return {"seen": self.seen, "number": None} if record is None else self._told(items[record.item])

    def _item(self, number: int) -> Item:
        if not 0 <= number < len(self.folder.items):
            raise IndexError(f"number must be below {len(self.folder.items)}, got {number}")
        return self.folder.items[number]

    def _told(self, item: Item) -> dict[str, Any]:
        """What the page learns once a verdict is written."""
        return {"seen": self.seen, "number": item.number, **self._said(item)}

    def _said(self, item: Item) -> dict[str, Any]:
        """What stands of an item, of this reviewer's and of others' verdicts."""
        mine = self.log.reading.standing.verdicts.get(item.id)
        others = {name: said[item.id].verdict for name, said in self.others.items() if item.id in said}
        return {"state": _state(mine), "edit": mine.edit if mine is not None else None, "others_said": others}


def _state(record: Record | None) -> str:
    return "open" if record is None else record.verdict


def _window(item: Item, shape: tuple[int, int, int]) -> Box:
    """What is shown of an item: its crop with some tissue around it, and the sections before and after."""
    sides = [_span(a, n, whole=whole) for a, n, whole in zip(item.start, item.shape, shape[1:], strict=True)]
    (y, x), (y_stop, x_stop) = zip(*sides, strict=True)
    return Box((max(0, item.z - 1), y, x), (min(shape[0], item.z + 2), y_stop, x_stop))


def _span(start: int, size: int, *, whole: int) -> tuple[int, int]:
    """Where the picture begins and ends along an axis; at the edge of the volume it is shifted, not cut."""
    wanted = min(whole, max(SMALLEST, size + 2 * MARGIN))
    begin = min(max(0, start - (wanted - size) // 2), whole - wanted)
    return begin, begin + wanted


def _facts_of(item: Item, box: Box) -> dict[str, Any]:
    """An item's own facts; a label may be larger than the numbers of a page, so it travels as a text."""
    _, height, width = box.shape
    return {
        **{name: getattr(item, name) for name in ("number", "id", "dataset", "z", "score", "reason", "iou")},
        "label": str(item.label),
        "sections": list(range(box.start[0], box.stop[0])),
        "window": [box.start[1], box.start[2], height, width],
        "crop": [item.start[0] - box.start[1], item.start[1] - box.start[2], *item.shape],
        "old": item.old_runs,
        "new": item.new_runs,
    }


def _around(item: Item, box: Box, labels: NDArray[np.uint64]) -> dict[str, Any]:
    """Where other labels are, whose pixels cannot be taken, and where this one is in each section shown."""
    section = labels[item.z - box.start[0]]
    return {
        "taken": runs_of((section != 0) & (section != item.label)),
        "same": [runs_of(each == item.label) for each in labels],
    }
