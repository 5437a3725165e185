"""What is measured of each section: grey values, sharpness, likeness and offset to the section before, dark bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int64, UInt8
from scipy import fft, ndimage

from savem3.check.sampling import Sampling, read_tiles
from savem3.store import Progress
from savem3.volume import Image

MIDDLE, IN_SIGMAS = (0.25, 0.75), 1.349
"""Shares of the grey values whose range is measured, and standard deviations in it for a normal distribution."""

FINEST = 0.07
"""Cycles per voxel, binned by 2, up to which details are matched: finer ones differ from section to section."""

EXTREME = 0.002
"""Share of a section's voxels that are as dark as a fold, and that are as bright as a tear."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One number per section and question.

    Parameters
    ----------
    mean, spread
        Mean of the grey values, and the range of their middle half, as a standard deviation.
    flat
        Share of the voxels that have the most common grey value.
    clipped
        Share of the voxels that are 0 or 255.
    fine, middle
        Variance at 1 to 2 and at 2 to 4 voxels, over that at 4 to 8: natural logarithms.
    alike
        Correlation of the finest details with those of the section before; −1 to 1.
    change
        Root mean square of the difference to the section before.
    offset
        Voxels along y and x by which the section lies beyond the one before.
    agreement
        How sharply that offset stands out, 0 to 1.
    band
        Extent of the longest connected dark or bright part, as a share of a tile's edge.
    """

    mean: Float64[np.ndarray, " z"]
    spread: Float64[np.ndarray, " z"]
    flat: Float64[np.ndarray, " z"]
    clipped: Float64[np.ndarray, " z"]
    fine: Float64[np.ndarray, " z"]
    middle: Float64[np.ndarray, " z"]
    alike: Float64[np.ndarray, " z"]
    change: Float64[np.ndarray, " z"]
    offset: Float64[np.ndarray, "z 2"]
    agreement: Float64[np.ndarray, " z"]
    band: Float64[np.ndarray, " z"]


def measure(image: Image, sampling: Sampling, *, progress: Progress | None = None) -> Measures:
    """Measure all sections in one pass; the tiles of 16 sections are held at a time.

    Parameters
    ----------
    image
        May be lazy.
    sampling
        Where to look.
    progress
        Told of the sections done.
    """
    rows: list[tuple[float, ...]] = []
    before: Look | None = None
    for _, sections in read_tiles(image, sampling):
        extremes = usual_extremes(sections)
        for tiles in sections:
            now = look_at(tiles)
            rows.append(measure_one(tiles, now, before, extremes=extremes))
            before = now
        if progress is not None:
            progress(len(rows), image.grid.shape[0])
    return gather(rows)


def gather(rows: Sequence[tuple[float, ...]]) -> Measures:
    """The measures of single sections, together."""
    table = np.array(rows, np.float64).T
    mean, spread, flat, clipped, fine, middle, alike, change, y, x, agreement, band = table
    return Measures(mean, spread, flat, clipped, fine, middle, alike, change, np.stack([y, x], axis=1), agreement, band)


def measure_one(
    tiles: UInt8[np.ndarray, "tile y x"], now: Look, before: Look | None, *, extremes: tuple[float, float]
) -> tuple[float, ...]:
    """All measures of one section, in the order of `Measures`, the offset as two numbers."""
    dark, bright = now.binned < extremes[0], now.binned > extremes[1]
    band = max(_longest_band(dark), _longest_band(bright))
    return (*_alone(tiles), *_beside(now, before), band)


def usual_extremes(sections: UInt8[np.ndarray, "z tile y x"]) -> tuple[float, float]:
    """Grey values, voxels binned by 2, beyond which hardly any voxel of a usual section lies."""
    shares = [EXTREME, 1 - EXTREME]
    found = [np.quantile(_bin(tiles.astype(np.float32)), shares) for tiles in sections]
    low, high = np.median(found, axis=0)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a section until the next one was seen."""

    binned: Float32[np.ndarray, "tile row column"]
    detail: Float32[np.ndarray, "tile y x"]
    spectrum: Complex64[np.ndarray, "tile fy fx"]


