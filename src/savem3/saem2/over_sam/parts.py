"""What HQ-SAM's parts do, one step at a time, on the modules of `transformers`.

Source: the SAM and HQ-SAM papers, METHOD §4. A pixel of a section is two of the encoder's, so strides here count pixels
of the section: embedding 8, maps 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.sam.building import TINY_VIT
from savem3.sam.pixels import MEAN, SPREAD
from savem3.sam.tiny_vit import TinyVit

ENLARGE = 2
"""Encoder pixels along an edge of a section's pixel: sections of 8 nm are seen at 4 nm (METHOD §1, Choice 1)."""

FUSING = (
    *("compress_vit_conv1", "compress_vit_norm", "compress_vit_conv2"),
    *("encoder_conv1", "encoder_norm", "encoder_conv2"),
    *("mask_conv1", "mask_norm", "mask_conv2"),
)
"""Parts of HQ-SAM's decoder that make up a fusing block."""

HQ_PARTS = ("hq_token", "hq_mask_mlp", *FUSING)
"""Parts of the decoder that HQ-SAM added to SAM's."""

Parts = Mapping[str, nn.Module] | nn.ModuleDict


class Seen(NamedTuple):
    """What the encoder makes of a batch of sections that were continued to full tiles.

    Parameters
    ----------
    embedding
        The encoder's output, one vector for 8 × 8 pixels of the section.
    early
        Output of the encoder's first global attention block (TinyViT: first stage at this stride), channels last.
    """

    embedding: Float[Tensor, "batch wide rows columns"]
    early: Float[Tensor, "batch rows columns deep"]


class Pass(NamedTuple):
    """What a pass of the decoder gives: tokens, and the image tokens brought up to stride 2."""

    tokens: Float[Tensor, "batch token wide"]
    fine: Float[Tensor, "batch channel rows columns"]


def attend(model: Any, embedding: Tensor, sparse: Tensor, dense: Tensor, *, own: Sequence[nn.Embedding]) -> Pass:
    """One pass of SAM's two-way transformer over the decoder's own tokens and those of a prompt."""
    decoder, batch = model.mask_decoder, len(embedding)
    tokens = torch.cat([torch.cat([part.weight for part in own]).expand(batch, -1, -1), sparse], 1)
    tokens, image = decoder.transformer(
        point_embeddings=tokens[:, None],
        image_embeddings=embedding + dense,
        image_positional_embeddings=model.get_image_wide_positional_embeddings().expand(batch, -1, -1, -1),
        attention_similarity=None,
    )
    image = image[:, 0].transpose(1, 2).unflatten(2, embedding.shape[-2:])
    fine = F.gelu(decoder.upscale_layer_norm(decoder.upscale_conv1(image)))
    return Pass(tokens[:, 0], F.gelu(decoder.upscale_conv2(fine)))


def sharpen(parts: Parts, seen: Seen) -> Float[Tensor, "batch channel rows columns"]:
    """Encoded embedding + compressed early features: what a fusing block makes of the encoder's output alone."""
    early = parts["compress_vit_conv1"](seen.early.movedim(-1, 1))
    early = parts["compress_vit_conv2"](F.gelu(parts["compress_vit_norm"](early)))
    late = F.gelu(parts["encoder_norm"](parts["encoder_conv1"](seen.embedding)))
    sharp: Tensor = parts["encoder_conv2"](late) + early
    return sharp


def mix(parts: Parts, fine: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
    """The decoder's image tokens, brought up, on their way to be added to `sharpen`'s output."""
    mixed: Tensor = parts["mask_conv2"](F.gelu(parts["mask_norm"](parts["mask_conv1"](fine))))
    return mixed


def to_encoder(sections: Float[Tensor, "batch y x"], *, tile: int) -> Float[Tensor, "batch 3 rows columns"]:
    """Sections of grey values in −1…1 as the encoder wants them: enlarged, three channels, zeros after their end."""
    grey = (sections.clamp(-1, 1)[:, None] + 1) * 127.5
    grey = F.interpolate(grey, scale_factor=float(ENLARGE), mode="bilinear", align_corners=False)
    mean, spread = (torch.tensor(v, device=grey.device)[:, None, None] for v in (MEAN, SPREAD))
    rows, columns = (ENLARGE * (tile - n) for n in sections.shape[1:])
    return F.pad((grey - mean) / spread, (0, columns, 0, rows))


def crop(maps: Float[Tensor, "*batch rows columns"], shape: tuple[int, int], *, stride: int) -> Tensor:
    """The part of full tiles' maps that sections of ``shape`` pixels fill."""
    y, x = (n // stride for n in shape)
    return maps[..., :y, :x]


def to_section(maps: Float[Tensor, "batch rows columns"], shape: tuple[int, int]) -> Float[Tensor, "batch y x"]:
    """Logits of full tiles as logits of the pixels of sections of ``shape``."""
    return F.interpolate(crop(maps, shape, stride=2)[:, None], shape, mode="bilinear", align_corners=False)[:, 0]


def as_hq(model: Any) -> Any:
    """An HQ-SAM that begins as a given `transformers.SamModel`; what SAM does not have is drawn at random."""
    if hasattr(model.mask_decoder, "hq_token"):
        return model
    from transformers import SamHQConfig, SamHQModel

    parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
    told = {name: getattr(model.config, name).to_dict() for name in parts}
    for config in told.values():
        config.pop("model_type")
    told["mask_decoder_config"]["vit_dim"] = told["vision_config"]["hidden_size"]
    encoder = model.vision_encoder
    if isinstance(encoder, TinyVit):
        told["mask_decoder_config"]["vit_dim"] = encoder.shape.widths[2]
        told[TINY_VIT] = encoder.shape.settings
    hq: Any = SamHQModel(SamHQConfig(**told))
    if isinstance(encoder, TinyVit):
        hq.vision_encoder = encoder
    left = hq.load_state_dict(model.state_dict(), strict=False)
    assert {name.split(".")[1] for name in left.missing_keys} == {*HQ_PARTS}, left.missing_keys
    assert not left.unexpected_keys, left.unexpected_keys
    return hq.eval()
