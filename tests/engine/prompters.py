"""Prompters whose answers can be seen beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from savem3.prompt import Answer, MaskPrompt


@dataclass
class Drawing:
    """Answers by what a function makes of the mask that it is shown; counts what it was asked."""

    draw: Callable
    encoded: int = 0
    asked: list = field(default_factory=list)

    def ask(self, section, prompts):
        return self.answer(self.encode(section), prompts)

    def encode(self, section):
        self.encoded += 1
        return section

    def answer(self, encoded, prompts):
        self.asked += prompts
        return [self.draw(prompt, encoded) for prompt in prompts]

    def propose(self, encoded, prompts):
        return [[answer] for answer in self.answer(encoded, prompts)]


def the_same(prompt, section):
    return Answer(prompt.mask.copy(), 0.9)


def grown(prompt, section):
    return Answer(ndimage.binary_dilation(prompt.mask), 0.9)


def by_chance(seed, *, spread=1.0):
    """Masks moved and frayed, by a generator that what is shown decides: the same answer to the same question."""

    def draw(prompt, section):
        assert isinstance(prompt, MaskPrompt)
        digest = np.packbits(prompt.mask).astype(np.uint64)
        rng = np.random.default_rng([seed, int(digest @ np.arange(1, len(digest) + 1, dtype=np.uint64))])
        rough = ndimage.gaussian_filter(prompt.mask.astype(np.float64), 0.6)
        mask = rough + rng.normal(0, 0.12 * spread, rough.shape) > rng.uniform(0.2, 0.6)
        return Answer(mask, float(rng.choice([0.5, 0.7, 0.7, 0.9])), float(rng.choice([0.8, 1.0])))

    return draw
