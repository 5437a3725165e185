"""Proposals in a file: a line of JSON each, masks as run lengths."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from savem3.proposal import Proposal, mask_of, runs_of
from savem3.store.durable import write_durably

PLAIN = tuple(field.name for field in fields(Proposal) if field.name not in ("old", "new"))
KEYS = {*PLAIN, "shape", "old", "new"}

LARGEST = 2**28
"""Pixels of the largest crop that is read: a file of a few bytes may name any shape."""


def write_proposals(path: Path, proposals: Iterable[Proposal]) -> None:
    """Write a queue; the file is whole or not there.

    Parameters
    ----------
    path
        A file of lines; an older one is replaced.
    proposals
        In the order in which they are to be looked at.
    """
    write_durably(path, "".join(map(line_of, proposals)).encode())


def read_proposals(path: Path) -> Iterator[Proposal]:
    """The proposals of a queue, in its order, one after the other.

    Raises
    ------
    ValueError
        If a line is damaged; it is named.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield proposal_of(line)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ValueError(f"{path.name} must hold one proposal a line, got line {number}: {error}") from error


def line_of(proposal: Proposal) -> str:
    """A proposal as a line of a queue, its end included."""
    told: dict[str, Any] = {name: getattr(proposal, name) for name in PLAIN}
    masks = {"shape": proposal.old.shape, "old": runs_of(proposal.old), "new": runs_of(proposal.new)}
    return json.dumps({**told, **masks}, ensure_ascii=False) + "\n"


def proposal_of(line: str) -> Proposal:
    """The proposal of a line.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    told = json.loads(line)
    if not isinstance(told, dict) or set(told) != KEYS:
        raise ValueError(f"its keys must be {', '.join(sorted(KEYS))}")
    types = {"id": str, "dataset": str, "reason": str, "iou": float, "score": float}
    wrong = [name for name in PLAIN if type(told[name]) is not types.get(name, int)]
    shape = told["shape"]
    if wrong or not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int and n > 0 for n in shape)):
        raise ValueError(f"{', '.join(wrong) or 'shape'} must be of its type")
    if shape[0] * shape[1] > LARGEST:
        raise ValueError(f"its crop must have at most {LARGEST:,} pixels, got {shape[0]} × {shape[1]}")
    size = (shape[0], shape[1])
    return Proposal(
        **{name: told[name] for name in PLAIN}, old=mask_of(told["old"], size), new=mask_of(told["new"], size)
    )
