"""Labels and what was said of them → labels: the same bytes each time, section by section or block by block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from savem3.grid import Box
from savem3.proposal import put
from savem3.review.items import Item
from savem3.review.verdicts import Record
from savem3.store import LazyVoxels
from savem3.volume import Labels


def replay(labels: Labels, items: Iterable[Item], verdicts: Mapping[str, Record]) -> Labels:
    """Labels with the standing verdicts carried out, read when they are asked for.

    Each takes a label's old pixels in one crop of one section away and gives it others, of those that no other label
    has. They are carried out in the order of the queue, whatever order they were given in. All other pixels, and those
    of items that were kept, skipped or not looked at, stay as they are.

    Parameters
    ----------
    labels
        Of one dataset, as they were before anybody looked.
    items
        Its part of the queue.
    verdicts
        What stands, by the ids of items; see `Standing`.
    """
    changed: dict[int, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.number):
        if item.id in verdicts and mask_after(item, verdicts[item.id]) is not None:
            changed.setdefault(item.z, []).append(item)
    if not changed:
        return labels
    shape = labels.grid.shape
    voxels = LazyVoxels(shape, np.dtype(np.uint64), (1, *shape[1:]), _Replayed(labels, changed, verdicts))
    return replace(labels, voxels=voxels)


def mask_after(item: Item, verdict: Record) -> Bool[np.ndarray, "y x"] | None:
    """The mask that a verdict gives a label in its crop; ``None`` where it is left as it is."""
    if verdict.verdict == "new":
        return item.mask(item.new_runs)
    if verdict.verdict == "mend":
        assert verdict.edit is not None
        return item.mask(verdict.edit)
    return np.zeros(item.shape, np.bool_) if verdict.verdict == "reject" else None


@dataclass(frozen=True, slots=True)
class _Replayed:
    """Reads a box of labels with the verdicts carried out in it."""

    labels: Labels
    changed: dict[int, list[Item]]
    verdicts: Mapping[str, Record]

    def __call__(self, box: Box) -> NDArray[Any]:
        voxels = np.array(self.labels.read(box))
        for z in range(box.start[0], box.stop[0]):
            for item in self.changed.get(z, []):
                self._put(voxels[z - box.start[0]], item, box)
        return voxels

    def _put(self, section: NDArray[np.uint64], item: Item, box: Box) -> None:
        """Carry out a verdict in the part of a section that lies in a box; each pixel is decided by itself."""
        mask = mask_after(item, self.verdicts[item.id])
        shared = item.box.intersect(box)
        if mask is not None and shared is not None:
            there, inside = shared.relative_to(box).slices[1:], shared.relative_to(item.box).slices[1:]
            section[there] = put(section[there], item.label, (slice(None), slice(None)), mask[inside])
