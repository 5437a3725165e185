"""Sections moved by whole pixels onto the ones before them, where grey values say that they lie off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from scipy import fft

from savem3.engine.section import Section
from savem3.grid import Box, Grid
from savem3.store import Progress
from savem3.volume import Image

LOOKED_AT = 1024
"""Pixels along y and x in the middle of sections that are compared."""
FINEST = 0.15
"""Width of the passed frequencies, cycles a pixel: finer details differ between sections."""

Step = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Move:
    """Move sections; grey values, labels and weights alike. What comes in from outside is not to be learned.

    Parameters
    ----------
    steps
        By how many pixels each section is moved, along y and x.
    """

    steps: tuple[Step, ...]

    def grid_of(self, grid: Grid) -> Grid:
        """The same one.

        Raises
        ------
        ValueError
            If there is not one step a section, or one leaves nothing of it.
        """
        if len(self.steps) != grid.shape[0]:
            raise ValueError(f"steps must be one for each of the {grid.shape[0]} sections, got {len(self.steps)}")
        if any(abs(y) >= grid.shape[1] or abs(x) >= grid.shape[2] for y, x in self.steps):
            raise ValueError(f"steps must be shorter than the sections of {grid.shape[1:]} pixels")
        return grid

    def apply(self, section: Section, grid: Grid) -> Section:
        """The section moved; where nothing was, its outermost grey values go on, without labels or weight."""
        y, x = self.steps[section.z]
        if (y, x) == (0, 0):
            return section
        grey = np.roll(section.grey, (y, x), (0, 1))
        rows, columns = (
            np.clip(np.arange(n), max(0, s), n - 1 + min(0, s)) for n, s in zip(grey.shape, (y, x), strict=True)
        )
        return Section(
            section.z, grey[np.ix_(rows, columns)], _moved(section.labels, y, x), _moved(section.weight, y, x)
        )


def find_move(
    image: Image, *, most: int = 16, least: int = 2, gain: float = 0.1, progress: Progress | None = None
) -> Move:
    """How sections must be moved so that each lies on the one before.

    Parameters
    ----------
    image
        Read section by section.
    most
        Pixels along an axis that a section may lie off the one before.
    least
        Smaller steps are left as they are: cells that run slantwise look like that, and aligning would straighten them.
    gain
        By how much the correlation with the section before must be better than without the step.
    progress
        Told of the sections done.

    Raises
    ------
    ValueError
        If the numbers are out of their range.

    Notes
    -----
    Source: METHOD §3 realigns CREMI and says no more. Phase correlation proposes a step and the correlation of grey
    values decides; all numbers are our choice.
    """
    if not 1 <= least <= most:
        raise ValueError(f"least and most must be at least 1 and in order, got {least} and {most}")
    depth, height, width = image.grid.shape
    start = [max(0, (n - LOOKED_AT) // 2) for n in (height, width)]
    stop = [min(n, a + LOOKED_AT) for n, a in zip((height, width), start, strict=True)]
    before, at, steps = None, (0, 0), []
    for z in range(depth):
        now = image.read(Box((z, start[0], start[1]), (z + 1, stop[0], stop[1])))[0]
        y, x = (0, 0) if before is None else step_onto(before, now, most=most, least=least, gain=gain)
        at, before = (at[0] + y, at[1] + x), now
        steps.append(at)
        if progress is not None:
            progress(z + 1, depth)
    return Move(tuple(steps))


def step_onto(
    before: UInt8[np.ndarray, "y x"], now: UInt8[np.ndarray, "y x"], *, most: int, least: int, gain: float
) -> Step:
    """By how much a section must be moved to lie on the one before; 0, 0 where that is not sure. See `find_move`."""
    reach = [min(most, n // 4) for n in now.shape]
    match = _match(before, now)
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    near = match[np.ix_(rows, columns)]
    peak = np.unravel_index(int(near.argmax()), near.shape)
    y, x = int(rows[peak[0]]), int(columns[peak[1]])
    if max(abs(y), abs(x)) < least or _correlation(before, now, y, x) < _correlation(before, now, 0, 0) + gain:
        return 0, 0
    return y, x


def _match(before: UInt8[np.ndarray, "y x"], now: UInt8[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
    """How well both match for each step, the step as index, negative ones from the end."""
    shape = now.shape
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in shape)).astype(np.float32)
    one, two = (fft.rfft2((s.astype(np.float32) - s.mean(dtype=np.float32)) * window) for s in (before, now))
    cross = one * two.conj()
    cross /= np.abs(cross) + 1e-3 * np.abs(cross).mean() + 1e-12
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    return np.asarray(fft.irfft2(cross * np.exp(-(fy**2 + fx**2) / (2 * FINEST**2)), shape), np.float32)


def _correlation(before: UInt8[np.ndarray, "y x"], now: UInt8[np.ndarray, "y x"], y: int, x: int) -> float:
    """Correlation of grey values where both sections are, the second moved."""
    height, width = now.shape
    one = before[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)].astype(np.float64)
    two = now[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)].astype(np.float64)
    one, two = one - one.mean(), two - two.mean()
    norm = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / norm if norm > 0 else 0.0


def _moved(values: Shaped[np.ndarray, "y x"], y: int, x: int) -> Shaped[np.ndarray, "y x"]:
    """Values moved, 0 where nothing was."""
    height, width = values.shape
    moved = np.zeros_like(values)
    moved[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)] = values[
        max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)
    ]
    return moved