def look_at(tiles: UInt8[np.ndarray, "tile y x"]) -> Look:
    """Finest details, and the spectrum of tiles binned by 2."""
    binned = _bin(tiles.astype(np.float32))
    even = tiles[:, : 2 * binned.shape[1], : 2 * binned.shape[2]]
    detail = even - binned.repeat(2, axis=1).repeat(2, axis=2)
    windowed = (binned - binned.mean(axis=(1, 2), keepdims=True)) * _hann(binned.shape[1:])
    return Look(binned, detail, fft.rfft2(windowed))


def _alone(tiles: UInt8[np.ndarray, "tile y x"]) -> tuple[float, ...]:
    """Mean, spread, flat, clipped, fine, middle."""
    counts = np.bincount(tiles.ravel(), minlength=256)
    values = tiles.astype(np.float32)
    variances = [float(values.var())]
    for _ in range(3):
        values = _bin(values)
        variances.append(float(values.var()))
    one, two, four = (max(a - b, 1e-6) for a, b in pairwise(variances))
    clipped = float(counts[0] + counts[255]) / tiles.size
    return (
        float(tiles.mean()),
        _spread(counts),
        counts.max() / tiles.size,
        clipped,
        np.log(one / four),
        np.log(two / four),
    )


def _spread(counts: Int64[np.ndarray, "256"]) -> float:
    """Standard deviation by the middle half of the grey values, which a band of other values hardly changes."""
    below = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    low, high = np.interp(MIDDLE, below, np.arange(257))
    return float(high - low) / IN_SIGMAS


def _beside(now: Look, before: Look | None) -> tuple[float, ...]:
    """Alike, change, offset along y and x, agreement."""
    if before is None:
        return (np.nan,) * 5
    norm = float(np.sqrt((now.detail**2).sum() * (before.detail**2).sum()))
    alike = float((now.detail * before.detail).sum()) / norm if norm > 0 else 0.0
    change = float(np.sqrt(((now.binned - before.binned) ** 2).mean() + ((now.detail - before.detail) ** 2).mean()))
    return alike, change, *_offset(now.spectrum, before.spectrum, now.binned.shape[1:])


def _offset(
    now: Complex64[np.ndarray, "tile fy fx"], before: Complex64[np.ndarray, "tile fy fx"], shape: tuple[int, int]
) -> tuple[float, float, float]:
    """Where the tiles of both sections match best, all tiles together, in voxels before binning."""
    cross = (now * before.conj()).sum(axis=0)
    if not cross.any():
        return 0.0, 0.0, 0.0
    cross /= np.abs(cross) + 1e-3 * np.abs(cross).mean() + 1e-12
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    match = fft.irfft2(cross * np.exp(-((fy**2 + fx**2) / (2 * FINEST**2))), shape)
    peak = np.unravel_index(match.argmax(), shape)
    y, x = (2.0 * (p if p <= n // 2 else p - n) for p, n in zip(peak, shape, strict=True))
    return float(y), float(x), float(match.max() / max(float(match.std()), 1e-12))


def _longest_band(marked: Bool[np.ndarray, "tile y x"]) -> float:
    """Extent of the longest connected marked part of a tile over the tile's edge."""
    longest = 0.0
    for tile in marked:
        found, _ = ndimage.label(tile, structure=np.ones((3, 3)))
        for part in ndimage.find_objects(found):
            longest = max(longest, *((s.stop - s.start) / n for s, n in zip(part, tile.shape, strict=True)))
    return longest


def _bin(values: Float32[np.ndarray, "tile y x"]) -> Float32[np.ndarray, "tile row column"]:
    """Means of 2 × 2 voxels; an odd last row or column is left out."""
    height, width = (n // 2 for n in values.shape[1:])
    return values[:, : 2 * height, : 2 * width].reshape(-1, height, 2, width, 2).mean(axis=(2, 4))


def _hann(shape: tuple[int, ...]) -> Float32[np.ndarray, "y x"]:
    rows, columns = (np.hanning(n + 2)[1:-1] for n in shape)
    return np.outer(rows, columns).astype(np.float32)
