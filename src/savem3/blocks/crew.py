"""Hand the items of a run to a crew of workers, whatever these are, and try again what was spoiled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from savem3.blocks.outcome import ATTEMPTS, Failure, Finished, Item, Result, Spoiled

Item_contra = TypeVar("Item_contra", contravariant=True)


@runtime_checkable
class Crew(Protocol[Item_contra, Result]):
    """Workers that share one function, held for one run."""

    @property
    def room(self) -> bool:
        """Whether another item can be given now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether any item is still out."""
        ...

    def give(self, index: int, item: Item_contra, /) -> None:
        """Have an item worked on; only where there is room."""
        ...

    def collect(self) -> list[tuple[int, Result | Spoiled]]:
        """Wait until something happened; the outcomes since the last call, perhaps none. Only while busy."""
        ...

    def close(self) -> None:
        """Stop, whatever is still being worked on."""
        ...


@dataclass(slots=True)
class Claims:
    """Which items are still to be handed out, and how often each was spoiled.

    Parameters
    ----------
    total
        Number of items.
    begun
        Items up to here were handed out at least once.
    again
        Items that must be handed out once more; they go first.
    spoiled
        Attempts that failed so far, of the items that are not settled.
    disk_full
        Set once the disk is full: nothing more is handed out.
    """

    total: int
    begun: int = 0
    again: deque[int] = field(default_factory=deque)
    spoiled: dict[int, int] = field(default_factory=dict)
    disk_full: OSError | None = None

    @property
    def waiting(self) -> bool:
        """Whether an item can be handed out."""
        return self.disk_full is None and (bool(self.again) or self.begun < self.total)

    def claim(self) -> int:
        """The next item to hand out; only while one is waiting."""
        if self.again:
            return self.again.popleft()
        self.begun += 1
        return self.begun - 1

    def settle(self, index: int, outcome: Result | Spoiled) -> Finished[Result] | Failure | None:
        """Note one attempt; the answer for its item, or none yet."""
        if not isinstance(outcome, Spoiled):
            self.spoiled.pop(index, None)
            return Finished(index, outcome)
        if outcome.disk_full is not None:
            self.disk_full = outcome.disk_full
            return None
        attempts = self.spoiled.pop(index, 0) + 1
        if attempts == ATTEMPTS:
            return Failure(index, attempts, outcome.trace)
        self.spoiled[index] = attempts
        self.again.append(index)
        return None


def drive(crew: Crew[Item, Result], items: Sequence[Item]) -> Iterator[Finished[Result] | Failure]:
    """One answer an item, in the order in which they come. The crew is closed at the end, and at any error.

    Workers get new items before the answers are handed on, so they work while the caller does. Items are looked up
    when they are given, so a sequence that makes them on demand may be as long as it likes.

    Raises
    ------
    OSError
        If an item found the disk full: nothing more is begun, what was running is finished and handed on first.
    """
    claims = Claims(len(items))
    answers: list[Finished[Result] | Failure] = []
    try:
        while True:
            while claims.waiting and crew.room:
                index = claims.claim()
                crew.give(index, items[index])
            yield from answers
            if not crew.busy:
                break
            settled = [claims.settle(index, outcome) for index, outcome in crew.collect()]
            answers = [answer for answer in settled if answer is not None]
    finally:
        crew.close()
    if claims.disk_full is not None:
        raise claims.disk_full
