"""In-plane flow between neighbouring sections: block matching by normalised cross-correlation, coarse, then fine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

COARSE_REACH = 3
"""Pixels of the halved sections that the first search goes each way."""
FINE_REACH = 1
"""Pixels that the second search goes each way from where the first one ended."""
WINDOW = 13
"""Edge of the square that is compared, in pixels of either scale."""
BLOCK = 4
"""Edge of the squares that share one shift, in pixels of the finer scale."""
LEAST_CORRELATION = 0.4
"""Below it nothing is said of a pixel: a defect, or nothing to hold on to."""

LEAST_VARIANCE = 1e-4
"""Of a window of raw in −1…1; smaller ones are taken for this, so that empty places correlate with nothing."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Where each pixel of a section is found in the next one.

    Parameters
    ----------
    shift
        Pixels along y and x from a place in section z − 1 to the place in section z that looks like it; one map for
        each pair of neighbours.
    valid
        Where the two look alike and the place lies within the section.
    """

    shift: Int64[Tensor, "batch 2 pair y x"]
    valid: Bool[Tensor, "batch pair y x"]


@torch.no_grad()
def find_flow(sections: Float[Tensor, "batch z y x"]) -> Flow:
    """The flow between each section and the next; reaches 7 pixels each way.

    Source: METHOD, Choice 10; the published flow comes from a trained network. Two scales, windows and the least
    correlation are our choices.
    """
    batch, pairs = sections.shape[0], sections.shape[1] - 1
    here, there = sections[:, :-1].flatten(0, 1)[:, None], sections[:, 1:].flatten(0, 1)[:, None]
    size = {"height": here.shape[2], "width": here.shape[3]}
    start = 2 * _spread(_best_shift(F.avg_pool2d(here, 2), F.avg_pool2d(there, 2)), factor=2, **size)
    by_block, correlation = _refine(here, there, start)
    shift = _spread(by_block, factor=BLOCK, **size)
    valid = (_spread(correlation, factor=BLOCK, **size)[:, 0] >= LEAST_CORRELATION) & _stays_inside(shift)
    return Flow(shift.unflatten(0, (batch, pairs)).transpose(1, 2), valid.unflatten(0, (batch, pairs)))


def warp(maps: Float[Tensor, "batch channel y x"], shift: Int64[Tensor, "batch 2 y x"]) -> Tensor:
    """What stands ``shift`` away from each pixel, cut at the faces."""
    height, width = maps.shape[2:]
    row = (torch.arange(height, device=maps.device)[:, None] + shift[:, 0]).clamp(0, height - 1)
    column = (torch.arange(width, device=maps.device) + shift[:, 1]).clamp(0, width - 1)
    index = (row * width + column).flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).unflatten(2, (height, width))


def _best_shift(here: Float[Tensor, "pair 1 y x"], there: Float[Tensor, "pair 1 y x"]) -> Int64[Tensor, "pair 2 y x"]:
    """The shift of each pixel's highest correlation within the coarse reach; of equal ones the shortest."""
    best = torch.full_like(here, -2.0)
    shift = torch.zeros((here.shape[0], 2, *here.shape[2:]), dtype=torch.int64, device=here.device)
    mean, spread = _mean_and_spread(here)
    padded = F.pad(there, (COARSE_REACH,) * 4, mode="replicate")
    for dy, dx, moved in _moved(padded):
        moved_mean, moved_spread = _mean_and_spread(moved)
        correlation = (_box_mean(here * moved) - mean * moved_mean) / (spread * moved_spread)
        better = correlation > best
        best = torch.where(better, correlation, best)
        shift = torch.where(better, _step(dy, dx, like=shift), shift)
    return shift


