"""Somebody to ask about tiny volumes, whose answers follow from the grey values alone; notes what it was shown."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from savem3.graphcut import AskRecipe, EnergyRecipe, PromptRecipe, Witness
from savem3.grid import Grid
from savem3.pipeline import Settings
from savem3.prompt import Answer
from savem3.stages import Outputs, cut_stages
from savem3.teacher import Look
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels

SHAPE, VOXEL = (5, 24, 36), (30.0, 6.0, 4.0)
GRID = Grid(SHAPE, VOXEL)
ASK = AskRecipe(doubt=6.0, prompts=10_000, smallest=1)
OURS = PromptRecipe(ASK)
LIFTED = PromptRecipe(ASK, EnergyRecipe(features=0.5, lifted=0.5))
PAPER = PromptRecipe(ASK, energy="paper")


@dataclass(frozen=True)
class Knower:
    """Answers with all pixels as grey as those under most of a prompt; sees the grey value and its square."""

    shown: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    most: list = field(default_factory=list)

    def ask(self, section, prompts):
        return self.answer(self.encode(section), prompts)

    def encode(self, section):
        self.shown.append(section.tobytes())
        return section

    def answer(self, encoded, prompts):
        self.most.append(len(prompts))
        return [Answer(encoded == self.under(p, encoded), 0.9) for p in prompts]

    def propose(self, encoded, prompts):
        return [[answer] for answer in self.answer(encoded, prompts)]

    def under(self, prompt, section):
        return np.bincount([int(section[int(y), int(x)]) for y, x in zip(prompt.y, prompt.x, strict=True)]).argmax()

    def look_at(self, sections):
        self.seen.append(sections.tobytes())
        grey = sections[:, ::2, ::2]
        wide = np.zeros((len(sections), 1, *(n // 8 for n in sections.shape[1:])), np.float32)
        return Look(sections, None, np.stack([grey, grey**2, np.ones_like(grey)], 1), wide)


def many_bodies(seed=0):
    """Image, fragments and boundary: six bodies, each of two larger and two smaller fragments a section.

    The image has one grey value for each body, and no two sections are the same. A corner is background.
    """
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE)
    body = 3 * (y // 12) + x // 12
    fragments = 1 + (4 * body + 2 * (y % 12 // 6) + x % 12 // 8) + 24 * z
    image = 20 + 30 * body
    image[:, 0, 0] = np.arange(SHAPE[0])
    fragments[:, 0, :2] = 0
    chance = rng.integers(20, 130, (5, 4, 6)).repeat(6, 1).repeat(6, 2)
    wall = (y % 12 == 0) | (y % 12 == 11) | (x % 12 == 0) | (x % 12 == 11)
    boundary = np.clip(chance + 90 * wall + rng.integers(-20, 20, SHAPE), 0, 255)
    arrays = image.astype(np.uint8), fragments.astype(np.uint64), boundary.astype(np.uint8)
    return tuple(kind(voxels, GRID) for kind, voxels in zip((Image, Labels, BoundaryMap), arrays, strict=True))


def witness_of(image, knower):
    return Witness(image, lambda: knower, lambda: knower, IntensityMap(0.0, 255.0))


def prompted_stages(folder, volume, knower, *, recipe, block, cutter="multicut"):
    """Outputs and stages of a cut of fragments that are there."""
    image, fragments, boundary = volume
    settings = replace(Settings(0.4, cutter=cutter), block=block, prompts=recipe)
    out = Outputs(folder, GRID, settings)
    return out, cut_stages(out, fragments, boundary, witness_of(image, knower))
