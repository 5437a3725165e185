"""From the names of published checkpoints to those of `transformers`, and from their shapes to a configuration.

Source: the names in the files of segment-anything, sam-hq and MobileSAM, and those of `transformers` 5.23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from savem3.store.weights import UnusableWeights

Values = Mapping[str, Tensor]

TINY = "image_encoder.patch_embed.seq.0.c.weight"
"""A value that only files with a TinyViT have."""

UNUSED = (
    *("image_encoder.norm_head.weight", "image_encoder.norm_head.bias"),
    *("image_encoder.head.weight", "image_encoder.head.bias"),
)
"""Values of TinyViT's classifier, which no SAM uses."""

POSITIONS = "shared_image_embedding.positional_embedding"
"""The random directions that place pixels and prompts."""

TIED = "prompt_encoder.shared_embedding.positional_embedding"
"""The same values under their second name in `transformers`."""

_VIT = (
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.(\d+)\.norm(\d)\.", r"vision_encoder.layers.\1.layer_norm\2."),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
)

_MLPS = r"^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head|hq_mask_mlp))\.layers\."

_REST = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", POSITIONS),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^(mask_decoder\.transformer\.layers\.\d+)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"^mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^mask_decoder\.hf_token\.", "mask_decoder.hq_token."),
    (r"^mask_decoder\.hf_mlp\.", "mask_decoder.hq_mask_mlp."),
    (r"^mask_decoder\.compress_vit_feat\.0\.", "mask_decoder.compress_vit_conv1."),
    (r"^mask_decoder\.compress_vit_feat\.1\.", "mask_decoder.compress_vit_norm."),
    (r"^mask_decoder\.compress_vit_feat\.3\.", "mask_decoder.compress_vit_conv2."),
    (r"^mask_decoder\.embedding_encoder\.0\.", "mask_decoder.encoder_conv1."),
    (r"^mask_decoder\.embedding_encoder\.1\.", "mask_decoder.encoder_norm."),
    (r"^mask_decoder\.embedding_encoder\.3\.", "mask_decoder.encoder_conv2."),
    (r"^mask_decoder\.embedding_maskfeature\.0\.", "mask_decoder.mask_conv1."),
    (r"^mask_decoder\.embedding_maskfeature\.1\.", "mask_decoder.mask_norm."),
    (r"^mask_decoder\.embedding_maskfeature\.3\.", "mask_decoder.mask_conv2."),
    (_MLPS + r"0\.", r"\1.proj_in."),
    (_MLPS + r"1\.", r"\1.layers.0."),
    (_MLPS + r"2\.", r"\1.proj_out."),
)


def renamed(values: Values) -> dict[str, Tensor]:
    """The values of a published checkpoint by the names of `transformers`, without what no SAM uses."""
    rules = _REST if TINY in values else _VIT + _REST
    return {rename(name, rules): value for name, value in values.items() if name not in UNUSED}


def rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """A name after all rules, in their order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def settings_of(values: Values, *, image_size: int) -> dict[str, Any]:
    """The configuration of `transformers` that renamed values fit into.

    Parameters
    ----------
    values
        By the names of `transformers`.
    image_size
        Edge of a tile; asked for a TinyViT only, whose values do not tell.

    Raises
    ------
    UnusableWeights
        If a value that tells a size is missing or cannot be one of SAM.
    """
    is_tiny = any(name.startswith("vision_encoder.patch_embed.seq.") for name in values)
    vision = _tiny_vision(values, image_size) if is_tiny else _vision(values)
    wide = _shape(values, "mask_decoder.iou_token.weight", 2)[1]
    prompts = {
        "hidden_size": wide,
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "mask_input_channels": _shape(values, "prompt_encoder.mask_embed.conv3.weight", 4)[1],
    }
    return {"vision_config": vision, "prompt_encoder_config": prompts, "mask_decoder_config": _decoder(values, wide)}


def _vision(values: Values) -> dict[str, Any]:
    wide, _, patch, _ = _shape(values, "vision_encoder.patch_embed.projection.weight", 4)
    grid = _shape(values, "vision_encoder.pos_embed", 4)[1]
    depth = _count(values, r"^vision_encoder\.layers\.(\d+)\.")
    relative = [_shape(values, f"vision_encoder.layers.{i}.attn.rel_pos_h", 2) for i in range(depth)]
    windows = [(n + 1) // 2 for n, _ in relative]
    local = [w for w in windows if w != grid]
    return {
        "hidden_size": wide,
        "num_hidden_layers": depth,
        "num_attention_heads": wide // relative[0][1],
        "image_size": grid * patch,
        "patch_size": patch,
        "mlp_dim": _shape(values, "vision_encoder.layers.0.mlp.lin1.weight", 2)[0],
        "output_channels": _shape(values, "vision_encoder.neck.conv1.weight", 4)[0],
        "window_size": local[0] if local else grid,
        "global_attn_indexes": [i for i, w in enumerate(windows) if w == grid],
        "num_pos_feats": _shape(values, POSITIONS, 2)[1],
    }


def _tiny_vision(values: Values, image_size: int) -> dict[str, Any]:
    """An encoder of `transformers` without layers, whose place a TinyViT takes; as wide as its early features."""
    return {
        "hidden_size": _shape(values, "vision_encoder.layers.1.downsample.conv3.c.weight", 4)[0],
        "num_hidden_layers": 0,
        "image_size": image_size,
        "patch_size": 16,
        "output_channels": _shape(values, "vision_encoder.neck.0.weight", 4)[0],
        "num_pos_feats": _shape(values, POSITIONS, 2)[1],
    }


def _decoder(values: Values, wide: int) -> dict[str, Any]:
    """Source: the layer normalisations of SAM's two-way transformer add 1e-5, not the 1e-6 of `transformers`."""
    first = "mask_decoder.transformer.layers.0"
    settings = {
        "hidden_size": wide,
        "mlp_dim": _shape(values, f"{first}.mlp.lin1.weight", 2)[0],
        "num_hidden_layers": _count(values, r"^mask_decoder\.transformer\.layers\.(\d+)\."),
        "attention_downsample_rate": wide // _shape(values, f"{first}.cross_attn_token_to_image.q_proj.weight", 2)[0],
        "num_multimask_outputs": _shape(values, "mask_decoder.mask_tokens.weight", 2)[0] - 1,
        "iou_head_hidden_dim": _shape(values, "mask_decoder.iou_prediction_head.proj_in.weight", 2)[0],
        "layer_norm_eps": 1e-5,
    }
    if "mask_decoder.hq_token.weight" in values:
        settings["vit_dim"] = _shape(values, "mask_decoder.compress_vit_conv1.weight", 4)[0]
    return settings


def _shape(values: Values, name: str, axes: int) -> tuple[int, ...]:
    """The shape of a value that tells a size."""
    if name not in values:
        raise UnusableWeights(f"checkpoint must be one of SAM, HQ-SAM or MobileSAM, got one without {name}")
    if values[name].ndim != axes or 0 in values[name].shape:
        got = tuple(values[name].shape)
        raise UnusableWeights(f"{name} must have {axes} axes, none of them empty, got the shape {got}")
    return tuple(values[name].shape)


def _count(values: Values, pattern: str) -> int:
    """How many numbers follow each other from 0 where a pattern has them."""
    numbers = {int(found[1]) for name in values if (found := re.match(pattern, name))}
    if numbers != set(range(len(numbers))) or not numbers:
        raise UnusableWeights(f"checkpoint must number its layers from 0 on, got {sorted(numbers)[:5]} for {pattern}")
    return len(numbers)
