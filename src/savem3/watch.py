"""Watching a run: which stage it is in, how far, how long each took, how much memory it needed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from rich import progress as bars
from rich.console import Console

from savem3.store import Progress


@dataclass(slots=True)
class Watch:
    """Shows the stages of a run and keeps their times.

    Parameters
    ----------
    show
        ``bars`` for people, ``lines`` of JSON for machines, ``nothing`` for programs.
    console
        Where to show it.
    seconds
        Time of each finished stage, by its name.
    memory
        The most bytes that this process had held by the end of each finished stage.
    warnings
        What the user was warned of, a sentence each.
    """

    show: Literal["bars", "lines", "nothing"] = "nothing"
    console: Console = field(default_factory=lambda: Console(highlight=False))
    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """One stage; what it gives is called with finished and all units."""
        start = time.monotonic()
        with self._counter(name) as counter:
            yield counter
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start
        self.memory[name] = peak_memory_bytes()
        if self.show == "lines":
            self._line(stage=name, state="done", seconds=round(self.seconds[name], 3))

    def say(self, text: str, **facts: object) -> None:
        """A line for people, or the facts behind it for machines."""
        if self.show == "bars":
            self.console.print(text)
        elif self.show == "lines":
            self._line(**(facts or {"message": text}))

    @contextmanager
    def _counter(self, name: str) -> Iterator[Progress]:
        if self.show != "bars":
            yield lambda done, total: self._line(stage=name, done=done, total=total) if self.show == "lines" else None
            return
        columns = (
            bars.TextColumn("{task.description:<14}"),
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
        )
        with bars.Progress(*columns, console=self.console) as progress:
            task = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
            seen = progress.tasks[0].total or 1
            progress.update(task, completed=seen, total=seen)

    def _line(self, **facts: object) -> None:
        self.console.out(json.dumps(facts), highlight=False)


def peak_memory_bytes() -> int:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
