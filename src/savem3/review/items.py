"""The queue as it is held while it is looked through: thousands of proposals, their masks as run lengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from savem3.grid import Box
from savem3.proposal import Proposal, mask_of, runs_of


@dataclass(frozen=True, slots=True)
class Item:
    """A proposal with its place in the queue.

    Parameters
    ----------
    number
        Its place, from 0: what the page calls it by.
    id, dataset, z, label, iou, score, reason
        As in `Proposal`.
    start, shape
        The crop in its section, along y, x.
    old_runs, new_runs
        Run lengths of the masks.
    """

    number: int
    id: str
    dataset: str
    z: int
    label: int
    start: tuple[int, int]
    shape: tuple[int, int]
    old_runs: tuple[int, ...]
    new_runs: tuple[int, ...]
    iou: float
    score: float
    reason: str

    @property
    def box(self) -> Box:
        """The crop: a part of one section."""
        stop = (self.z + 1, self.start[0] + self.shape[0], self.start[1] + self.shape[1])
        return Box((self.z, *self.start), stop)

    def mask(self, runs: tuple[int, ...]) -> Bool[np.ndarray, "y x"]:
        """The mask in its crop that run lengths describe."""
        return mask_of(runs, self.shape)


def items_of(proposals: Iterable[Proposal]) -> list[Item]:
    """All proposals of a queue, in its order.

    Raises
    ------
    ValueError
        If two have one id.
    """
    items, seen = list[Item](), set[str]()
    for number, proposal in enumerate(proposals):
        if proposal.id in seen:
            raise ValueError(f"the ids of a queue must differ, got '{proposal.id}' twice")
        seen.add(proposal.id)
        items.append(_item_of(proposal, number=number))
    return items


def _item_of(proposal: Proposal, *, number: int) -> Item:
    height, width = proposal.old.shape
    return Item(
        number=number,
        id=proposal.id,
        dataset=proposal.dataset,
        z=proposal.z,
        label=proposal.label,
        start=(proposal.y_start, proposal.x_start),
        shape=(height, width),
        old_runs=tuple(runs_of(proposal.old)),
        new_runs=tuple(runs_of(proposal.new)),
        iou=proposal.iou,
        score=proposal.score,
        reason=proposal.reason,
    )
