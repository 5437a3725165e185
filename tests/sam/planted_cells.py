"""A section of known cells, and someone who answers each point with the cell that lies there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from savem3.prompt import Answer
from savem3.sam.found import pack


def cells(shape=(48, 64), *, rows=3, columns=4, wall=2):
    """Rectangles 1 to n with walls of 0 between them, as grey values."""
    y, x = np.indices(shape)
    height, width = shape[0] // rows, shape[1] // columns
    number = 1 + y // height * columns + x // width
    inside = (y % height >= wall) & (x % width >= wall) & (y // height < rows) & (x // width < columns)
    return np.where(inside, number, 0).astype(np.uint8)


def found(shape, rows, columns, *, predicted_iou=0.9, stability=1.0):
    """A rectangle as a mask that was found."""
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return pack(Answer(mask, predicted_iou, stability))


def random_masks(seed, *, shape=(24, 36), count=12):
    """Blobs of random numbers, some of equal scores and some alike."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(count):
        middle, radius = rng.uniform(0, shape), rng.uniform(1, 9)
        y, x = np.indices(shape)
        noise = rng.random(shape) < rng.choice([0.6, 1.0])
        mask = ((y - middle[0]) ** 2 + 0.5 * (x - middle[1]) ** 2 < radius**2) & noise
        packed = pack(Answer(mask, float(rng.choice([0.5, 0.7, 0.9])), float(rng.choice([0.5, 1.0]))))
        masks += [] if packed is None else [packed]
    return masks + masks[:2]


@dataclass
class Planted:
    """Proposes the cell under a point, and both it and its right half where ``halves`` is set; nothing on a wall.

    It looks at grey values as the cells' numbers, so crops need no care. ``batches`` are the prompts of each call.
    """

    predicted_iou: float = 0.9
    stability: float = 1.0
    halves: bool = False
    encoded: list = field(default_factory=list)
    batches: list = field(default_factory=list)

    def encode(self, section):
        self.encoded.append(section.shape)
        return section

    def propose(self, encoded, prompts):
        self.batches.append(prompts)
        return [self._masks(encoded, prompt) for prompt in prompts]

    def answer(self, encoded, prompts):
        return [answers[0] for answers in self.propose(encoded, prompts)]

    def ask(self, section, prompts):
        return self.answer(self.encode(section), prompts)

    def _masks(self, section, prompt):
        cell = section[int(prompt.y[0]), int(prompt.x[0])]
        mask = (section == cell) & (cell > 0)
        answers = [Answer(mask, self.predicted_iou, self.stability)]
        if self.halves and mask.any():
            right = mask & (np.arange(mask.shape[1]) > np.flatnonzero(mask.any(0)).mean())
            answers.append(Answer(right, self.predicted_iou - 0.1, self.stability))
        return answers
