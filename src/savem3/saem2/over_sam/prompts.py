"""Prompts as SAM's prompt encoder has them, in batches of one kind and length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from savem3.prompt import PointPrompt, Prompt
from savem3.saem2.over_sam.parts import ENLARGE
from savem3.sam.pixels import to_tokens
from savem3.sam.windows import Window


@dataclass(frozen=True, slots=True)
class Asked:
    """Prompts of one kind and length, encoded.

    Parameters
    ----------
    numbers
        Which prompts they are.
    sparse, dense
        As the prompt encoder gives them; masks have no sparse token.
    """

    numbers: Int[Tensor, " batch"]
    sparse: Float[Tensor, "batch token wide"]
    dense: Float[Tensor, "batch wide rows columns"]


def encode_prompts(model: Any, prompts: Sequence[Prompt], *, shape: tuple[int, int]) -> list[Asked]:
    """Encode prompts about sections of ``shape`` pixels that begin a tile; each is in one of the batches.

    Nothing is padded: SAM looks at padding too, so a reply would depend on the other prompts.
    """
    kinds: dict[tuple[type, int], list[int]] = {}
    for number, prompt in enumerate(prompts):
        length = len(prompt.y) if isinstance(prompt, PointPrompt) else 0
        kinds.setdefault((type(prompt), length), []).append(number)
    return [_encode(model, [prompts[n] for n in numbers], numbers, shape) for numbers in kinds.values()]


def _encode(model: Any, prompts: list[Prompt], numbers: list[int], shape: tuple[int, int]) -> Asked:
    device = model.prompt_encoder.no_mask_embed.weight.device
    tile = int(model.config.prompt_encoder_config.image_size)
    tokens = to_tokens(prompts, Window(0, 0, *shape, float(ENLARGE)), tile=tile)
    points, labels, boxes, masks = (None if v is None else v.to(device)[:, None] for v in tokens)
    sparse, dense = model.prompt_encoder(input_points=points, input_labels=labels, input_boxes=boxes, input_masks=masks)
    batch, wide = len(prompts), dense.shape[1]
    sparse = dense.new_zeros(batch, 0, wide) if sparse is None else sparse[:, 0]
    return Asked(torch.tensor(numbers, device=device), sparse, dense.expand(batch, -1, -1, -1))
