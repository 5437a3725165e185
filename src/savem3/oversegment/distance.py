"""Squared distances to the membrane in integers, cut at a cap: one walk along each axis, no further than the cap."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, Integer

from savem3.blocks import kernel
from savem3.grid import Box, Nanometres, Shape

UNITS_PER_NM = 16
"""Voxel sizes are rounded to this part of a nm, so that squared distances are integers."""

SMALL = 2**15 - 1
"""While no squared distance is beyond, two of them add up within 16 bits, and loops handle twice as many at once."""

STRIP = 128
"""Voxels side by side that are walked together; a strip with its surround stays in the processor's cache."""

AT_ONCE = 4
"""Steps of a walk between two looks at how far it still has to go."""


@dataclass(frozen=True, slots=True)
class Ruler:
    """The integers in which squared distances are counted.

    Parameters
    ----------
    steps
        Lengths of a voxel's edges along z, y, x, in ``unit``.
    unit
        In nm/16, the largest in which all edges are whole numbers.
    cap
        The longest distance that counts, in nm/16.
    """

    steps: Shape
    unit: int
    cap: int

    @property
    def limit(self) -> int:
        """The least squared distance, in squared units, that is at or beyond the cap."""
        return -(-(self.cap**2) // self.unit**2)

    @property
    def dtype(self) -> type[np.generic]:
        """A type for squared distances up to the limit, and the sum of two of them."""
        return np.uint16 if self.limit <= SMALL else np.int32


def ruler_for(voxel_size: Nanometres, *, cap_nm: float, linked: bool) -> Ruler:
    """The coarsest ruler that measures exactly.

    Parameters
    ----------
    voxel_size
        Along z, y, x in nm.
    cap_nm
        The longest distance that counts.
    linked
        Whether distances run across sections; otherwise the edge along z does not matter.
    """
    cap = round(cap_nm * UNITS_PER_NM)
    z, y, x = (min(max(1, round(size * UNITS_PER_NM)), cap) for size in voxel_size)
    unit = gcd(z, y, x) if linked else gcd(y, x)
    return Ruler((z // unit, y // unit, x // unit), unit, cap)


def squared_distance(
    membrane: Bool[np.ndarray, "z y x"], ruler: Ruler, *, inside: Box, linked: bool
) -> Integer[np.ndarray, "inside_z inside_y inside_x"]:
    """Squared distance from each voxel's centre to the nearest membrane voxel's, in squared units, up to the limit.

    Parameters
    ----------
    membrane
        Where membrane is.
    ruler
        From `ruler_for`.
    inside
        Which voxels are wanted.
    linked
        Whether membrane in other sections counts.
    """
    (z, y, x), (z_stop, y_stop, x_stop) = inside.start, inside.stop
    limit, steps = ruler.limit, ruler.steps
    if not linked:
        membrane = membrane[z:z_stop]
    rows = np.empty((*membrane.shape[:2], x_stop - x), ruler.dtype)
    _measure_rows(np.ascontiguousarray(membrane), _squares(steps[2], limit), x, rows)
    sections = np.empty((len(membrane), y_stop - y, x_stop - x), ruler.dtype)
    _spread(rows, _squares(steps[1], limit), y, limit, sections)
    if not linked:
        return sections
    result = np.empty(inside.shape, ruler.dtype)
    _spread(_as_lines(sections), _squares(steps[0], limit), z, limit, _as_lines(result))
    return result


def _squares(step: int, limit: int) -> Int64[np.ndarray, " steps"]:
    """(k · step)² for k = 0, 1, … until the limit, which is the last."""
    squares = [0]
    while squares[-1] < limit:
        squares.append(min((len(squares) * step) ** 2, limit))
    return np.array(squares, np.int64)


def _as_lines(array: Integer[np.ndarray, "z y x"]) -> Integer[np.ndarray, "1 z y*x"]:
    """The same voxels with z in the middle, so that the loop along y serves z as well."""
    return array.reshape(1, len(array), -1)


@kernel
def _measure_rows(
    membrane: Bool[np.ndarray, "z y x"],
    squares: Int64[np.ndarray, " steps"],
    first: int,
    result: Integer[np.ndarray, "z y some_x"],
) -> None:
    """Squared distance to the nearest membrane voxel of the same row, from column ``first`` on: one walk each way."""
    depth, height, width = result.shape
    far = len(squares) - 1
    steps = np.empty(width, np.int64)
    for z in range(depth):
        for y in range(height):
            row, away = membrane[z, y], far
            for x in range(max(0, first - far), first):
                away = 0 if row[x] else away + 1
            for x in range(width):
                away = 0 if row[first + x] else away + 1
                steps[x] = away
            away = far
            for x in range(min(len(row), first + width + far) - 1, first + width - 1, -1):
                away = 0 if row[x] else away + 1
            for x in range(width - 1, -1, -1):
                away = 0 if row[first + x] else away + 1
                result[z, y, x] = squares[min(steps[x], away, far)]


@kernel
def _spread(
    squared: Integer[np.ndarray, "before along after"],
    squares: Int64[np.ndarray, " steps"],
    first: int,
    limit: Any,
    result: Integer[np.ndarray, "before some_along after"],
) -> None:
    """Least of squared[k] + squares[|k − here|] along the middle axis, for the places from ``first`` on."""
    before, along, after = squared.shape
    far = len(squares) - 1
    lines = np.full((along + 2 * far + 2 * AT_ONCE, STRIP), limit, squared.dtype)
    added = np.full(far + AT_ONCE, limit, squared.dtype)
    for k in range(far):
        added[k] = squares[k]
    for b in range(before):
        for start in range(0, after, STRIP):
            width = min(STRIP, after - start)
            for k in range(along):
                for i in range(width):
                    lines[far + AT_ONCE + k, i] = squared[b, k, start + i]
            for k in range(result.shape[1]):
                _walk(lines, added, far + AT_ONCE + first + k, result[b, k, start : start + width])


@kernel
def _walk(
    lines: Integer[np.ndarray, "line strip"],
    added: Integer[np.ndarray, " step"],
    here: int,
    result: Integer[np.ndarray, " some_strip"],
) -> None:
    """The least of all lines around one, each with what its distance adds; walks while anything can become less."""
    narrow = lines.dtype.type
    least = np.empty(STRIP, lines.dtype)
    for i in range(STRIP):
        least[i] = lines[here, i]
    for away in range(1, len(added) - AT_ONCE + 1, AT_ONCE):
        if added[away] >= _largest(least):
            break
        for k in range(away, away + AT_ONCE):
            more, below, above = added[k], lines[here - k], lines[here + k]
            for i in range(STRIP):
                least[i] = min(least[i], narrow(min(below[i], above[i]) + more))
    for i in range(len(result)):
        result[i] = least[i]


@kernel
def _largest(values: Integer[np.ndarray, " value"]) -> int:
    largest = values[0]
    for value in values:
        largest = max(largest, value)
    return largest
