"""The published student: a residual symmetric 3D U-Net with 6,721,825 parameters."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.distill.student import Student

WIDTHS = (32, 64, 128, 256)
MOMENTUM = 0.001


class Superhuman(Student):
    """Four levels of widths 32, 64, 128, 256, pooled by (1, 2, 2) between them.

    Source: METHOD §5. Parameters and widths are the paper's; biases sit in the first, the last two and the up-sampling
    convolutions only, which is what the published count of 6,721,825 leaves room for.
    """

    feature_width: ClassVar[int] = 32
    embedding_width: ClassVar[int] = WIDTHS[-1]

    def __init__(self, *, outputs: int = 1) -> None:
        super().__init__(outputs=outputs)
        self.first = nn.Conv3d(1, WIDTHS[0], (1, 5, 5), padding=(0, 2, 2))
        fine_to_coarse = zip((WIDTHS[0], *WIDTHS[:-1]), WIDTHS, strict=True)
        self.down = nn.ModuleList(Residual(i, o) for i, o in fine_to_coarse)
        coarse_to_fine = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.grow = nn.ModuleList(Grow(i, o) for i, o in coarse_to_fine)
        self.mix = nn.ModuleList(nn.BatchNorm3d(2 * o, momentum=MOMENTUM) for _, o in coarse_to_fine)
        self.up = nn.ModuleList(Residual(2 * o, o) for _, o in coarse_to_fine)
        self.last = nn.Conv3d(WIDTHS[0], WIDTHS[0], (1, 5, 5), padding=(0, 2, 2))
        self.out = nn.Conv3d(WIDTHS[0], outputs, 1)
        self.apply(_start)

    def levels(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs, the first 32 channels of the second decoder stage (½), and the centre (⅛)."""
        x = F.elu(self.first(raw))
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool3d(x, (1, 2, 2)))
            skips.append(x)
        decoded = []
        for skip, grow, mix, block in zip(skips[-2::-1], self.grow, self.mix, self.up, strict=True):
            x = block(F.elu(mix(torch.cat([grow(x), skip], dim=1))))
            decoded.append(x)
        return self.out(F.elu(self.last(x))), decoded[1][:, : self.feature_width], skips[-1]


class Residual(nn.Module):
    """conv 1×3×3 → BN → ELU, then conv 3³ → BN → ELU → conv 3³ added to it, → BN → ELU."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv3d(channels, width, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.enter_norm = nn.BatchNorm3d(width, momentum=MOMENTUM)
        self.one = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.one_norm = nn.BatchNorm3d(width, momentum=MOMENTUM)
        self.two = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.two_norm = nn.BatchNorm3d(width, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, in ``width`` channels."""
        skip = F.elu(self.enter_norm(self.enter(x)))
        inner = F.elu(self.one_norm(self.one(skip)))
        return F.elu(self.two_norm(skip + self.two(inner)))


class Grow(nn.Module):
    """Depthwise transposed convolution by (1, 2, 2), then 1×1×1 to fewer channels."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.spread = nn.ConvTranspose3d(channels, channels, (1, 2, 2), stride=(1, 2, 2), groups=channels)
        self.mix = nn.Conv3d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Twice the size in y and x."""
        grown: Tensor = self.mix(self.spread(x))
        return grown


def _start(layer: nn.Module) -> None:
    """Kaiming-normal weights, zero biases."""
    if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
