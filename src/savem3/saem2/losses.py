"""The losses of the small teacher: what its heads and its answers to prompts should have been."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def prompt_losses(
    logits: Float[Tensor, "batch y x"], iou: Float[Tensor, " batch"], *, truth: Float[Tensor, "batch y x"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """BCE + Dice of the mask; and the squared error of the predicted IoU.

    Source: METHOD §4 for BCE + Dice. Our choice: a mask's BCE is summed over its window and divided by the pixels of
    its truth, so that thin neurites count as much as somata.
    """
    logits, axes = logits.float(), (1, 2)
    area = truth.sum(axes)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(axes) / (area + 1)
    chance = logits.sigmoid()
    dice = 1 - (2 * (chance * truth).sum(axes) + 1) / (chance.sum(axes) + area + 1)
    guess = (logits.detach() > 0).float()
    common = (guess * truth).sum(axes)
    overlap = common / (guess.sum(axes) + area - common).clamp(min=1)
    return (entropy + dice).mean(), ((iou.float().sigmoid() - overlap) ** 2).mean()


def boundary_loss(
    logits: Float[Tensor, "batch y x"],
    boundary: Float[Tensor, "batch y x"],
    *,
    membrane_weight: float,
    dice_weight: float,
) -> Float[Tensor, ""]:
    """BCE (+ Dice) of the membrane.

    Source: the paper's losses for the heads are BCE + Dice; the membrane's weight and no Dice are our choice for the
    small teacher, since Dice pushes probabilities to 0 and 1 and later rooms need calibrated ones.
    """
    logits = logits.float()
    weight = 1 + (membrane_weight - 1) * boundary
    loss = (F.binary_cross_entropy_with_logits(logits, boundary, reduction="none") * weight).mean()
    if not dice_weight:
        return loss
    chance = logits.sigmoid()
    dice = 1 - (2 * (chance * boundary).sum() + 1) / (chance.sum() + boundary.sum() + 1)
    return loss + dice_weight * dice


def distance_loss(logits: Float[Tensor, "batch y x"], distance: Float[Tensor, "batch y x"]) -> Float[Tensor, ""]:
    """Smooth L1 of the truncated distance."""
    return F.smooth_l1_loss(logits.float().sigmoid(), distance, beta=0.1)
