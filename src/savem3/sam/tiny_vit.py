"""TinyViT-5M, the image encoder of MobileSAM and of the light HQ-SAM, with the names of their checkpoints.

A stem of two convolutions (a quarter of the resolution, 64 channels), a stage of inverted bottlenecks, and three stages
of attention in windows. Each stage but the last ends by merging pixels: to 1/8 with 128 channels, 1/16 with 160, and
320 without a change of resolution; a neck brings them to SAM's 256.

Source: the TinyViT paper (Wu and others, ECCV 2022) for the blocks; MobileSAM (Zhang and others, 2023) for depths,
heads, windows, the merging without a stride and the neck; HQ-SAM's light model for the early features, which leave the
second stage with 160 channels at 1/16. MobileSAM's files also hold a classifier that nothing uses; it is left out.

| part | values that learn |
|---|---|
| TinyViT with its neck | 5,743,892 |
| MobileSAM: with prompt encoder (6,476), mask decoder (4,058,340) | 9,808,708 |
| the light HQ-SAM: its decoder has 448,512 more | 10,257,220 |

The published count of MobileSAM is 9.66M, 3.876M of it the decoder, so 5.784M the encoder. Ours is 1.5 % above that
in all: 0.7 % below in the encoder, and above in the decoder, which holds 4,058,340 values in the file of every SAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 4
"""How many times wider the inside of a bottleneck and of an MLP is."""


@dataclass(frozen=True, slots=True)
class TinyVitShape:
    """The numbers of a TinyViT; those of MobileSAM unless told otherwise.

    Parameters
    ----------
    image_size
        Edge of a tile, pixels; a multiple of 16.
    widths
        Channels of the four stages; the third is merged without a stride.
    depths
        Blocks of the four stages.
    heads, windows
        Attention heads, and edge of a window, of the last three stages.
    wide
        Channels of the embedding.
    """

    image_size: int = 1024
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int] = (4, 5, 10)
    windows: tuple[int, int, int] = (7, 14, 7)
    wide: int = 256

    @property
    def settings(self) -> dict[str, Any]:
        """As plain JSON values; tuples come back as lists."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def of(cls, settings: dict[str, Any]) -> TinyVitShape:
        """The shape that `settings` told of."""
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}
        return cls(**given)


class EncoderOutput(NamedTuple):
    """What SAM's models in `transformers` want of their image encoder.

    Parameters
    ----------
    last_hidden_state
        The embedding, 1/16 of the pixels.
    intermediate_embeddings
        The early features that HQ-SAM compresses, channels last.
    hidden_states, attentions
        Always absent.
    """

    last_hidden_state: Float[Tensor, "batch wide rows columns"]
    intermediate_embeddings: list[Tensor]
    hidden_states: None = None
    attentions: None = None


class TinyVit(nn.Module):
    """An image encoder that can stand as ``vision_encoder`` of a `transformers.SamModel` or `SamHQModel`."""

    def __init__(self, shape: TinyVitShape | None = None) -> None:
        super().__init__()
        self.shape = shape or TinyVitShape()
        widths, deep = self.shape.widths, zip(self.shape.depths[1:], self.shape.heads, self.shape.windows, strict=True)
        self.patch_embed = Stem(widths[0])
        stages: list[nn.Module] = [Stage([Bottleneck(widths[0]) for _ in range(self.shape.depths[0])], *widths[:2])]
        for i, (depth, heads, window) in enumerate(deep, start=1):
            blocks = [WindowBlock(widths[i], heads=heads, window=window) for _ in range(depth)]
            stages.append(Stage(blocks, widths[i], widths[i + 1] if i < 3 else None, stride=2 if i == 1 else 1))
        self.layers = nn.ModuleList(stages)
        self.neck = Neck(widths[3], self.shape.wide)

    def forward(self, pixel_values: Float[Tensor, "batch 3 y x"], **_: object) -> EncoderOutput:
        """Encode tiles; other arguments, which `transformers` hands to its own encoders, mean nothing here.

        Raises
        ------
        ValueError
            If tiles are not of the image size.
        """
        if (got := tuple(pixel_values.shape[2:])) != (self.shape.image_size,) * 2:
            raise ValueError(f"pixel_values must be tiles of {self.shape.image_size} × itself, got {got}")
        maps, early = self.patch_embed(pixel_values), []
        for i, stage in enumerate(self.layers):
            maps = stage(maps)
            if i == 1:
                early.append(maps.permute(0, 2, 3, 1))
        return EncoderOutput(self.neck(maps), early)


