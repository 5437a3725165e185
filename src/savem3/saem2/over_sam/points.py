"""Losses at drawn points instead of all pixels: most of them where the network is unsure, which is at edges.

Source: METHOD §4 and the PointRend paper: 112² points, three times as many drawn to choose from, 75 % of them the most
uncertain, the rest uniform; BCE + Dice. Our choice: beyond the outermost pixel centres, a map goes on with its last
value.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class PointSampling:
    """How points are drawn.

    Parameters
    ----------
    number
        Points in each map.
    oversample
        How many times as many are drawn to choose the uncertain ones from.
    uncertain
        Share of the points that are the most uncertain of those drawn; the rest lie anywhere.

    Raises
    ------
    ValueError
        If there is no point, nothing to choose from, or the share is not within 0–1.
    """

    number: int = 112**2
    oversample: int = 3
    uncertain: float = 0.75

    def __post_init__(self) -> None:
        if self.number < 1 or self.oversample < 1:
            raise ValueError(f"number and oversample must be at least 1, got {self.number} and {self.oversample}")
        if not 0 <= self.uncertain <= 1:
            raise ValueError(f"uncertain must be a share between 0 and 1, got {self.uncertain}")


def point_losses(
    logits: Float[Tensor, "batch rows columns"],
    truth: Float[Tensor, "batch y x"],
    *,
    sampling: PointSampling,
    rng: torch.Generator,
) -> Float[Tensor, " batch"]:
    """BCE + Dice of each map, at points drawn for it.

    Parameters
    ----------
    logits
        Of the same field of view as the truth, at any resolution.
    truth
        0 or 1.
    sampling
        How many points, and where.
    rng
        Draws the points; on the device of the logits.
    """
    logits = logits.float()
    places = draw_places(logits, sampling=sampling, rng=rng)
    guess, right = read_at(logits, places), read_at(truth.to(logits.dtype), places)
    entropy = F.binary_cross_entropy_with_logits(guess, right, reduction="none").mean(1)
    chance = guess.sigmoid()
    dice = 1 - (2 * (chance * right).sum(1) + 1) / (chance.sum(1) + right.sum(1) + 1)
    return entropy + dice


def draw_places(
    logits: Float[Tensor, "batch rows columns"], *, sampling: PointSampling, rng: torch.Generator
) -> Float[Tensor, "batch point 2"]:
    """Points of each map, y and x as shares of its extent; no gradient passes through them."""
    batch, device, chosen = len(logits), logits.device, round(sampling.uncertain * sampling.number)
    drawn = torch.rand(batch, sampling.number * sampling.oversample, 2, generator=rng, device=device)
    doubt = -read_at(logits.detach(), drawn).abs()
    surest_last = doubt.topk(chosen, dim=1).indices
    unsure = drawn.gather(1, surest_last[..., None].expand(-1, -1, 2))
    anywhere = torch.rand(batch, sampling.number - chosen, 2, generator=rng, device=device)
    return torch.cat([unsure, anywhere], 1)


def read_at(
    maps: Float[Tensor, "batch rows columns"], places: Float[Tensor, "batch point 2"]
) -> Float[Tensor, "batch point"]:
    """Values of maps at places (y and x as shares of their extent), linear between pixel centres."""
    grid = 2 * places.flip(-1)[:, None] - 1
    return F.grid_sample(maps[:, None], grid, padding_mode="border", align_corners=False)[:, 0, 0]
