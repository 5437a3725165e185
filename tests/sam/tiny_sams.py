"""SAMs of a few thousand random values, as `transformers` makes and saves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

TILE = 64
"""Edge of what they see at once."""

WIDE = 32
"""Channels of their embedding."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks this small lose more by sharing the work than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_sam(*, hq: bool, seed: int = 0) -> Any:
    """A SAM or HQ-SAM of two layers, the second of which looks everywhere."""
    import transformers

    torch.manual_seed(seed)
    config = {
        "vision_config": {
            **{"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "output_channels": WIDE},
            **{"image_size": TILE, "patch_size": 16, "window_size": 3, "global_attn_indexes": [1]},
            **{"num_pos_feats": WIDE // 2, "mlp_dim": 48},
        },
        "prompt_encoder_config": {"hidden_size": WIDE, "image_size": TILE, "mask_input_channels": 8},
        "mask_decoder_config": {
            **{"hidden_size": WIDE, "mlp_dim": 40, "iou_head_hidden_dim": 20, "layer_norm_eps": 1e-5},
            **({"vit_dim": 24} if hq else {}),
        },
    }
    settings, model = (getattr(transformers, f"Sam{'HQ' if hq else ''}{name}") for name in ("Config", "Model"))
    return randomised(model(settings(**config)))


def randomised(model: Any) -> Any:
    """The model with values large enough to matter, biases and relative positions too."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "positional_embedding" not in name:
                spread = 0.1 if value.ndim < 2 or "rel_pos" in name or "pos_embed" in name else value[0].numel() ** -0.5
                value.copy_(torch.randn_like(value) * spread + ("norm" in name and name.endswith("weight")))
    return model.eval()


def saved(model: Any, folder: Path) -> Path:
    """A folder as `transformers` saves models."""
    model.save_pretrained(folder)
    return folder


def grey(rows: int, columns: int, *, seed: int = 0) -> UInt8[np.ndarray, "y x"]:
    """A section of noise over a slope."""
    slope = np.add.outer(np.linspace(0, 90, rows), np.linspace(0, 60, columns))
    return (slope + np.random.default_rng(seed).integers(0, 100, (rows, columns))).astype(np.uint8)
