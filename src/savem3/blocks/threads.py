"""Threads of this process: nothing is copied, and compiled loops that release the GIL run side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic

from savem3.blocks.crew import drive
from savem3.blocks.outcome import Failure, Finished, Item, Result, Spoiled, attempt

STOP_S = 2.0
"""How long a stopped run waits for the items that its threads are working on."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Workers are threads of this process; a single one is the caller's own thread.

    They share the memory, so a crash of one ends the run; use `Processes` where items may crash.

    Raises
    ------
    ValueError
        If there is no worker.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Executor.run`."""
        if self.workers == 1:
            yield from drive(_OwnThread(function), items)
        else:
            yield from drive(_ThreadCrew(function, self.workers), items)


class _OwnThread(Generic[Item, Result]):
    """The caller's thread: an item is worked on when its outcome is collected."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function
        self._given: list[tuple[int, Item]] = []

    @property
    def room(self) -> bool:
        return not self._given

    @property
    def busy(self) -> bool:
        return bool(self._given)

    def give(self, index: int, item: Item, /) -> None:
        self._given.append((index, item))

    def collect(self) -> list[tuple[int, Result | Spoiled]]:
        index, item = self._given.pop()
        return [(index, attempt(self._function, item))]

    def close(self) -> None:
        self._given.clear()


class _ThreadCrew(Generic[Item, Result]):
    """Daemon threads, so that neither an error nor Ctrl-C waits for long items to end."""

    def __init__(self, function: Callable[[Item], Result], workers: int) -> None:
        self._function = function
        self._out = 0
        self._given: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, Result | Spoiled | BaseException]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def room(self) -> bool:
        return self._out < 2 * len(self._threads)

    @property
    def busy(self) -> bool:
        return self._out > 0

    def give(self, index: int, item: Item, /) -> None:
        self._out += 1
        self._given.put((index, item))

    def collect(self) -> list[tuple[int, Result | Spoiled]]:
        index, outcome = self._done.get()
        self._out -= 1
        if isinstance(outcome, BaseException):
            raise outcome
        return [(index, outcome)]

    def close(self) -> None:
        """Drop what was not begun; wait a little for the rest."""
        while not self._given.empty():
            with suppress(Empty):
                self._given.get_nowait()
        for _ in self._threads:
            self._given.put(None)
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            index, item = given
            try:
                self._done.put((index, attempt(self._function, item)))
            except BaseException as error:  # an exit is for the caller's thread to raise
                self._done.put((index, error))
