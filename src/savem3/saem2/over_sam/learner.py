"""SAEM² over SAM learns: lessons enter, terms at drawn points leave; a frozen encoder sees each section once.

Source: METHOD §4 (BCE + Dice on mask and membrane at PointRend's points). Our choices: the distance is smooth L1; the
mask that learns is the one that is answered (SAM's plus the HQ token's); a frozen SAM's predicted IoU is not taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.saem2.lessons import Lesson
from savem3.saem2.losses import distance_loss
from savem3.saem2.over_sam.embeddings import KeptEmbeddings
from savem3.saem2.over_sam.network import Replies, Saem2OverSam
from savem3.saem2.over_sam.parts import Seen, crop, to_section
from savem3.saem2.over_sam.points import PointSampling, point_losses
from savem3.saem2.over_sam.weights import base_digest
from savem3.saem2.recipe import TrainRecipe

WHOLE_SECTION = 0.5
"""Chance that heads which see prompts are asked with the box around the section (METHOD, Choice 4)."""


class PublishedLearner(nn.Module):
    """Teaches `Saem2OverSam`; implements `savem3.saem2.learner.Learner`.

    Its state is what the network learned, without the SAM that it stands on; taking up the state of a learner on
    another SAM is refused.

    Parameters
    ----------
    network
        What learns, as it was set to.
    recipe
        The precision and the seed.
    sampling
        The points at which masks and membranes are compared.
    kept
        Where a frozen encoder's output is kept, for lessons that have a name.

    Raises
    ------
    ValueError
        If embeddings are to be kept of an encoder that learns.
    """

    def __init__(
        self,
        network: Saem2OverSam,
        *,
        recipe: TrainRecipe,
        sampling: PointSampling = PointSampling(),
        kept: KeptEmbeddings | None = None,
    ) -> None:
        super().__init__()
        if kept is not None and network.train_encoder:
            raise ValueError("kept must be absent while the encoder learns, got a folder of embeddings")
        self.network, self.recipe, self.sampling, self.kept = network, recipe, sampling, kept
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("base", torch.tensor(list(bytes.fromhex(base_digest(network))), dtype=torch.uint8))
        self.register_state_dict_post_hook(_leave_out_base)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_refuse_other_base)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_miss_no_base)  # type: ignore[no-untyped-call]

    calls: Tensor
    base: Tensor

    def forward(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """Terms of sections of one size, at most a tile: mask, boundary, distance; iou where the decoder learns."""
        device, shape = self.calls.device, _shape_of(lessons)
        rng = torch.Generator(device).manual_seed(self.recipe.seed * 1_000_003 + int(self.calls))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            seen = self._see(lessons)
            about = torch.tensor([i for i, lesson in enumerate(lessons) for _ in lesson.prompts], device=device).long()
            prompts = [p for lesson in lessons for p in lesson.prompts]
            replies = self.network.answer(seen, about, prompts, shape=shape) if prompts else None
            maps, of = self._look(seen, replies, about, shape=shape, rng=rng)
        self.calls += 1
        terms = {} if replies is None else self._teach_masks(replies, lessons, rng)
        return terms | self._teach_heads(maps, _stack([lessons[i] for i in of.tolist()], device), rng)

    def _see(self, lessons: Sequence[Lesson]) -> Seen:
        """Encode sections, or find those that were encoded before."""
        device, kept = self.calls.device, self.kept
        found = [kept.find(own.name, own.grey) if kept and own.name is not None else None for own in lessons]
        missing = [i for i, seen in enumerate(found) if seen is None]
        if missing:
            new = self.network.see(torch.from_numpy(np.stack([lessons[i].grey for i in missing])).to(device))
            for i, *own in zip(missing, *(value.split(1) for value in new), strict=True):
                found[i], name = Seen(*own), lessons[i].name
                if kept and name is not None:
                    found[i] = kept.keep(name, lessons[i].grey, Seen(*own))
        return Seen(*(torch.cat([value.to(device) for value in values]) for values in zip(*found, strict=True)))

    def _look(
        self, seen: Seen, replies: Replies | None, about: Tensor, *, shape: tuple[int, int], rng: torch.Generator
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Logits of BDY and DST, and which section each is of; some under the lesson's prompts if heads see prompts."""
        whole = torch.ones(len(seen.embedding), dtype=torch.bool, device=about.device)
        if replies is not None and self.network.heads_see_prompts:
            whole = torch.rand(len(whole), generator=rng, device=about.device) < WHOLE_SECTION
            whole[[i for i in range(len(whole)) if i not in about.tolist()]] = True
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        if len(sections := whole.nonzero()[:, 0]):
            heads = self.network.look(Seen(*(v[sections] for v in seen)), shape=shape)
            parts.append((heads.boundary, heads.distance, sections))
        if replies is not None and replies.boundary is not None and replies.distance is not None:
            others = ~whole[about]
            boundary, distance = (to_section(m[others], shape) for m in (replies.boundary, replies.distance))
            parts.append((boundary, distance, about[others]))
        boundary, distance, of = (torch.cat(values) for values in zip(*parts, strict=True))
        return (boundary, distance), of

    def _teach_masks(self, replies: Replies, lessons: Sequence[Lesson], rng: torch.Generator) -> dict[str, Tensor]:
        masks = np.stack([mask for lesson in lessons for mask in lesson.masks]).astype(np.float32)
        truth, shape = torch.from_numpy(masks).to(self.calls.device), _shape_of(lessons)
        logits = crop(self.network.mask(replies), shape, stride=2)
        terms = {"mask": point_losses(logits, truth, sampling=self.sampling, rng=rng).mean()}
        if self.network.train_decoder:
            overlap = _iou(logits.detach() > 0, F.avg_pool2d(truth[:, None], 2)[:, 0] >= 0.5)
            terms["iou"] = ((replies.iou[:, 0].float() - overlap) ** 2).mean()
        return terms

    def _teach_heads(
        self, maps: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor], rng: torch.Generator
    ) -> dict[str, Tensor]:
        boundary = point_losses(maps[0], truth[0], sampling=self.sampling, rng=rng).mean()
        return {"boundary": boundary, "distance": distance_loss(maps[1], truth[1])}


