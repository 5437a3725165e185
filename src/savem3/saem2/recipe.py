"""How to train a 2D teacher: one recipe, a few named ones."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("box", "point", "points", "mask")


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """Settings of one training run of a teacher: its encoder, its heads, its prompt decoder, or all of them.

    Parameters
    ----------
    steps
        Optimiser steps.
    sections
        Crops of sections a step.
    crop
        Edge of a square crop, pixels; a multiple of 8.
    prompts
        Prompts a crop, each about one instance; 0 where only the heads learn.
    kinds
        Kinds of prompts, drawn with equal chance; a name may stand twice.
    windows
        For the small decoder: edge of the window around each prompt, pixels, step by step in turn; multiples of 16 up
        to the decoder's own 192. Smaller ones are cheaper to learn from, and most neurites fit into them.
    smallest
        Instances of fewer pixels in the crop are not asked about.
    learning_rate
        Its peak.
    drop_at
        Share of the steps after which the rate falls to a tenth; absent for a warm-up and a cosine to nothing.
    warm_up
        Share of the steps in which the rate rises; with the cosine alone.
    memory
        Share of the running mean of all values that each step keeps; the mean is what is handed out. 0: no mean.
    mask_weight, iou_weight, boundary_weight, distance_weight
        Weights of the terms of the loss; boundary and distance are the auxiliary heads.
    membrane_weight
        For the small teacher: weight of a membrane pixel relative to 1 for others, in the cross-entropy of BDY.
    dice_weight
        For the small teacher: weight of the Dice term of BDY within its loss.
    scales
        Factors by which a crop's field of view is drawn larger or smaller.
    grey_changes
        Whether grey values are changed at random; without, a frozen encoder's embeddings can be kept.
    bfloat16
        Whether products are taken in bfloat16 (faster on recent CPUs and all recent GPUs).
    seed
        Of weights, crops, prompts and augmentation.

    Raises
    ------
    ValueError
        If the crop is no multiple of 8, or a kind of prompt is unknown.
    """

    steps: int
    sections: int = 12
    crop: int = 112
    prompts: int = 0
    kinds: tuple[str, ...] = KINDS
    windows: tuple[int, ...] = (128, 128, 128, 192)
    smallest: int = 60
    learning_rate: float = 3e-3
    drop_at: float | None = None
    warm_up: float = 0.05
    memory: float = 0.0
    mask_weight: float = 1.0
    iou_weight: float = 1.0
    boundary_weight: float = 1.0
    distance_weight: float = 1.0
    membrane_weight: float = 3.0
    dice_weight: float = 0.0
    scales: tuple[float, ...] = (1.0, 1.0, 0.8, 1.25)
    grey_changes: bool = True
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop % 8:
            raise ValueError(f"crop must be a multiple of 8 pixels, got {self.crop}")
        if unknown := sorted({*self.kinds} - {*KINDS}):
            raise ValueError(f"kinds must be among {KINDS}, got {unknown}")


def heads_small_cpu(*, steps: int = 4000, seed: int = 0) -> TrainRecipe:
    """Encoder, BDY and DST alone, no prompts: how `saem2-tiny` began. One CPU core, 15 minutes."""
    return TrainRecipe(steps=steps, seed=seed)


def small_cpu(*, steps: int = 8000, seed: int = 0) -> TrainRecipe:
    """Encoder, heads and prompt decoder together, from whatever start: how `saem2-tiny` went on. One CPU core.

    Its card and docs/experiments.md state time and scores.
    """
    return TrainRecipe(
        steps=steps, sections=3, crop=224, prompts=8, learning_rate=1e-3, memory=0.995, boundary_weight=2.0, seed=seed
    )


def h200_half_hour(*, seed: int = 0) -> TrainRecipe:
    """As `small_cpu` with larger crops and batches, for half an hour of one large GPU. Not yet run."""
    return TrainRecipe(
        steps=20_000,
        sections=16,
        crop=384,
        prompts=12,
        learning_rate=1e-3,
        memory=0.998,
        boundary_weight=2.0,
        seed=seed,
    )


def paper(*, seed: int = 0) -> TrainRecipe:
    """The published settings over a SAM encoder: 12 epochs of 120,000 instances, 8 a step, Adam 1e-3. Not yet run.

    Source: METHOD §4: batch 8, the rate falls to a tenth at epoch 10, prompts drawn from box, ten points and noisy
    mask, no change of grey values since a frozen encoder's embeddings are kept.
    """
    return TrainRecipe(
        steps=12 * 120_000 // 8,
        sections=8,
        crop=512,
        prompts=1,
        kinds=("box", "points", "mask"),
        learning_rate=1e-3,
        drop_at=10 / 12,
        membrane_weight=1.0,
        dice_weight=1.0,
        scales=(1.0,),
        grey_changes=False,
        seed=seed,
    )


def smoke() -> TrainRecipe:
    """Two steps on tiny crops: proves that everything is connected, teaches nothing."""
    return TrainRecipe(steps=2, sections=2, crop=32)
