"""What a person says of one mask, as a line of a log, and what stands once all lines are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from savem3.review.strict import read_json

Verdict = Literal["old", "new", "reject", "mend", "skip", "undo"]
"""Keep the old mask; take the new one; neither, so that the label is cleared; take a mask that the person drew; leave
it to somebody else; take back what was said last of this item."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
BEGIN = "0" * 64
"""What stands for the digest of the line before the first."""


@dataclass(frozen=True, slots=True)
class Record:
    """One verdict.

    Parameters
    ----------
    number
        Its place in the log, from 0.
    item
        Id of a proposal.
    verdict
        What was said.
    reviewer
        Who said it.
    time
        When, in UTC, as 2026-01-31T12:00:00.000000Z; such times sort as texts.
    before
        SHA-256 of the line before it, so that no line can be lost or changed unseen.
    edit
        Run lengths of the mask that the person drew, of the shape of the proposal's crop; with ``mend`` alone.
    """

    number: int
    item: str
    verdict: Verdict
    reviewer: str
    time: str
    before: str
    edit: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if (self.edit is not None) != (self.verdict == "mend"):
            raise ValueError(f"edit must be there with the verdict mend and no other, got '{self.verdict}'")

    @property
    def line(self) -> bytes:
        """As it stands in the log, without the line's end."""
        facts = {name: getattr(self, name) for name in FIELDS if name != "edit"}
        if self.edit is not None:
            facts["edit"] = self.edit
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


FIELDS = {"number": int, "item": str, "verdict": str, "reviewer": str, "time": str, "before": str, "edit": list}


def record_of(line: bytes) -> Record:
    """The record that a line of a log holds.

    Raises
    ------
    ValueError
        If it holds none.
    """
    facts = read_json(line)
    if not isinstance(facts, dict) or set(facts) - {"edit"} != set(FIELDS) - {"edit"}:
        raise ValueError(f"a record must hold {', '.join(FIELDS)}")
    for name, value in facts.items():
        if type(value) is not FIELDS[name]:
            raise ValueError(f"{name} must be of type {FIELDS[name].__name__}, got {type(value).__name__}")
    if facts["verdict"] not in VERDICTS:
        raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got '{facts['verdict'][:20]}'")
    record = Record(**{**facts, "edit": _edit_of(facts)})
    if record.line != line:
        raise ValueError("the text of the record was changed")
    return record


def _edit_of(facts: dict[str, Any]) -> tuple[int, ...] | None:
    """The run lengths of a record; whether they fit its crop is seen where the crop is known."""
    if "edit" not in facts:
        return None
    if any(type(run) is not int for run in facts["edit"]):
        raise ValueError("edit must hold whole numbers")
    return tuple(facts["edit"])


@dataclass(slots=True)
class Standing:
    """What stands of all that was said; an undo takes back what was said last of its item.

    Parameters
    ----------
    said
        Verdicts on each item that were not taken back, by its id, the last one at the end.
    """

    said: dict[str, list[Record]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Let one more record count.

        Raises
        ------
        ValueError
            If it takes back what was never said.
        """
        stack = self.said.setdefault(record.item, [])
        if record.verdict != "undo":
            stack.append(record)
        elif stack:
            stack.pop()
        else:
            raise ValueError(f"undo must take back a verdict on {record.item}, got none that stands")

    @property
    def verdicts(self) -> dict[str, Record]:
        """The verdict that stands of each item, by its id; items without one are not there."""
        return {item: stack[-1] for item, stack in self.said.items() if stack}


def standing(records: Iterable[Record]) -> dict[str, Record]:
    """The verdict that stands of each item, by its id."""
    book = Standing()
    for record in records:
        book.add(record)
    return book.verdicts
