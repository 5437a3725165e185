"""What a worker process does: it reads a function, then answers one item after the other."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal

from savem3.blocks.outcome import Spoiled, attempt


@dataclass(frozen=True, slots=True)
class Hello:
    """The process is up; or it has read the function that it was sent, and is ready for items."""

    state: Literal["up", "ready"]


@dataclass(frozen=True, slots=True)
class Errand:
    """The function of a run, which all items after it are for."""

    function: Callable[[Any], Any]


def serve(connection: Connection) -> None:
    """Say hello, then answer what comes until the pipe ends: an errand with another hello, an item with its outcome.

    What comes through the pipe was packed by the process that started this one, nobody else.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that hands out the items
    exit_with_parent()
    errand = Errand(lambda item: item)
    with suppress(EOFError, OSError):  # nobody listens any more
        connection.send_bytes(ForkingPickler.dumps(Hello("up")))
        while True:
            message = unpacked(connection.recv_bytes())
            if isinstance(message, Errand):
                errand = message
                connection.send_bytes(ForkingPickler.dumps(Hello("ready")))
            else:
                connection.send_bytes(answered(errand.function, message))


def answered(function: Callable[[Any], Any], item: Any) -> memoryview:
    """The packed outcome of an item; one that could not be unpacked, or cannot be packed, is a spoiled attempt too."""
    outcome = item if isinstance(item, Spoiled) else attempt(function, item)
    try:
        return ForkingPickler.dumps(outcome)
    except Exception:
        return ForkingPickler.dumps(Spoiled(traceback.format_exc()))


def unpacked(packed: bytes) -> Any:
    """What was packed, or why it cannot be read here."""
    try:
        return ForkingPickler.loads(packed)
    except Exception:
        return Spoiled(traceback.format_exc())


def exit_with_parent() -> None:
    """Have this process exit as soon as the one that started it is gone, however it went.

    A thread waits for that. It could not act while compiled code holds the GIL, so on Linux the kernel is asked for
    a SIGKILL as well, at the end of the pipe that the parent holds open.
    """
    parent = parent_process()
    assert parent is not None, "serve runs in a started process"
    sentinel = parent.sentinel
    threading.Thread(target=_exit_after, args=(sentinel,), daemon=True).start()
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
