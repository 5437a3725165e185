"""The verdicts of several reviewers → one verdict an item, and those on which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from savem3.review.verdicts import Record

OnConflict = Literal["refuse", "old", "newest"]
"""What settles an item on which reviewers differ: a person alone; the old mask; what was said last."""

ON_CONFLICT: tuple[OnConflict, ...] = get_args(OnConflict)


@dataclass(frozen=True, slots=True)
class Merged:
    """What several reviewers said together.

    Parameters
    ----------
    verdicts
        Of items on which all agree who said anything, by id: the earliest of their verdicts.
    conflicts
        Of the others: all verdicts, by id, in the order of the reviewers' names.
    """

    verdicts: dict[str, Record]
    conflicts: dict[str, tuple[Record, ...]]


def merge(standing: Mapping[str, Mapping[str, Record]], *, referee: str | None = None) -> Merged:
    """Put the verdicts of several reviewers together; their order does not matter.

    Parameters
    ----------
    standing
        What stands of each reviewer's log, by the reviewer's name. Who skipped an item said nothing of it.
    referee
        A reviewer whose verdicts go before those of the others.

    Raises
    ------
    ValueError
        If there is no log of the referee.
    """
    if referee is not None and referee not in standing:
        raise ValueError(f"referee must be one of {', '.join(sorted(standing))}, got '{referee}'")
    said: dict[str, list[Record]] = {}
    for reviewer in sorted(standing):
        for item, record in sorted(standing[reviewer].items()):
            if record.verdict != "skip":
                said.setdefault(item, []).append(record)
    if referee is not None:
        chosen = {item: r for item, r in standing[referee].items() if r.verdict != "skip"}
        said |= {item: [record] for item, record in chosen.items()}
    agreed = {item: min(records, key=_by_time) for item, records in said.items() if _agree(records)}
    return Merged(agreed, {item: tuple(records) for item, records in said.items() if item not in agreed})


def decide(merged: Merged, *, on_conflict: OnConflict) -> dict[str, Record]:
    """One verdict for each item; ``refuse`` and ``old`` leave those on which reviewers differ without one.

    An item without a verdict keeps its old mask.
    """
    if on_conflict != "newest":
        return dict(merged.verdicts)
    newest = {item: max(records, key=_by_time) for item, records in merged.conflicts.items()}
    return {**merged.verdicts, **newest}


def _agree(records: list[Record]) -> bool:
    """Whether all say the same; two who drew agree where they drew the same pixels."""
    return len({(record.verdict, record.edit) for record in records}) == 1


def _by_time(record: Record) -> tuple[str, str]:
    """When, and who: no two reviewers' verdicts are alike in both."""
    return record.time, record.reviewer
