"""What the student is asked to match: the teacher's boundary, distance, HQ feature and embedding (METHOD §5)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

DISTANCE_BEND = 0.1
"""Where the smooth L1 of the distance goes from square to straight; distances are 0–1."""


def mean_within(
    values: Float[Tensor, "batch channel z y x"], mask: Float[Tensor, "batch 1 z y x"] | None
) -> Float[Tensor, ""]:
    """Mean of values, weighted by a mask 0–1 if there is one; 0 where nothing counts."""
    if mask is None:
        return values.mean()
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp(min=1e-6)


def boundary_loss(
    logits: Float[Tensor, "batch 1 z y x"],
    target: Float[Tensor, "batch 1 z y x"],
    *,
    membrane_weight: float,
    mask: Float[Tensor, "batch 1 z y x"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy with a soft target 0–1, membrane weighted, where the mask lets it count.

    Source: the paper's BCE; the weight is our choice (1 is the paper's).
    """
    weight = 1 + (membrane_weight - 1) * target
    return mean_within(F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight, mask)


def map_loss(
    student: Float[Tensor, "batch channel z y x"],
    teacher: Float[Tensor, "batch channel z y x"],
    *,
    mask: Float[Tensor, "batch 1 z y x"] | None = None,
) -> Float[Tensor, ""]:
    """Mean absolute difference of two stacks of maps (the paper's L1), where the mask lets it count."""
    return mean_within((student - teacher).abs(), mask)


def distance_loss(
    distance: Float[Tensor, "batch 1 z y x"],
    target: Float[Tensor, "batch 1 z y x"],
    *,
    mask: Float[Tensor, "batch 1 z y x"] | None = None,
) -> Float[Tensor, ""]:
    """Smooth L1 of two truncated distances 0–1; a voxel whose target is NaN does not count (METHOD, Choice 11)."""
    known = target.isfinite()
    error = F.smooth_l1_loss(distance, torch.where(known, target, 0.0), reduction="none", beta=DISTANCE_BEND)
    return mean_within(error, known.to(error.dtype) if mask is None else known * mask)


class Standardise(nn.Module):
    """Per-channel standardisation of a teacher's maps by running mean and variance (METHOD, Choice 9).

    Channels of a teacher differ in size by orders of magnitude; without this the L1 terms see the largest few alone.
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def forward(self, maps: Float[Tensor, "batch channel z y x"]) -> Float[Tensor, "batch channel z y x"]:
        """The maps with about zero mean and unit variance a channel; every call also updates the running values.

        The variance is taken around the mean, never as a difference of large squares: a channel may lie far from zero.
        """
        variance, mean = torch.var_mean(maps, (0, 2, 3, 4), correction=0)
        self.seen += 1
        momentum = torch.clamp(1 / self.seen, min=self.momentum)
        moved = mean - self.mean
        self.mean += momentum * moved
        self.variance += momentum * (variance + (1 - momentum) * moved.square() - self.variance)
        spread = self.variance.clamp(min=1e-6).sqrt()
        shape = (1, -1, 1, 1, 1)
        return (maps - self.mean.reshape(shape)) / spread.reshape(shape)
