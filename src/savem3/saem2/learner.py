"""Who learns: lessons enter, named terms of a loss leave. The small teacher is one learner, SAM with heads another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from savem3.saem2.lessons import Lesson
from savem3.saem2.losses import boundary_loss, distance_loss, prompt_losses
from savem3.saem2.network import Heads, Saem2
from savem3.saem2.prompter import cut_window, place
from savem3.saem2.prompts import PromptDecoder, cut
from savem3.saem2.recipe import TrainRecipe


@runtime_checkable
class Learner(Protocol):
    """A module that is called with lessons and gives terms to be made small: mask, iou, boundary, distance."""

    def __call__(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """Terms by name, each a scalar that can be differentiated, none of them weighted yet."""
        ...

    def state_dict(self) -> Any:
        """All values by name."""
        ...


class TinyLearner(nn.Module):
    """The small teacher learns: all of it, or the prompt decoder on a frozen network.

    Parameters
    ----------
    network
        Encoder and heads.
    decoder
        Answers prompts; absent where only the heads learn.
    recipe
        Windows, the membrane's weight, the precision.
    frozen
        Whether the network stays as it is: its values and its running means.
    """

    def __init__(
        self, network: Saem2, decoder: PromptDecoder | None, *, recipe: TrainRecipe, frozen: bool = False
    ) -> None:
        super().__init__()
        self.network, self.decoder, self.recipe, self.frozen = network, decoder, recipe, frozen
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        network.requires_grad_(not frozen)

    calls: Tensor

    def train(self, mode: bool = True) -> TinyLearner:
        """Begin or end learning; a frozen network never learns."""
        super().train(mode)
        self.network.train(mode and not self.frozen)
        return self

    def forward(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """Terms of crops of one size."""
        device = self.calls.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            heads = self.network(_stack([lesson.grey for lesson in lessons], device))
            terms = {} if self.frozen else self._look(heads, lessons)
            if self.decoder is not None:
                terms |= self._answer(heads, lessons)
        self.calls += 1
        return terms

    def _look(self, heads: Heads, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        boundary, distance = (
            _stack([getattr(lesson, name) for lesson in lessons], self.calls.device)
            for name in ("boundary", "distance")
        )
        weights = {"membrane_weight": self.recipe.membrane_weight, "dice_weight": self.recipe.dice_weight}
        return {
            "boundary": boundary_loss(heads.boundary, boundary, **weights),
            "distance": distance_loss(heads.distance, distance),
        }

    def _answer(self, heads: Heads, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        assert self.decoder is not None
        window = self.recipe.windows[int(self.calls) % len(self.recipe.windows)]
        placed = place([p for lesson in lessons for p in lesson.prompts], window=window, device=str(self.calls.device))
        masks = [m for lesson in lessons for m in lesson.masks]
        truth = [cut_window(m, start, window=window) for m, start in zip(masks, placed.starts, strict=True)]
        asked = np.repeat(np.arange(len(lessons)), [len(lesson.masks) for lesson in lessons])
        logits, iou = self.decoder(cut(self.decoder.read(heads), placed.starts, window=window, sections=asked), placed)
        mask, belief = prompt_losses(logits, iou, truth=_stack(truth, self.calls.device))
        return {"mask": mask, "iou": belief}


def _stack(sections: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(sections).astype(np.float32, copy=False)).to(device)
