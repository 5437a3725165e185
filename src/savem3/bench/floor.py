"""What the machine itself can do: products of matrices, and memory copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

EDGE = 2048
"""Rows and columns of the matrices that are multiplied."""
COPIED = 2**26
"""float32 values that are copied: more than any cache holds."""

Calls = Mapping[str, Callable[[], Any]]


def floors(*, edge: int = EDGE, copied: int = COPIED) -> dict[str, Callable[[], Any]]:
    """Calls that do nothing but what the machine can do best; `rate_of` says how much each does."""
    import torch

    a, b = torch.rand(2, edge, edge)
    narrow, other = a.bfloat16(), b.bfloat16()
    source, target = np.ones(copied, np.float32), np.empty(copied, np.float32)
    return {
        "product, float32": lambda: a @ b,
        "product, bfloat16": lambda: narrow @ other,
        "copy": lambda: np.copyto(target, source),
    }


def rate_of(name: str, seconds: float, *, edge: int = EDGE, copied: int = COPIED) -> tuple[float, str]:
    """A floor's rate: 10⁹ multiplications and additions a second, or 10⁹ bytes read and written a second."""
    if name == "copy":
        return 2 * 4 * copied / seconds / 1e9, "GB/s"
    return 2 * edge**3 / seconds / 1e9, "GFLOP/s"


def by_turns(calls: Calls, *, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of CPU and by the clock of each call; each is called once unmeasured, then all by turns.

    So a busy moment hits all alike, and the ratio of two within one turn holds on a machine that others use too.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            cpu, clock = process_time(), perf_counter()
            call()
            if turn:
                found[name].append((process_time() - cpu, perf_counter() - clock))
    return found


def seconds_of(turns: list[tuple[float, float]]) -> float:
    """The median of CPU seconds."""
    return median(cpu for cpu, _ in turns)


def ratio_of(turns: list[tuple[float, float]], to: list[tuple[float, float]]) -> float:
    """How many times the CPU seconds of ``to`` a call took: the median over turns of the ratio in each."""
    return median(own / max(other, 1e-9) for (own, _), (other, _) in zip(turns, to, strict=True))
