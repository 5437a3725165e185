"""How to train the teacher: one recipe, a few named ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Settings of one training run of the teacher.

    Parameters
    ----------
    steps
        Optimiser steps.
    batch
        Crops a step.
    crop
        Edge of a square crop, pixels; a multiple of 8.
    learning_rate
        Peak of a cosine schedule with a short warm-up.
    membrane_weight
        Weight of a membrane pixel relative to 1 for others, in the cross-entropy of BDY.
    dice_weight
        Weight of the Dice term of BDY.
    distance_weight
        Weight of the smooth-L1 term of DST.
    scales
        Factors by which a crop's field of view is drawn larger or smaller.
    bfloat16
        Whether products are taken in bfloat16 (faster on recent CPUs and all recent GPUs).
    seed
        Of weights, crops and augmentation.
    """

    steps: int
    batch: int = 12
    crop: int = 112
    learning_rate: float = 3e-3
    membrane_weight: float = 3.0
    dice_weight: float = 0.0
    distance_weight: float = 1.0
    scales: tuple[float, ...] = (1.0, 1.0, 0.8, 1.25)
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop % 8:
            raise ValueError(f"crop must be a multiple of 8 pixels, got {self.crop}")


def small_cpu(*, seed: int = 0) -> PretrainRecipe:
    """What the shipped `saem2-tiny` was trained with: one CPU core; its card states time and scores."""
    return PretrainRecipe(steps=6000, seed=seed)


def paper(*, seed: int = 0) -> PretrainRecipe:
    """The published losses (BCE + Dice) and optimiser settings on our encoder. Not yet run."""
    return PretrainRecipe(
        steps=12 * 120_000 // 8, batch=8, crop=512, learning_rate=1e-3, membrane_weight=1.0, dice_weight=1.0, seed=seed
    )


def smoke() -> PretrainRecipe:
    """Two steps on tiny crops: proves that everything is connected, teaches nothing."""
    return PretrainRecipe(steps=2, batch=2, crop=32)


@dataclass(frozen=True, slots=True)
class PromptRecipe:
    """Settings of one training run of the prompt decoder on a frozen teacher.

    Parameters
    ----------
    steps
        Optimiser steps.
    sections
        Sections a step.
    prompts
        Prompts a section, each about one instance and of one of four kinds.
    windows
        Edge of the window around each prompt, pixels, step by step in turn; multiples of 16 up to the decoder's own
        192. Smaller ones are cheaper to learn from, and most neurites fit into them.
    learning_rate
        Peak of a cosine schedule with a short warm-up.
    memory
        Share of the running mean of all values that each step keeps; the mean is what is handed out.
    smallest
        Instances of fewer pixels in the section are not asked about.
    bfloat16
        Whether products are taken in bfloat16.
    seed
        Of weights, sections and prompts.
    """

    steps: int
    sections: int = 2
    prompts: int = 6
    windows: tuple[int, ...] = (128, 128, 128, 192)
    learning_rate: float = 1e-3
    memory: float = 0.98
    smallest: int = 60
    bfloat16: bool = True
    seed: int = 0


def prompts_small_cpu(*, steps: int = 800, seed: int = 0) -> PromptRecipe:
    """The last run of the prompt decoder of the shipped `saem2-tiny`; one CPU core, 4 minutes of its time.

    It went on from 300 steps (2.3 CPU-minutes) with windows of 192 pixels alone; the card tells of both runs.
    """
    return PromptRecipe(steps=steps, seed=seed)
