"""How to distil a student: one recipe, a few named ones."""

from __future__ import annotations

from dataclasses import dataclass

from savem3.grid import Shape


@dataclass(frozen=True, slots=True)
class DistillRecipe:
    """Settings of one training run of a student.

    Parameters
    ----------
    steps
        Optimiser steps.
    batch
        Crops a step.
    crop
        Voxels of a crop along z, y, x; y and x multiples of 8.
    learning_rate
        Peak of a cosine schedule with a short warm-up.
    membrane_weight
        Weight of a certain membrane voxel relative to 1 for a certain inside, in the cross-entropy of the boundary.
    feature_weight, embedding_weight
        Weights of the L1 terms on the two inner taps; 0 leaves a tap out.
    labelled_share
        Share of crops drawn from annotated volumes, where there are any; the rest is drawn from unlabelled ones.
    mean_decay
        Decay of the running mean of the network's values, which is what leaves; 0 keeps the last values.
    bfloat16
        Whether products are taken in bfloat16 (faster on recent CPUs and all recent GPUs).
    seed
        Of weights, crops and augmentation.
    """

    steps: int
    batch: int = 4
    crop: Shape = (20, 96, 96)
    learning_rate: float = 2e-3
    membrane_weight: float = 2.0
    feature_weight: float = 0.1
    embedding_weight: float = 0.1
    labelled_share: float = 0.5
    mean_decay: float = 0.998
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop[1] % 8 or self.crop[2] % 8:
            raise ValueError(f"crop must be multiples of 8 voxels along y and x, got {self.crop}")
        if not 0 <= self.labelled_share <= 1:
            raise ValueError(f"labelled_share must lie in 0 to 1, got {self.labelled_share}")


def small_cpu(*, steps: int = 3000, seed: int = 0) -> DistillRecipe:
    """For `fast` on a CPU, ≈ 1 s a step on one core; the shipped student's card states its run."""
    return DistillRecipe(steps=steps, seed=seed)


def paper(*, seed: int = 0) -> DistillRecipe:
    """The published schedule, batch, crop and weights, without the second stage. Not yet run."""
    return DistillRecipe(
        steps=200_000,
        batch=4,
        crop=(18, 160, 160),
        learning_rate=1e-4,
        membrane_weight=1.0,
        feature_weight=1.0,
        embedding_weight=1.0,
        labelled_share=0.0,
        mean_decay=0.0,
        bfloat16=False,
        seed=seed,
    )


def smoke() -> DistillRecipe:
    """Two steps on tiny crops: proves that everything is connected, teaches nothing."""
    return DistillRecipe(steps=2, batch=2, crop=(4, 32, 32), mean_decay=0.5)