def _refine(
    here: Float[Tensor, "pair 1 y x"], there: Float[Tensor, "pair 1 y x"], start: Int64[Tensor, "pair 2 y x"]
) -> tuple[Int64[Tensor, "pair 2 rows columns"], Float[Tensor, "pair 1 rows columns"]]:
    """Each block's best shift near the one that its middle starts from, and its correlation.

    The whole window of a block moves by one shift: a start that differs from block to block mixes nothing.
    """
    height, width = here.shape[2:]
    row, column = (
        (torch.arange(0, n, BLOCK, device=here.device) + BLOCK // 2).clamp(max=n - 1) for n in (height, width)
    )
    middle = torch.stack(torch.meshgrid(row, column, indexing="ij"))[None]
    start = start[:, :, row][..., column]
    own = _windows(here, middle.expand_as(start))
    best, shift = torch.full_like(start[:, :1], -2.0, dtype=here.dtype), start
    for dy, dx in _steps(FINE_REACH):
        tried = start + _step(dy, dx, like=start)
        correlation = (own * _windows(there, middle + tried)).sum(1, keepdim=True)
        better = correlation > best
        best, shift = torch.where(better, correlation, best), torch.where(better, tried, shift)
    return shift, best


def _windows(
    maps: Float[Tensor, "pair 1 y x"], middle: Int64[Tensor, "pair 2 rows columns"]
) -> Float[Tensor, "pair pixel rows columns"]:
    """The windows around places, each less its mean and of length 1 unless it is empty; faces are repeated outwards."""
    height, width = maps.shape[2:]
    away = torch.arange(WINDOW, device=maps.device) - WINDOW // 2
    row = (middle[:, 0, None] + away.repeat_interleave(WINDOW)[:, None, None]).clamp(0, height - 1)
    column = (middle[:, 1, None] + away.repeat(WINDOW)[:, None, None]).clamp(0, width - 1)
    index = row * width + column
    pixels = maps.flatten(1).gather(1, index.flatten(1)).reshape(index.shape)
    pixels = pixels - pixels.mean(1, keepdim=True)
    return pixels / (pixels.square().sum(1, keepdim=True)).clamp(min=LEAST_VARIANCE * WINDOW**2).sqrt()


def _moved(padded: Float[Tensor, "pair 1 y x"]) -> Iterator[tuple[int, int, Tensor]]:
    """Every shift within the coarse reach, and the sections so shifted."""
    reach = COARSE_REACH
    height, width = (n - 2 * reach for n in padded.shape[2:])
    for dy, dx in _steps(reach):
        yield dy, dx, padded[..., reach + dy : reach + dy + height, reach + dx : reach + dx + width]


def _steps(reach: int) -> list[tuple[int, int]]:
    """Every shift within reach, the short ones first."""
    either = range(-reach, reach + 1)
    return sorted(((y, x) for y in either for x in either), key=lambda s: (s[0] ** 2 + s[1] ** 2, s))


def _step(dy: int, dx: int, *, like: Tensor) -> Tensor:
    return torch.tensor([dy, dx], device=like.device).reshape(1, 2, 1, 1)


def _mean_and_spread(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = _box_mean(x)
    return mean, (_box_mean(x.square()) - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()


def _box_mean(x: Tensor) -> Tensor:
    """Mean of the window around each pixel, or of what of it lies within the section: differences of running sums."""
    for dim in (2, 3):
        size = x.shape[dim]
        at = torch.arange(size, device=x.device)
        first, beyond = (at - WINDOW // 2).clamp(min=0), (at + WINDOW // 2 + 1).clamp(max=size)
        sums = F.pad(x.cumsum(dim), (0, 0, 1, 0) if dim == 2 else (1, 0))
        count = (beyond - first).reshape(-1, *[1] * (3 - dim))
        x = (sums.index_select(dim, beyond) - sums.index_select(dim, first)) / count
    return x


def _spread(values: Tensor, *, factor: int, height: int, width: int) -> Tensor:
    """Each pixel gets the value of the block that it lies in."""
    row, column = (torch.arange(n, device=values.device) // factor for n in (height, width))
    return values[:, :, row.clamp(max=values.shape[2] - 1)][..., column.clamp(max=values.shape[3] - 1)]


def _stays_inside(shift: Int64[Tensor, "pair 2 y x"]) -> Bool[Tensor, "pair y x"]:
    height, width = shift.shape[2:]
    row = torch.arange(height, device=shift.device)[:, None] + shift[:, 0]
    column = torch.arange(width, device=shift.device) + shift[:, 1]
    return (row >= 0) & (row < height) & (column >= 0) & (column < width)
