"""SAEM² in small: one encoder, the HQ feature, and light decoders for membrane (BDY) and distance (DST).

Strides count pixels of the section that goes in (about 8–10 nm): boundary and distance 1, HQ feature 2, embedding 8:
the ratios of METHOD §1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (32, 64, 96)
FEATURE_CHANNELS = 32
EMBEDDING_CHANNELS = 256
FINE_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class Heads:
    """What the network says of a batch of sections.

    Parameters
    ----------
    boundary, distance
        Logits, one a pixel.
    feature
        HQ feature at stride 2.
    embedding
        Image embedding at stride 8.
    """

    boundary: Float[Tensor, "batch y x"]
    distance: Float[Tensor, "batch y x"]
    feature: Float[Tensor, "batch channel y//2 x//2"]
    embedding: Float[Tensor, "batch wide y//8 x//8"]


class Saem2(nn.Module):
    """Encoder → embedding; HQ feature = decoded embedding + early features; one token with its own MLP for each head.

    Source: METHOD §4 (HQ feature as a sum of the decoded embedding and of early features; BDY and DST as extra tokens).
    Our choices: a small convolutional encoder instead of a ViT; the two tokens never meet a prompt, so that boundary
    and distance cannot depend on one (Choice 4, made exact); one fusing block shared by the heads (Choice 3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.fuse = Fuse()
        self.fine = nn.Conv2d(FEATURE_CHANNELS, 4 * FINE_CHANNELS, 3, padding=1)
        self.boundary = Token()
        self.distance = Token()

    def forward(self, sections: Float[Tensor, "batch y x"]) -> Heads:
        """Look at sections of grey values in −1…1; y and x multiples of 8."""
        early, middle, embedding = self.encoder(sections[:, None])
        feature = self.fuse(early, middle, embedding)
        fine = F.relu(F.pixel_shuffle(self.fine(feature), 2))
        return Heads(self.boundary(fine), self.distance(fine), feature, embedding)


class Encoder(nn.Module):
    """2 × 2 pixels become channels, then three residual levels and a neck to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, WIDTHS[0], 3, padding=1)
        self.levels = nn.ModuleList(Block(i, o) for i, o in zip((WIDTHS[0], *WIDTHS[:-1]), WIDTHS, strict=True))
        self.deep = Block(WIDTHS[-1], WIDTHS[-1])
        self.neck = nn.Conv2d(WIDTHS[-1], EMBEDDING_CHANNELS, 1)

    def forward(self, sections: Float[Tensor, "batch 1 y x"]) -> tuple[Tensor, Tensor, Tensor]:
        """Early features (stride 2), middle features (stride 4), embedding (stride 8)."""
        early = self.levels[0](self.stem(F.pixel_unshuffle(sections, 2)))
        middle = self.levels[1](F.max_pool2d(early, 2))
        deep = self.deep(self.levels[2](F.max_pool2d(middle, 2)))
        return early, middle, self.neck(deep)


class Fuse(nn.Module):
    """HQ feature: the embedding brought up to stride 2, plus compressed early and middle features, mixed once more."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(EMBEDDING_CHANNELS, WIDTHS[1], 1)
        self.middle = Block(WIDTHS[1], WIDTHS[1])
        self.up = nn.Conv2d(WIDTHS[1], FEATURE_CHANNELS, 1)
        self.early = nn.Conv2d(WIDTHS[0], FEATURE_CHANNELS, 1)
        self.mix = Block(FEATURE_CHANNELS, FEATURE_CHANNELS)

    def forward(self, early: Tensor, middle: Tensor, embedding: Tensor) -> Tensor:
        """The HQ feature."""
        x = self.middle(_double(self.embedding(embedding)) + middle)
        feature: Tensor = self.mix(_double(self.up(x)) + self.early(early))
        return feature


class Token(nn.Module):
    """A learned token whose MLP gives the weights with which fine features are summed to one map of logits."""

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(width))
        self.weights = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, FINE_CHANNELS + 1))

    def forward(self, fine: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch y x"]:
        """Logits of one map."""
        weights = self.weights(self.token)
        return torch.einsum("bcyx,c->byx", fine, weights[:-1]) + weights[-1]


class Block(nn.Module):
    """conv 3×3 → BN → ReLU, then conv 3×3 → BN added to it → ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.enter_norm = nn.BatchNorm2d(width)
        self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.one_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, in ``width`` channels."""
        skip = F.relu(self.enter_norm(self.enter(x)))
        return F.relu(skip + self.one_norm(self.one(skip)))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