class ConvNorm(nn.Module):
    """A convolution without bias, and batch normalisation."""

    def __init__(self, start: int, stop: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(start, stop, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(stop)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        normed: Tensor = self.bn(self.c(maps))
        return normed


class Stem(nn.Module):
    """Two convolutions of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first = ConvNorm(3, width // 2, kernel=3, stride=2)
        self.seq = nn.Sequential(first, nn.GELU(), ConvNorm(width // 2, width, kernel=3, stride=2))

    def forward(self, pixels: Float[Tensor, "batch 3 y x"]) -> Tensor:
        maps: Tensor = self.seq(pixels)
        return maps


class Bottleneck(nn.Module):
    """Inverted bottleneck: widen, look around per channel, narrow, add."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * EXPANSION
        self.conv1 = ConvNorm(width, inner)
        self.conv2 = ConvNorm(inner, inner, kernel=3, groups=inner)
        self.conv3 = ConvNorm(inner, width)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        inner = F.gelu(self.conv2(F.gelu(self.conv1(maps))))
        return F.gelu(maps + self.conv3(inner))


class Merging(nn.Module):
    """The end of a stage: other channels, and with stride 2 half the resolution."""

    def __init__(self, start: int, stop: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(start, stop)
        self.conv2 = ConvNorm(stop, stop, kernel=3, stride=stride, groups=stop)
        self.conv3 = ConvNorm(stop, stop)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(maps)))))
        return merged


class Stage(nn.Module):
    """Blocks of one width, and the merging after them."""

    def __init__(self, blocks: Sequence[nn.Module], start: int, stop: int | None, *, stride: int = 2) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = None if stop is None else Merging(start, stop, stride=stride)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        for block in self.blocks:
            maps = block(maps)
        return maps if self.downsample is None else self.downsample(maps)


class WindowBlock(nn.Module):
    """Attention in windows, a convolution per channel, an MLP."""

    def __init__(self, width: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads=heads, window=window)
        self.local_conv = ConvNorm(width, width, kernel=3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        maps = maps + self._attend(maps)
        return self.mlp(self.local_conv(maps))

    def _attend(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        """Attention within windows; zeros continue the last ones."""
        (rows, columns), window = maps.shape[2:], self.window
        padded = F.pad(maps, (0, -columns % window, 0, -rows % window))
        down, across = (n // window for n in padded.shape[2:])
        cut = padded.unflatten(3, (across, window)).unflatten(2, (down, window))
        tokens = cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, window * window, maps.shape[1])
        seen = self.attn(tokens).reshape(-1, down, across, window, window, maps.shape[1])
        return seen.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)[:, :, :rows, :columns]


class WindowAttention(nn.Module):
    """Attention among the tokens of a window; each head learns what every distance along y and x adds."""

    def __init__(self, width: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, tokens: Float[Tensor, "window token wide"]) -> Tensor:
        # each head's query, key and value stand side by side
        parts = self.qkv(self.norm(tokens)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        query, key, value = parts.chunk(3, dim=3)
        bias = self.attention_biases[:, distances(self.window).to(tokens.device)]
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None].to(query.dtype))
        joined: Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return joined


class Mlp(nn.Module):
    """Widen, narrow, add; per pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width * EXPANSION)
        self.fc2 = nn.Linear(width * EXPANSION, width)

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        tokens = self.fc2(F.gelu(self.fc1(self.norm(maps.permute(0, 2, 3, 1)))))
        return maps + tokens.permute(0, 3, 1, 2)


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, maps: Float[Tensor, "batch channel y x"]) -> Tensor:
        last = F.layer_norm(maps.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return last.permute(0, 3, 1, 2)


class Neck(nn.Sequential):
    """To SAM's channels."""

    def __init__(self, start: int, stop: int) -> None:
        look = nn.Conv2d(stop, stop, 3, padding=1, bias=False)
        super().__init__(nn.Conv2d(start, stop, 1, bias=False), PixelNorm(stop), look, PixelNorm(stop))


def distances(window: int) -> Int[Tensor, "token token"]:
    """For each pair of tokens of a window, its distance along y times the window's edge, plus that along x."""
    y, x = torch.arange(window * window) // window, torch.arange(window * window) % window
    return (y[:, None] - y).abs() * window + (x[:, None] - x).abs()
