"""Toy functions that travel to other processes: each is named by what it does with its item."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def double(item: int) -> int:
    return 2 * item


def fill(item: int) -> np.ndarray:
    return np.full((item + 1, 3, 50_000), item, np.uint16)


@dataclass(frozen=True)
class Marked:
    """Leaves a file for each attempt, named by item and process; then does what its kind says."""

    folder: Path

    def mark(self, item: int) -> int:
        attempts = len(list(self.folder.glob(f"{item}-*")))
        (self.folder / f"{item}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return attempts

    def __call__(self, item: int) -> int:
        self.mark(item)
        return -item


@dataclass(frozen=True)
class Raising(Marked):
    """Raises at one item; the first times only, if they are counted."""

    at: int
    times: int = 99

    def __call__(self, item: int) -> int:
        if self.mark(item) < self.times and item == self.at:
            raise ValueError(f"no light at {item}")
        return -item


@dataclass(frozen=True)
class DiskFilling(Marked):
    """Finds the disk full at one item."""

    at: int

    def __call__(self, item: int) -> int:
        self.mark(item)
        if item == self.at:
            try:
                raise OSError(errno.ENOSPC, "No space left on device", "out.zarr")
            except OSError as error:
                raise RuntimeError("could not write") from error
        time.sleep(0.02)
        return -item


@dataclass(frozen=True)
class Dying(Marked):
    """Ends its own process at one item; the first times only, if they are counted."""

    at: int
    by: signal.Signals = signal.SIGKILL
    times: int = 99

    def __call__(self, item: int) -> int:
        if self.mark(item) < self.times and item == self.at:
            os.kill(os.getpid(), self.by)
            time.sleep(60)
        return -item


@dataclass(frozen=True)
class Sleeping(Marked):
    """Takes its time."""

    seconds: float

    def __call__(self, item: int) -> int:
        self.mark(item)
        time.sleep(self.seconds)
        return -item


@dataclass(frozen=True)
class Deaf(Marked):
    """Takes its time without letting any other thread run, and ignores polite requests to end."""

    seconds: int

    def __call__(self, item: int) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.mark(item)
        ctypes.PyDLL(None).sleep(self.seconds)
        return -item


@dataclass(frozen=True)
class Unreadable:
    """Travels, but does not arrive."""

    only: str = "here"

    def __reduce__(self) -> tuple:
        return (_arrive, (os.getpid(),))

    def __call__(self, item: int) -> int:
        return item


def _arrive(pid: int) -> Unreadable:
    if os.getpid() != pid:
        raise ModuleNotFoundError("no module named 'elsewhere'")
    return Unreadable()


def lock_of(item: int) -> object:
    """A result that cannot travel."""
    return threading.Lock() if item == 2 else item


def process_of(item: int) -> int:
    return os.getpid()


def vanish(connection: object) -> None:
    """A worker that does not come up."""
    os._exit(7)


def type_of(item: object) -> str:
    return type(item).__name__
