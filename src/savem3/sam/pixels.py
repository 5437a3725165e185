"""Between a section and the encoder: grey values in, mask prompts in, masks out; and where (y, x) becomes (x, y)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from savem3.sam.decoding import Tokens
from savem3.sam.windows import Extent, Window

MEAN = (123.675, 116.28, 103.53)
SPREAD = (58.395, 57.12, 57.375)
"""Of the three channels, grey values 0–255. Source: SAM's published preprocessing; those of ImageNet."""

MASK_LOGIT = 7.0
"""A pixel of a mask prompt is given to SAM as this logit, one outside as minus it: probabilities of 0.999 and 0.001.

Source: SAM was trained with the logits of its own earlier masks; how to write a mask that is certain is our choice."""

FINE = 4
"""Pixels of the encoder along an edge of a pixel of SAM's masks."""


def extent_of(prompt: Prompt) -> Extent:
    """What a prompt names: its box, that of its mask, or that of the pixels of its points."""
    if isinstance(prompt, BoxPrompt):
        return prompt.y_start, prompt.x_start, prompt.y_stop, prompt.x_stop
    if isinstance(prompt, PointPrompt):
        return min(prompt.y), min(prompt.x), nextafter(max(prompt.y), inf), nextafter(max(prompt.x), inf)
    rows, columns = (np.flatnonzero(prompt.mask.any(axis)) for axis in (1, 0))
    return float(rows[0]), float(columns[0]), float(rows[-1]) + 1, float(columns[-1]) + 1


def to_encoder(
    pixels: UInt8[np.ndarray, "y x"], *, seen: tuple[int, int], tile: int
) -> Float[Tensor, "1 3 rows columns"]:
    """A window as the encoder wants it: resized, in three equal channels, standardised, then zeros to the tile's end.

    Source: SAM's published preprocessing; resizing is Pillow's bilinear, which smooths where it makes smaller.
    """
    grey = Image.fromarray(np.ascontiguousarray(pixels))
    resized = grey if pixels.shape == seen else grey.resize(seen[::-1], Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(resized, np.float32))
    mean, spread = (torch.tensor(v)[:, None, None] for v in (MEAN, SPREAD))
    return F.pad((values - mean) / spread, (0, tile - seen[1], 0, tile - seen[0]))[None]


def to_tokens(prompts: Sequence[Prompt], window: Window, *, tile: int) -> Tokens:
    """Prompts of one kind, with equally many points, as SAM wants them."""
    first = prompts[0]
    if isinstance(first, MaskPrompt):
        return Tokens(masks=torch.stack([_mask_logits(p, window, tile=tile) for p in prompts]))
    extents = [_places_of(p) for p in prompts]
    places = torch.from_numpy((np.stack(extents) - (window.y, window.x)) * _ratio(window)).float()
    # SAM moves places by half a pixel itself
    xy = places.flip(-1) - 0.5
    if isinstance(first, BoxPrompt):
        return Tokens(boxes=xy.flatten(1))
    return Tokens(points=xy, labels=torch.tensor([p.inside for p in prompts]).int())  # type: ignore[union-attr]


def to_section(logits: Float[Tensor, "mask rows columns"], window: Window, *, tile: int) -> Float[Tensor, "mask y x"]:
    """SAM's masks as logits of the window's pixels: enlarged to the tile, cut where padding begins, resized.

    Source: SAM's published postprocessing, bilinear both times.
    """
    rows, columns = window.seen
    fine = F.interpolate(logits[None].float(), (tile, tile), mode="bilinear", align_corners=False)
    fine = fine[..., :rows, :columns]
    if (rows, columns) != (window.rows, window.columns):
        fine = F.interpolate(fine, (window.rows, window.columns), mode="bilinear", align_corners=False)
    return fine[0]


def _places_of(prompt: Prompt) -> Float[np.ndarray, "place 2"]:
    """Middles of points' pixels, or the two corners of a box; y and x."""
    if isinstance(prompt, BoxPrompt):
        return np.array([(prompt.y_start, prompt.x_start), (prompt.y_stop, prompt.x_stop)], np.float64)
    assert isinstance(prompt, PointPrompt)
    return np.stack([prompt.y, prompt.x], 1).astype(np.float64) + 0.5


def _ratio(window: Window) -> tuple[float, float]:
    """Pixels of the encoder along a pixel of the section, after rounding, along y and x."""
    return window.seen[0] / window.rows, window.seen[1] / window.columns


def _mask_logits(prompt: Prompt, window: Window, *, tile: int) -> Float[Tensor, "rows columns"]:
    """A mask prompt in a window; a pixel that it fills in part lies between the two logits."""
    assert isinstance(prompt, MaskPrompt)
    pixels = torch.from_numpy(prompt.mask[window.slices].astype(np.float32))[None, None]
    rows, columns = window.seen
    if pixels.shape[2:] != (rows, columns):
        pixels = F.interpolate(pixels, (rows, columns), mode="bilinear", antialias=True)
    padded = F.pad(pixels, (0, tile - columns, 0, tile - rows))
    return (F.avg_pool2d(padded, FINE)[0, 0] * 2 - 1) * MASK_LOGIT


def whole(mask: Bool[np.ndarray, "rows columns"], window: Window, *, shape: tuple[int, int]) -> Bool[np.ndarray, "y x"]:
    """A window's mask in the section, nothing beyond the window."""
    if mask.shape == shape:
        return mask
    section = np.zeros(shape, bool)
    section[window.slices] = mask
    return section
