"""What the student is asked to match: the teacher's boundary, HQ feature and embedding (METHOD §5)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def boundary_loss(
    logits: Float[Tensor, "batch 1 z y x"], target: Float[Tensor, "batch 1 z y x"], *, membrane_weight: float
) -> Float[Tensor, ""]:
    """Cross-entropy with a soft target 0–1, membrane weighted.

    Source: the paper's BCE; the weight is our choice (1 is the paper's).
    """
    weight = 1 + (membrane_weight - 1) * target
    return (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).mean()


def map_loss(
    student: Float[Tensor, "batch channel z y x"], teacher: Float[Tensor, "batch channel z y x"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of two stacks of maps (the paper's L1)."""
    return (student - teacher).abs().mean()


class Standardise(nn.Module):
    """Per-channel standardisation of a teacher's maps by running mean and variance (METHOD, Choice 9).

    Channels of a teacher differ in size by orders of magnitude; without this the L1 terms see the largest few alone.
    """

    mean: Tensor
    square: Tensor
    seen: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("square", torch.ones(channels))
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def forward(self, maps: Float[Tensor, "batch channel z y x"]) -> Float[Tensor, "batch channel z y x"]:
        """The maps with about zero mean and unit variance a channel; every call also updates the running values."""
        mean, square = maps.mean((0, 2, 3, 4)), maps.square().mean((0, 2, 3, 4))
        self.seen += 1
        momentum = torch.clamp(1 / self.seen, min=self.momentum)
        self.mean += momentum * (mean - self.mean)
        self.square += momentum * (square - self.square)
        spread = (self.square - self.mean.square()).clamp(min=1e-6).sqrt()
        shape = (1, -1, 1, 1, 1)
        return (maps - self.mean.reshape(shape)) / spread.reshape(shape)