def _stack(lessons: Sequence[Lesson], device: torch.device) -> tuple[Tensor, Tensor]:
    """The truth of BDY and DST."""
    boundary, distance = (np.stack([getattr(lesson, name) for lesson in lessons]) for name in ("boundary", "distance"))
    return torch.from_numpy(boundary).to(device), torch.from_numpy(distance).to(device)


def _shape_of(lessons: Sequence[Lesson]) -> tuple[int, int]:
    return lessons[0].grey.shape[0], lessons[0].grey.shape[1]


def _iou(one: Tensor, other: Tensor) -> Tensor:
    return (one & other).sum((1, 2)) / (one | other).sum((1, 2)).clamp(min=1)


def _leave_out_base(learner: PublishedLearner, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    own = {f"{prefix}network.{name}" for name in learner.network.own_names}
    for name in [n for n in state if n.startswith(f"{prefix}network.") and n not in own]:
        del state[name]


def _refuse_other_base(learner: PublishedLearner, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    was = state.get(f"{prefix}base")
    if was is not None and not torch.equal(was.cpu(), learner.base.cpu()):
        got = [bytes(value.tolist()).hex()[:12] for value in (learner.base, was)]
        raise ValueError(f"state must be of a learner on the SAM with digest {got[0]}…, got one on {got[1]}…")


def _miss_no_base(learner: PublishedLearner, keys: Any) -> None:
    own = {f"network.{name}" for name in learner.network.own_names} | {"calls", "base"}
    keys.missing_keys[:] = [name for name in keys.missing_keys if name in own]
