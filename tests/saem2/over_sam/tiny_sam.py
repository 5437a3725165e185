"""A SAM of a few thousand random values: tiles of 32 × 32 pixels of the section, 64 × 64 of the encoder."""

import numpy as np
import torch

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt
from savem3.saem2.lessons import Lesson
from savem3.saem2.over_sam.network import Saem2OverSam

SHAPE = (24, 32)


def sam(*, hq=True, seed=0):
    """A SAM or HQ-SAM of transformers."""
    from transformers import SamConfig, SamHQConfig, SamHQModel, SamModel

    torch.manual_seed(seed)
    vision = {"hidden_size": 16, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 64, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 16, "mlp_dim": 32}
    prompt = {"hidden_size": 32, "image_size": 64, "mask_input_channels": 8}
    mask = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32}
    mask |= {"vit_dim": 16} if hq else {}
    config, kind = (SamHQConfig, SamHQModel) if hq else (SamConfig, SamModel)
    model = kind(config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=mask)).eval()
    with torch.no_grad():  # as drawn, values are so small that all outputs are alike
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 1 / np.sqrt(value[0].numel()))
    return model


def network(*, seed=0, **settings):
    """SAEM² over it, in evaluation mode."""
    model = sam(seed=seed)
    torch.manual_seed(seed + 1)
    return Saem2OverSam(model, **settings).eval()


def sections(*, batch=2, shape=SHAPE, seed=0):
    return torch.from_numpy(greys(batch=batch, shape=shape, seed=seed))


def greys(*, batch=2, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, *shape)).astype(np.float32)


def lesson(*, name=None, prompts=True, shift=0):
    """Four bright cells, dark membrane between them; a prompt of each kind."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x = y, (x + shift) % SHAPE[1]
    membrane = (y % 12 < 2) | (x % 16 < 2)
    masks = [(y // 12 == row) & (x // 16 == column) & ~membrane for row in range(2) for column in range(2)]
    distance = np.minimum(np.minimum(y % 12, x % 16) / 6, 1).astype(np.float32)
    asked = [
        BoxPrompt(0, 2.0, 12.0, 2.0, 16.0),
        PointPrompt(0, (6.0, 7.0), (20.0, 25.0), (True, True)),
        MaskPrompt(0, masks[2]),
        BoxPrompt(0, 14.0, 24.0, 18.0, 32.0),
    ]
    grey = np.where(membrane, -0.8, 0.8).astype(np.float32)
    some = (masks, asked) if prompts else ([], [])
    return Lesson(grey, membrane.astype(np.float32), distance, *some, name)
