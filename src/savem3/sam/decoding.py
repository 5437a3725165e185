"""What SAM's decoder makes of a tile and of prompts on it: logits and predicted IoUs of all of its masks.

The modules are those of `transformers`; the order in which they are called is written out here, because their own
forward pass sorts HQ-SAM's three masks by predicted IoU, so that whole, part and part of the part cannot be told apart,
and because it answers one mask prompt at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Tokens(NamedTuple):
    """Prompts of one kind on one tile, as SAM wants them: places are (x, y), in pixels of the encoder.

    Parameters
    ----------
    points, labels
        Points of each prompt, 1 on the object and 0 off it.
    boxes
        First and last corner of each prompt.
    masks
        Logits, a pixel for 4 × 4 of the encoder's.
    """

    points: Float[Tensor, "batch point 2"] | None = None
    labels: Int[Tensor, "batch point"] | None = None
    boxes: Float[Tensor, "batch 4"] | None = None
    masks: Float[Tensor, "batch rows columns"] | None = None


class Replies(NamedTuple):
    """What prompts are answered with.

    Parameters
    ----------
    masks
        Logits, a pixel for 4 × 4 of the encoder's: the mask for clear prompts, then the three for one point.
    iou
        Predicted IoU of each, as the model gives it; it may lie outside 0–1.
    """

    masks: Float[Tensor, "batch mask rows columns"]
    iou: Float[Tensor, "batch mask"]


def feature_of(
    model: Any, embedding: Float[Tensor, "batch wide y x"], early: Float[Tensor, "batch y x deep"] | None
) -> Float[Tensor, "batch channel 4*y 4*x"] | None:
    """The HQ feature: the encoded embedding + the compressed early features. It knows no prompt; plain SAM has none."""
    decoder = model.mask_decoder
    if early is None or not hasattr(decoder, "hq_token"):
        return None
    sharp = decoder.compress_vit_conv1(early.permute(0, 3, 1, 2))
    sharp = decoder.compress_vit_conv2(decoder.activation(decoder.compress_vit_norm(sharp)))
    late = decoder.encoder_conv1(embedding)
    feature: Tensor = decoder.encoder_conv2(decoder.activation(decoder.encoder_norm(late))) + sharp
    return feature


def decode(
    model: Any,
    embedding: Float[Tensor, "1 wide y x"],
    feature: Float[Tensor, "1 channel 4*y 4*x"] | None,
    tokens: Tokens,
    *,
    hq_only: bool,
) -> Replies:
    """Answer prompts of one kind on one tile.

    Parameters
    ----------
    model
        A `transformers.SamModel` or `SamHQModel`.
    embedding, feature
        Of the tile; a feature if and only if the model is an HQ-SAM.
    tokens
        The prompts.
    hq_only
        Whether HQ-SAM's masks are the HQ token's alone, or the sum of SAM's and its.
    """
    decoder = model.mask_decoder
    sparse, dense = _encode_prompts(model, tokens)
    attended, image = _attend(model, embedding + dense, sparse)
    fine = decoder.activation(decoder.upscale_layer_norm(decoder.upscale_conv1(image)))
    fine = decoder.activation(decoder.upscale_conv2(fine))
    mlps = decoder.output_hypernetworks_mlps
    vectors = torch.stack([mlp(attended[:, 1 + i]) for i, mlp in enumerate(mlps)], 1)
    masks = torch.einsum("bmc,bcyx->bmyx", vectors, fine)
    iou = decoder.iou_prediction_head(attended[:, 0])
    if feature is None:
        return Replies(masks, iou)
    fused = decoder.mask_conv2(decoder.activation(decoder.mask_norm(decoder.mask_conv1(fine)))) + feature
    correction = torch.einsum("bc,bcyx->byx", decoder.hq_mask_mlp(attended[:, 1 + len(mlps)]), fused)[:, None]
    return Replies(correction.expand_as(masks) if hq_only else masks + correction, iou)


def _encode_prompts(model: Any, tokens: Tokens) -> tuple[Tensor, Tensor]:
    """One token for each point, one for the end of points, two for each box; and what masks add to the embedding."""
    count = next(len(values) for values in tokens if values is not None)
    points, labels, boxes = (None if v is None else v[None] for v in (tokens.points, tokens.labels, tokens.boxes))
    sparse, dense = model.prompt_encoder(
        input_points=points,
        input_labels=labels,
        input_boxes=boxes,
        input_masks=None if tokens.masks is None else tokens.masks[:, None],
    )
    wide = model.mask_decoder.iou_token.weight.shape[1]
    return dense.new_zeros(count, 0, wide) if sparse is None else sparse[0], dense


def _attend(model: Any, image: Float[Tensor, "_ wide y x"], sparse: Tensor) -> tuple[Tensor, Tensor]:
    """SAM's two-way transformer over its own tokens and those of the prompts: all tokens, and the image as a map."""
    decoder, count = model.mask_decoder, len(sparse)
    names = [name for name in ("iou_token", "mask_tokens", "hq_token") if hasattr(decoder, name)]
    own = torch.cat([getattr(decoder, name).weight for name in names])
    attended, left = decoder.transformer(
        point_embeddings=torch.cat([own.expand(count, -1, -1), sparse], 1)[:, None],
        image_embeddings=image.expand(count, -1, -1, -1),
        image_positional_embeddings=model.get_image_wide_positional_embeddings().expand(count, -1, -1, -1),
        attention_similarity=None,
    )
    return attended[:, 0], left[:, 0].transpose(1, 2).unflatten(2, image.shape[2:])


def draw_from_attended(decoder: Any) -> None:
    """Make the forward pass of a `transformers` HQ mask decoder draw its masks from the image tokens it attended to.

    Source: HQ-SAM, as SAM, draws masks from the image tokens that the two-way transformer leaves. `transformers` 5.23
    drops them and takes those that went in, turned over the diagonal, so that masks do not fit the prompt. `decode`
    does not need this; it is for those who call the model themselves. Where that is mended, this changes nothing.
    """
    if getattr(decoder, "is_mended", False) or not hasattr(decoder, "hq_token"):
        return
    left: list[Tensor] = []

    def keep(module: nn.Module, given: Any, gives: tuple[Tensor, Tensor]) -> None:
        left[:] = [gives[1]]

    def replace(module: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        return (left.pop().flatten(0, 1).transpose(1, 2).unflatten(2, given[0].shape[2:]),)

    decoder.transformer.register_forward_hook(keep)
    decoder.upscale_conv1.register_forward_pre_hook(replace)
    decoder.is_mended = True
