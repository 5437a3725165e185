"""What becomes of an item: a result, or a failure once it was tried often enough."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ATTEMPTS = 3
"""How often an item is tried before it counts as failed."""

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
"""No space left on the device, or none left to this user."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[Result]):
    """The result of the item at ``index``."""

    index: int
    result: Result


@dataclass(frozen=True, slots=True)
class Failure:
    """The item at ``index`` gave no result in so many attempts; ``trace`` says what stopped the last."""

    index: int
    attempts: int
    trace: str


@dataclass(frozen=True, slots=True)
class Spoiled:
    """One attempt that gave no result.

    Parameters
    ----------
    trace
        The traceback, or how the worker ended.
    disk_full
        The error of a full disk, if that was the cause: no other attempt will do better.
    """

    trace: str
    disk_full: OSError | None = None


def attempt(function: Callable[[Item], Result], item: Item) -> Result | Spoiled:
    """The function's result, or why there is none. An interrupt passes through."""
    try:
        return function(item)
    except Exception as error:
        return Spoiled(traceback.format_exc(), _disk_full(error))


def _disk_full(error: BaseException | None) -> OSError | None:
    """The error of a full disk behind an error, made anew so that it can travel."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return OSError(error.errno, error.strerror, error.filename)
        error = error.__cause__ or error.__context__
    return None
