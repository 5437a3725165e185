"""The promptable half of SAEM² in small: prompt encoder and two-way decoder on the maps of the frozen network.

Everything happens in a window of 192 × 192 pixels around the prompt, cut from maps that were made once for the whole
section: an answer costs the same in a section of any size, and an object that is larger than the window is cut at it.

Source: METHOD §4 and the SAM paper (Fourier positions, IoU and mask tokens, two-way attention, a mask token's MLP
gives the weights that sum fine features). Our choices: the window; two layers of width 128; boundary and distance
join the HQ feature; prompts are also painted into the window as hints, which teaches a small decoder much faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.saem2.network import EMBEDDING_CHANNELS, FEATURE_CHANNELS, Heads

WINDOW = 192
"""Edge of the window that an answer is drawn in, pixels of the section."""

STRIDE = 8
"""Pixels of the section for one image token along y and x."""

WIDTH = 128
MIDDLE = 64
FINE = 16
ATTENTION_HEADS = 4
DETAIL_CHANNELS = FEATURE_CHANNELS + 2 * 4
FIRST_GUESS = -3.0
"""Logit of every pixel before anything is learned: an object fills little of its window."""

MARGIN = WINDOW // 2 + STRIDE


class Kind(IntEnum):
    """What a prompt token stands for; ``NOTHING`` fills up the shorter prompts of a batch."""

    NOTHING = 0
    OFF_OBJECT = 1
    ON_OBJECT = 2
    BOX_START = 3
    BOX_STOP = 4


class Hint(IntEnum):
    """Channels of the painted prompts."""

    ON_OBJECT = 0
    OFF_OBJECT = 1
    BOX = 2
    MASK = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """Prompts, each placed in a window of its own.

    Parameters
    ----------
    starts
        First pixel of each window in the section, y and x, multiples of 8; may lie outside the section.
    points
        Points and box corners: y, x in pixels of the window.
    kinds
        Numbers of `Kind`, one a point.
    hints
        Prompts painted into the window, 0 or 1, one channel for each `Hint`.
    """

    starts: Int[np.ndarray, "batch 2"]
    points: Float[Tensor, "batch point 2"]
    kinds: Int[Tensor, "batch point"]
    hints: Float[Tensor, "batch hint y x"]


class Maps(NamedTuple):
    """What prompts are answered from: image tokens (stride 8), middle (4) and fine (2) features.

    Of whole sections with a margin on all sides; or of the windows cut from them.
    """

    image: Float[Tensor, "batch wide y//8 x//8"]
    middle: Float[Tensor, "batch middle y//4 x//4"]
    fine: Float[Tensor, "batch fine y//2 x//2"]


class PromptDecoder(nn.Module):
    """Maps and prompts enter, mask logits and predicted IoU leave."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Conv2d(EMBEDDING_CHANNELS, WIDTH, 1)
        self.middle = nn.Conv2d(DETAIL_CHANNELS, MIDDLE, 2, stride=2)
        self.fine = nn.Conv2d(DETAIL_CHANNELS, FINE, 3, padding=1)
        self.hints = HintEncoder()
        self.positions = Positions()
        self.kinds = nn.Embedding(len(Kind), WIDTH)
        self.own_tokens = nn.Parameter(torch.randn(2, WIDTH))
        self.layers = nn.ModuleList([TwoWay(), TwoWay()])
        self.last = Attention()
        self.last_norm = nn.LayerNorm(WIDTH)
        self.to_middle = nn.ConvTranspose2d(WIDTH, MIDDLE, 2, stride=2)
        self.mix_middle = nn.Conv2d(MIDDLE, MIDDLE, 3, padding=1)
        self.to_fine = nn.ConvTranspose2d(MIDDLE, FINE, 2, stride=2)
        self.mix_fine = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.weights = _mlp(4 * (FINE + 1))
        self.iou = _mlp(1)
        self._guess_little()

    def _guess_little(self) -> None:
        last = self.weights[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.unflatten(0, (4, FINE + 1))[:, -1] = FIRST_GUESS

    def read(self, heads: Heads) -> Maps:
        """The maps of whole sections, their margins filled with zeros."""
        finest = torch.stack([heads.boundary, heads.distance], 1).sigmoid()
        detail = torch.cat([heads.feature, F.pixel_unshuffle(finest, 2)], 1)
        maps = self.image(heads.embedding), self.middle(detail), self.fine(detail)
        return Maps(*(F.pad(m, [MARGIN // s] * 4) for m, s in zip(maps, (8, 4, 2), strict=True)))

    def forward(self, windows: Maps, placed: Placed) -> tuple[Float[Tensor, "batch y x"], Float[Tensor, " batch"]]:
        """Logits of the mask, one a pixel of the window, and of the predicted IoU.

        Parameters
        ----------
        windows
            As `cut` gives them.
        placed
            One prompt for each window.
        """
        coarse_hint, middle_hint, fine_hint = self.hints(placed.hints)
        tokens, image = self._attend(windows.image + coarse_hint, placed)
        x = F.relu(self.to_middle(image) + windows.middle + middle_hint)
        x = x + F.relu(self.mix_middle(x))
        x = F.relu(self.to_fine(x) + windows.fine + fine_hint)
        x = x + F.relu(self.mix_fine(x))
        weights = self.weights(tokens[:, 1]).unflatten(1, (4, FINE + 1))
        logits = torch.einsum("bcyx,bsc->bsyx", x, weights[..., :-1]) + weights[..., -1, None, None]
        return F.pixel_shuffle(logits, 2)[:, 0], self.iou(tokens[:, 0])[:, 0]

    def _attend(self, image: Tensor, placed: Placed) -> tuple[Tensor, Tensor]:
        """Tokens and image tokens after they looked at each other."""
        cells = image.shape[-2:]
        image = image.flatten(2).transpose(1, 2)
        middle = placed.hints.shape[-1] / 2
        image_places = self.positions(_centres(*cells, device=image.device) - middle)
        prompts = self.positions(placed.points - middle) + self.kinds(placed.kinds)
        tokens = torch.cat([self.own_tokens.expand(len(prompts), -1, -1), prompts], 1)
        places, real = tokens, F.pad(placed.kinds != Kind.NOTHING, (2, 0), value=True)
        for layer in self.layers:
            tokens, image = layer(tokens, image, places=places, image_places=image_places, real=real)
        tokens = self.last_norm(tokens + self.last(tokens + places, image + image_places, image))
        return tokens, image.transpose(1, 2).unflatten(2, cells)


class HintEncoder(nn.Module):
    """Painted prompts brought to strides 8, 4 and 2; a learned vector stands in for an absent mask."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(len(Hint), FINE, 2, stride=2)
        self.middle = nn.Conv2d(FINE, MIDDLE, 2, stride=2)
        self.coarse = nn.Conv2d(MIDDLE, WIDTH, 2, stride=2)
        self.no_mask = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, hints: Float[Tensor, "batch hint y x"]) -> tuple[Tensor, Tensor, Tensor]:
        """Hints at strides 8, 4 and 2."""
        fine = F.relu(self.enter(hints))
        middle = F.relu(self.middle(fine))
        absent = (hints[:, Hint.MASK].amax((1, 2)) == 0).to(middle.dtype)
        return self.coarse(middle) + (absent[:, None] * self.no_mask)[..., None, None], middle, fine


class Positions(nn.Module):
    """Sines and cosines of random directions of y, x (Source: SAM's Fourier features)."""

    directions: Tensor

    def __init__(self, *, scale: float = 1.5) -> None:
        super().__init__()
        self.register_buffer("directions", scale * torch.randn(2, WIDTH // 2))

    def forward(self, places: Float[Tensor, "*batch point 2"]) -> Float[Tensor, "*batch point wide"]:
        """Codes of places, in pixels from the middle of the window."""
        angles = 4 * math.pi * (places / WINDOW) @ self.directions
        return torch.cat([angles.sin(), angles.cos()], -1)


class TwoWay(nn.Module):
    """Tokens look at each other and at the image, think, and are looked at by the image."""

    def __init__(self) -> None:
        super().__init__()
        self.among_tokens, self.to_image, self.from_image = Attention(), Attention(), Attention()
        self.think = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(4))

    def forward(
        self, tokens: Tensor, image: Tensor, *, places: Tensor, image_places: Tensor, real: Bool[Tensor, "batch token"]
    ) -> tuple[Tensor, Tensor]:
        """Tokens and image tokens, both changed."""
        one, two, three, four = self.norms
        tokens = one(tokens + self.among_tokens(tokens + places, tokens + places, tokens, real=real))
        tokens = two(tokens + self.to_image(tokens + places, image + image_places, image))
        tokens = three(tokens + self.think(tokens))
        image = four(image + self.from_image(image + image_places, tokens + places, tokens, real=real))
        return tokens, image


class Attention(nn.Module):
    """Attention of four heads at half the width; keys that are not real are not looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH // 2) for _ in range(3))
        self.out = nn.Linear(WIDTH // 2, WIDTH)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, *, real: Bool[Tensor, "batch token"] | None = None
    ) -> Tensor:
        """What each query sees."""
        q, k, v = (_split(x) for x in (self.query(query), self.key(key), self.value(value)))
        likeness = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if real is not None:
            likeness = likeness.masked_fill(~real[:, None, None, :], -math.inf)
        seen: Tensor = self.out((likeness.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return seen


def cut(
    maps: Maps,
    starts: Int[np.ndarray, "batch 2"],
    *,
    window: int = WINDOW,
    sections: Int[np.ndarray, " batch"] | None = None,
) -> Maps:
    """The windows that begin at ``starts`` (pixels of the section, multiples of 8), from the maps of sections.

    Parameters
    ----------
    maps
        As `PromptDecoder.read` gives them.
    starts
        First pixel of each window, y and x.
    window
        Edge of a window, pixels.
    sections
        Which section of the maps each window is cut from; absent where there is one.
    """
    of = [0] * len(starts) if sections is None else sections.tolist()
    cut_maps = []
    for m, stride in zip(maps, (8, 4, 2), strict=True):
        n, corners = window // stride, ((starts + MARGIN) // stride).tolist()
        cut_maps.append(torch.stack([m[i, :, y : y + n, x : x + n] for i, (y, x) in zip(of, corners, strict=True)]))
    return Maps(*cut_maps)


def _centres(rows: int, columns: int, *, device: torch.device) -> Tensor:
    """Centres of the window's cells, y and x in its pixels, row by row."""
    y, x = (torch.arange(n, device=device).add(0.5) * STRIDE for n in (rows, columns))
    return torch.cartesian_prod(y, x)


def _split(x: Tensor) -> Tensor:
    return x.unflatten(-1, (ATTENTION_HEADS, -1)).transpose(1, 2)


def _mlp(out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, out))
