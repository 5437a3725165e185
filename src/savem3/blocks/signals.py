"""Signals: a polite request to end becomes an exception, and Ctrl-C reaches this process alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """Raised in the main thread by SIGTERM, as `KeyboardInterrupt` is by Ctrl-C; the exit code for it is 143."""


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`, so that a run ends as at Ctrl-C: its workers too, and nothing half written.

    A second SIGTERM does not disturb the first. Python hands signals to the main thread only; in another thread this
    changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def ctrl_c_blocked() -> Iterator[None]:
    """A process that is started within never hears Ctrl-C, not even while it comes up: that is for this one to do."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ctrl_c_kept() -> Iterator[None]:
    """What Ctrl-C does is the same afterwards, whatever is imported within."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
