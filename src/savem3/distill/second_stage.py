"""The second stage: what the student draws inside moves with the tissue and changes little from section to section."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from savem3.distill.flow import Flow, find_flow, warp
from savem3.distill.losses import mean_within

FREE_CHANGE = 0.1
"""How far a feature may move from one section to the next at no cost."""


def second_stage(
    feature: Float[Tensor, "batch channel z y x"],
    raw: Float[Tensor, "batch 1 z yy xx"],
    *,
    mask: Float[Tensor, "batch 1 z yy xx"],
) -> dict[str, Float[Tensor, ""]]:
    """The terms ``motion`` and ``smooth`` of features that are drawn at ½ of raw's y and x.

    Both count where the flow says that the two sections show the same tissue, and where the mask lets both count.

    Source: METHOD §5. *smooth* compares features at the same place, as its formula is printed; *motion* compares
    them along the flow. Raw is halved before the flow is found, so a shift is a whole number of the features' pixels.
    """
    half = (1, 2, 2)
    flow = find_flow(F.avg_pool3d(raw, half)[:, 0])
    counts = F.avg_pool3d(mask, half)
    return {"motion": motion(feature, flow, mask=counts), "smooth": smooth(feature, flow, mask=counts)}


def motion(
    feature: Float[Tensor, "batch channel z y x"], flow: Flow, *, mask: Float[Tensor, "batch 1 z y x"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of section z − 1's features and section z's, warped onto it by the flow."""
    counts = flow.valid[:, None] * mask[:, :, :-1] * _warp_next(mask, flow)
    return mean_within((feature[:, :, :-1] - _warp_next(feature, flow)).abs(), counts)


def smooth(
    feature: Float[Tensor, "batch channel z y x"], flow: Flow, *, mask: Float[Tensor, "batch 1 z y x"]
) -> Float[Tensor, ""]:
    """Mean of how far neighbouring sections' features lie apart at one place, less what is free."""
    apart = torch.linalg.vector_norm(feature[:, :, 1:] - feature[:, :, :-1], dim=1, keepdim=True)
    return mean_within(F.relu(apart - FREE_CHANGE), flow.valid[:, None] * mask[:, :, :-1] * mask[:, :, 1:])


def _warp_next(maps: Float[Tensor, "batch channel z y x"], flow: Flow) -> Tensor:
    """Each section but the first, warped onto the one before it."""
    batch, _, pairs = flow.shift.shape[:3]
    following = maps[:, :, 1:].transpose(1, 2).flatten(0, 1)
    return warp(following, flow.shift.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, pairs)).transpose(1, 2)
