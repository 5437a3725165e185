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
    distance_weight
        Weight of the smooth L1 of the second output (METHOD, Choice 11); 0 leaves it out, above it the student needs
        two outputs.
    motion_weight, smooth_weight
        Weights of the second stage's terms on the HQ feature's tap; 0 leaves one out.
    second_stage_from
        Steps that are taken before the second stage's terms join.
    labelled_share
        Share of crops drawn from annotated volumes, where there are any; the rest is drawn from unlabelled ones.
    mean_decay
        Decay of the running mean of the network's values, which is what leaves; 0 keeps the last values.
    bfloat16
        Whether products are taken in bfloat16 (faster on recent CPUs and all recent GPUs).
    seed
        Of weights, crops and augmentation.

    Raises
    ------
    ValueError
        If a setting is not as described.
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
    distance_weight: float = 0.0
    motion_weight: float = 0.0
    smooth_weight: float = 0.0
    second_stage_from: int = 0

    def __post_init__(self) -> None:
        if self.crop[1] % 8 or self.crop[2] % 8:
            raise ValueError(f"crop must be multiples of 8 voxels along y and x, got {self.crop}")
        if not 0 <= self.labelled_share <= 1:
            raise ValueError(f"labelled_share must lie in 0 to 1, got {self.labelled_share}")
        for name in ("feature", "embedding", "distance", "motion", "smooth"):
            if getattr(self, f"{name}_weight") < 0:
                raise ValueError(f"{name}_weight must be at least 0, got {getattr(self, f'{name}_weight')}")
        if self.second_stage_from < 0:
            raise ValueError(f"second_stage_from must be at least 0, got {self.second_stage_from}")
        if self.has_second_stage and self.crop[0] < 2:
            raise ValueError(f"crop must hold at least 2 sections for a second stage, got {self.crop[0]}")

    @property
    def has_second_stage(self) -> bool:
        """Whether neighbouring sections are compared at all."""
        return self.motion_weight > 0 or self.smooth_weight > 0

    @property
    def wants_looks(self) -> bool:
        """Whether a teacher's inner maps or distance are learned, so that a teacher has to be looked through."""
        return self.feature_weight > 0 or self.embedding_weight > 0 or self.distance_weight > 0


def small_cpu(*, steps: int = 3000, seed: int = 0) -> DistillRecipe:
    """For `fast` on a CPU, ≈ 1 s a step on one core; the shipped student's card states its run."""
    return DistillRecipe(steps=steps, seed=seed)


def paper(*, seed: int = 0) -> DistillRecipe:
    """The published schedule, batch, crop, weights and second stage. Not yet run."""
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
        motion_weight=0.05,
        smooth_weight=0.05,
        second_stage_from=20_000,
        seed=seed,
    )


def h200_half_hour(*, seed: int = 0) -> DistillRecipe:
    """For `superhuman` on one H100 or H200, every term, cached teachers. Not yet run: all numbers are estimates.

    A voxel costs 0.5M multiplications forward and twice that backward, 3 MFLOP in all. At an assumed twentieth of the
    card's dense bfloat16 rate (≈ 50 TFLOP/s) that is ≈ 16M voxels a second, so ≈ 0.23 s a step of 3.7M voxels and
    ≈ 8,000 steps in 30 minutes. Memory ≈ 15 GB.
    """
    return DistillRecipe(
        steps=8_000,
        batch=8,
        crop=(18, 160, 160),
        learning_rate=1e-3,
        feature_weight=0.1,
        embedding_weight=0.1,
        motion_weight=0.05,
        smooth_weight=0.05,
        second_stage_from=800,
        seed=seed,
    )


def smoke() -> DistillRecipe:
    """Two steps on tiny crops: proves that everything is connected, teaches nothing."""
    return DistillRecipe(steps=2, batch=2, crop=(4, 32, 32), mean_decay=0.5)
