"""One run owns a folder: a second one waits, or is told who is there."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from savem3.store.durable import write_durably

LOCK = ".lock"
"""Name of the file that the owner of a folder holds."""


@contextmanager
def owning(folder: Path, *, may_wait: Callable[[str], bool]) -> Iterator[None]:
    """Keep a folder to this process; the system takes it back when the process ends, however it ends.

    Parameters
    ----------
    folder
        Of a run; it exists.
    may_wait
        Asked when another process owns the folder, with a few words on who it is: whether to wait for its end.

    Raises
    ------
    FileExistsError
        If another process owns the folder and waiting is not wanted.
    """
    lock, owner = FileLock(folder / LOCK), folder / ".owner.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = _describe(owner)
        if not may_wait(who):
            raise FileExistsError(f"output must not be in use, got '{folder}' at which {who} works") from None
        lock.acquire()
    try:
        facts = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_durably(owner, json.dumps(facts).encode())
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _describe(owner: Path) -> str:
    try:
        facts = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {facts['pid']} on {facts['host']}, since {facts['since']},"
    except (OSError, ValueError, KeyError):
        return "another process"
