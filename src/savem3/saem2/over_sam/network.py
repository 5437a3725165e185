"""SAEM² as published: a SAM whose decoder got an HQ token, and two more for membrane (BDY) and distance (DST).

The encoder stays as it is. What learns: the HQ token and its MLP, the fusing block (embedding encoder, compressed early
features, mask-feature convolutions), and a token with its own MLP for each of BDY and DST.

| values that learn | ViT-B | ViT-L | ViT-H | TinyViT |
|---|---|---|---|---|
| one fusing block, shared (default) | 1,351,232 | 1,613,376 | 1,875,520 | 728,640 |
| one more for each of BDY and DST | 3,213,312 | 3,999,744 | 4,786,176 | 1,345,536 |

Source: METHOD §4 (HQ feature = encoded embedding + compressed early features; tokens with 3-layer MLPs). Our choices:

- Choice 3: what the heads share is the whole fusing block; a copy for each starts from HQ-SAM's values.
- Choice 4: BDY and DST are read from a pass of their own whose prompt is the box around the whole section, so they
  cannot depend on another prompt. Hiding prompt tokens from the two tokens would not do, since the image tokens that
  both look at have seen the prompts; a pass costs 2 % of ViT-B's encoder. ``heads_see_prompts=True`` puts the two
  tokens into the sequence of every prompt instead, as drawn in the paper; then the learner mixes the passes.
- A pixel of a section is two of the encoder's (Choice 1), so strides are those of `savem3.saem2.network.Heads`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from savem3.prompt import BoxPrompt, Prompt
from savem3.saem2.network import Heads
from savem3.saem2.over_sam.parts import (
    ENLARGE,
    FUSING,
    HQ_PARTS,
    Parts,
    Pass,
    Seen,
    as_hq,
    attend,
    crop,
    mix,
    sharpen,
    to_encoder,
    to_section,
)
from savem3.saem2.over_sam.prompts import encode_prompts
from savem3.sam.decoding import draw_from_attended

Fusion = Literal["shared", "separate"]


class Replies(NamedTuple):
    """What a batch of prompts is answered with; maps have a pixel for 2 × 2 of the section.

    Parameters
    ----------
    sam
        Logits of SAM's four masks: the one for clear prompts, then whole, part, and part of the part.
    correction
        Logits of the HQ token's mask, which is added to them.
    iou
        Predicted IoU of SAM's four masks.
    boundary, distance
        Logits of the heads under these prompts; absent unless they see prompts.
    """

    sam: Float[Tensor, "batch 4 rows columns"]
    correction: Float[Tensor, "batch rows columns"]
    iou: Float[Tensor, "batch 4"]
    boundary: Float[Tensor, "batch rows columns"] | None
    distance: Float[Tensor, "batch rows columns"] | None


class Head(nn.Module):
    """A token, its 3-layer MLP, and a fusing block if it has one of its own."""

    def __init__(self, decoder: Any, *, fusing: Fusion) -> None:
        super().__init__()
        wide = decoder.hq_token.embedding_dim
        self.token = nn.Embedding(1, wide)
        layers = nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide // 8)
        self.mlp = nn.Sequential(*layers)
        own = {name: copy.deepcopy(getattr(decoder, name)) for name in FUSING}
        self.fusing = nn.ModuleDict(own) if fusing == "separate" else None


class Saem2OverSam(nn.Module):
    """An HQ-SAM of transformers with two more tokens; called with sections, it gives the maps of a teacher.

    Parameters
    ----------
    model
        A `transformers.SamHQModel`, of whatever encoder; its parts are used, not copied. Of a `SamModel`, `as_hq` makes
        one.
    base
        Name of the checkpoint that it stands on.
    fusing
        ``shared``: the heads and the HQ token share one fusing block; ``separate``: each head has one of its own.
    heads_see_prompts
        Whether the heads' tokens stand beside the tokens of every prompt, or are asked in a pass of their own.
    hq_only
        Whether masks are the HQ token's alone, or the sum of SAM's and its.
    train_encoder, train_decoder
        Whether the image encoder learns; whether the prompt encoder and all of the mask decoder do.
    """

    def __init__(
        self,
        model: Any,
        *,
        base: str = "unnamed",
        fusing: Fusion = "shared",
        heads_see_prompts: bool = False,
        hq_only: bool = False,
        train_encoder: bool = False,
        train_decoder: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.base = as_hq(model), base
        draw_from_attended(self.model.mask_decoder)
        self.fusing: Fusion = fusing
        self.heads_see_prompts, self.hq_only = heads_see_prompts, hq_only
        self.train_encoder, self.train_decoder = train_encoder, train_decoder
        self.boundary, self.distance = (Head(self.model.mask_decoder, fusing=fusing) for _ in range(2))
        self._choose_what_learns()

    def _choose_what_learns(self) -> None:
        self.model.requires_grad_(False)
        self.model.vision_encoder.requires_grad_(self.train_encoder)
        for part in (self.model.prompt_encoder, self.model.mask_decoder):
            part.requires_grad_(self.train_decoder)
        self.model.shared_image_embedding.requires_grad_(False)  # SAM's random directions are no weights
        for name in HQ_PARTS:
            getattr(self.model.mask_decoder, name).requires_grad_(True)

    def train(self, mode: bool = True) -> Saem2OverSam:
        """Begin or end learning; a frozen encoder never learns, nor do its running means."""
        super().train(mode)
        self.model.vision_encoder.train(mode and self.train_encoder)
        return self

    @property
    def tile(self) -> int:
        """Edge of the largest section that is seen at once, pixels."""
        return int(self.model.config.prompt_encoder_config.image_size) // ENLARGE

    @property
    def learned(self) -> dict[str, nn.Parameter]:
        """The values that learn, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    @property
    def own_names(self) -> set[str]:
        """Names of all values that a trained one does not share with the SAM that it stands on."""
        frozen = {name for name, value in self.named_parameters(remove_duplicate=False) if not value.requires_grad}
        frozen |= {
            n for n, _ in self.named_buffers() if n.startswith("model.vision_encoder.") and not self.train_encoder
        }
        return {*self.state_dict()} - frozen

    def forward(self, sections: Float[Tensor, "batch y x"]) -> Heads:
        """Look at sections of grey values in −1…1; y and x multiples of 8, at most `tile`."""
        return self.look(self.see(sections), shape=(sections.shape[1], sections.shape[2]))

    def see(self, sections: Float[Tensor, "batch y x"]) -> Seen:
        """Encode sections, each continued to a full tile.

        Raises
        ------
        ValueError
            If y or x is no multiple of 8 or larger than a tile.
        """
        shape = sections.shape[1:]
        if any(n % 8 or not 0 < n <= self.tile for n in shape):
            raise ValueError(f"sections must be multiples of 8 and at most {self.tile} pixels, got {tuple(shape)}")
        with torch.set_grad_enabled(self.train_encoder and torch.is_grad_enabled()):
            given = self.model.vision_encoder(pixel_values=to_encoder(sections, tile=self.tile))
        return Seen(given.last_hidden_state, given.intermediate_embeddings[0])

    def look(self, seen: Seen, *, shape: tuple[int, int]) -> Heads:
        """Membrane, distance, HQ feature, embedding of sections of ``shape`` pixels; asked with the box around them."""
        own = [*self._tokens, self.boundary.token, self.distance.token]
        whole: list[Prompt] = [BoxPrompt(0, 0.0, float(shape[0]), 0.0, float(shape[1]))] * len(seen.embedding)
        (box,) = encode_prompts(self.model, whole, shape=shape)
        asked = attend(self.model, seen.embedding, box.sparse, box.dense, own=own)
        feature = self.feature(seen)
        boundary, distance = self._maps(asked, seen, mix(self._parts, asked.fine) + feature)
        feature, embedding = crop(feature, shape, stride=2), crop(seen.embedding, shape, stride=8)
        return Heads(to_section(boundary, shape), to_section(distance, shape), feature, embedding)

    def feature(self, seen: Seen) -> Float[Tensor, "batch channel rows columns"]:
        """The HQ feature of full tiles; it knows no prompt."""
        return sharpen(self._parts, seen)

    def reply(
        self,
        seen: Seen,
        which: Int[Tensor, " batch"],
        sparse: Float[Tensor, "batch token wide"],
        dense: Float[Tensor, "batch wide rows columns"],
    ) -> Replies:
        """Answer prompts about full tiles.

        Parameters
        ----------
        seen
            Tiles, as `see` gives them.
        which
            The tile that each prompt is about.
        sparse, dense
            What the prompt encoder makes of points and boxes (no token for masks), and of masks.
        """
        decoder, masks = self.model.mask_decoder, len(self.model.mask_decoder.mask_tokens.weight)
        own = [*self._tokens, *([self.boundary.token, self.distance.token] if self.heads_see_prompts else [])]
        asked = attend(self.model, seen.embedding[which], sparse, dense, own=own)
        mlps = zip(decoder.output_hypernetworks_mlps, asked.tokens[:, 1 : 1 + masks].unbind(1), strict=True)
        sam = torch.einsum("bmc,bcyx->bmyx", torch.stack([mlp(token) for mlp, token in mlps], 1), asked.fine)
        fused = mix(self._parts, asked.fine) + self.feature(seen)[which]
        correction = torch.einsum("bc,bcyx->byx", decoder.hq_mask_mlp(asked.tokens[:, 1 + masks]), fused)
        heads = self._maps(asked, seen, fused, which) if self.heads_see_prompts else [None, None]
        return Replies(sam, correction, decoder.iou_prediction_head(asked.tokens[:, 0]), *heads)

    def answer(
        self, seen: Seen, about: Int[Tensor, " batch"], prompts: Sequence[Prompt], *, shape: tuple[int, int]
    ) -> Replies:
        """Replies to prompts of all kinds, in order.

        Parameters
        ----------
        seen
            Tiles, as `see` gives them.
        about
            The tile that each prompt is about.
        prompts
            At least one; in pixels of their section.
        shape
            Pixels of each section.
        """
        asked = encode_prompts(self.model, prompts, shape=shape)
        parts = [self.reply(seen, about[a.numbers], a.sparse, a.dense) for a in asked]
        order = torch.cat([a.numbers for a in asked]).argsort()
        ordered: list[Any] = [None if v[0] is None else torch.cat(v)[order] for v in zip(*parts, strict=True)]
        return Replies(*ordered)

    def mask(self, replies: Replies, *, which: int = 0) -> Float[Tensor, "batch rows columns"]:
        """Logits of a mask that prompts are answered with: SAM's (0: the one for clear prompts) and its correction."""
        return replies.correction if self.hq_only else replies.sam[:, which] + replies.correction

    def beside_prompts(self) -> Any:
        """The model with the heads' tokens after the HQ token, as where heads see prompts; all else is shared."""
        model, decoder = _shallow(self.model), _shallow(self.model.mask_decoder)
        tokens = [decoder.hq_token, self.boundary.token, self.distance.token]
        decoder.hq_token = nn.Embedding.from_pretrained(torch.cat([part.weight.detach() for part in tokens]))
        model.mask_decoder = decoder
        return model

    @property
    def _tokens(self) -> list[nn.Embedding]:
        """HQ-SAM's own tokens, as they stand before those of the heads and of the prompt."""
        decoder = self.model.mask_decoder
        return [decoder.iou_token, decoder.mask_tokens, decoder.hq_token]

    @property
    def _parts(self) -> Parts:
        """The fusing block of the HQ token."""
        return {name: getattr(self.model.mask_decoder, name) for name in FUSING}

    def _maps(self, asked: Pass, seen: Seen, shared: Tensor, which: Tensor | None = None) -> list[Tensor]:
        """Logits of BDY and DST; their tokens stand after those of IoU, SAM's masks and HQ."""
        maps, first = [], len(self.model.mask_decoder.mask_tokens.weight) + 2
        for token, head in enumerate((self.boundary, self.distance), start=first):
            fused = shared
            if head.fusing is not None:
                own = sharpen(head.fusing, seen)
                fused = mix(head.fusing, asked.fine) + (own if which is None else own[which])
            maps.append(torch.einsum("bc,bcyx->byx", head.mlp(asked.tokens[:, token]), fused))
        return maps


def _shallow(module: Any) -> Any:
    """Another module of the same parts, in which a part can be replaced."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other
