"""Files as the original projects publish them, made of tiny models: their names, written down from the files."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

LAYERS = {
    "mask_decoder.upscale_": ("mask_decoder.output_upscaling", {"conv1": 0, "layer_norm": 1, "conv2": 3}),
    "mask_decoder.compress_vit_": ("mask_decoder.compress_vit_feat", {"conv1": 0, "norm": 1, "conv2": 3}),
    "mask_decoder.encoder_": ("mask_decoder.embedding_encoder", {"conv1": 0, "norm": 1, "conv2": 3}),
    "mask_decoder.mask_": ("mask_decoder.embedding_maskfeature", {"conv1": 0, "norm": 1, "conv2": 3}),
    "prompt_encoder.mask_embed.": (
        "prompt_encoder.mask_downscaling",
        {"conv1": 0, "layer_norm1": 1, "conv2": 3, "layer_norm2": 4, "conv3": 6},
    ),
    "vision_encoder.neck.": ("image_encoder.neck", {"conv1": 0, "layer_norm1": 1, "conv2": 2, "layer_norm2": 3}),
}

WORDS = {
    "vision_encoder.patch_embed.projection": "image_encoder.patch_embed.proj",
    "vision_encoder.layers": "image_encoder.blocks",
    "vision_encoder.pos_embed": "image_encoder.pos_embed",
    "shared_image_embedding.positional_embedding": "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    "prompt_encoder.point_embed.": "prompt_encoder.point_embeddings.",
    "layer_norm_final_attn": "norm_final_attn",
    "layer_norm": "norm",
    "proj_in": "layers.0",
    "proj_out": "layers.2",
    "hq_token": "hf_token",
    "hq_mask_mlp": "hf_mlp",
}


def published(model: Any, *, tiny: bool = False) -> dict[str, Tensor]:
    """The values of a model by the names of segment-anything, sam-hq or MobileSAM."""
    values = {n: v.detach().clone() for n, v in model.state_dict().items() if "shared_embedding" not in n}
    encoder = {n: v for n, v in values.items() if n.startswith("vision_encoder.")} if tiny else {}
    rest = {published_name(name): value for name, value in values.items() if name not in encoder}
    return rest | {name.replace("vision_encoder", "image_encoder", 1): value for name, value in encoder.items()}


def published_name(name: str) -> str:
    """One name."""
    for start, (folder, layers) in LAYERS.items():
        for layer, number in layers.items():
            if name.startswith(f"{start}{layer}."):
                return f"{folder}.{number}.{name.rsplit('.', 1)[1]}"
    if re.match(r"mask_decoder\.(output_hypernetworks_mlps\.\d|iou_prediction_head|hq_mask_mlp)\.layers", name):
        name = name.replace(".layers.0.", ".layers.1.")
    for ours, theirs in WORDS.items():
        name = name.replace(ours, theirs)
    return name
