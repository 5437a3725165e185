"""Loops over voxels, compiled. One place says how, so that every loop gives the same bytes in every thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function compiled with numba at its first call, without the GIL, kept on disk for the next process.

    Floats are never reordered (no fast-math). Where neither the package's folder nor the user's cache folder can be
    written, the loop is compiled anew in each process.

    Parameters
    ----------
    function
        A loop over arrays and numbers. Give it contiguous arrays of one fixed type: each new type compiles again.
    """
    plain = inspect.unwrap(function)
    try:
        compiled = numba.njit(nogil=True, cache=True)(plain)
    except RuntimeError:  # numba found no folder for its cache
        compiled = numba.njit(nogil=True)(plain)
    return cast(Callable[Arguments, Result], compiled)
