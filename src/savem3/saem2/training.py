"""Training the teacher's encoder and its BDY and DST heads on annotated volumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from savem3.augment import change_grey_values, fill, fitting_turn, random_crop_box
from savem3.saem2.network import Heads, Saem2
from savem3.saem2.recipe import PretrainRecipe
from savem3.volume import IntensityMap, Sample, intensity_of

DISTANCE_CUT_NM = 64.0
"""Where the distance target ends (METHOD, Choice 6)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a training log: step, total loss since the last line, seconds since the start."""

    step: int
    loss: float
    time_s: float


def pretrain(
    samples: Sequence[Sample],
    *,
    recipe: PretrainRecipe,
    device: str = "cpu",
    on_progress: Callable[[Progress, Saem2], None] | None = None,
) -> Saem2:
    """Train a teacher from nothing.

    Parameters
    ----------
    samples
        Annotated volumes; a volume is drawn in proportion to the square root of its voxels.
    recipe
        All settings.
    device
        Where torch computes.
    on_progress
        Called every 100 steps with the log line and the network, to print or to keep a checkpoint.

    Raises
    ------
    ValueError
        If there is nothing to learn from.
    """
    if not samples:
        raise ValueError("samples must hold at least one annotated volume, got none")
    torch.manual_seed(recipe.seed)
    network = Saem2().to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.05
    )
    losses, start = [], time.monotonic()
    for step, batch in zip(range(1, recipe.steps + 1), _batches(samples, recipe), strict=False):
        raw, boundary, distance = (torch.from_numpy(b).to(device) for b in batch)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=recipe.bfloat16):
            heads = network(raw)
        loss = heads_loss(heads, boundary=boundary, distance=distance, recipe=recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if on_progress and (step % 100 == 0 or step == recipe.steps):
            on_progress(Progress(step, float(np.mean(losses[-100:])), time.monotonic() - start), network)
    return network.eval()


def heads_loss(
    heads: Heads,
    *,
    boundary: Float[Tensor, "batch y x"],
    distance: Float[Tensor, "batch y x"],
    recipe: PretrainRecipe,
) -> Float[Tensor, ""]:
    """BCE (+ Dice) of the membrane and smooth L1 of the distance, weighted as the recipe says.

    Source: the paper's losses for the heads are BCE + Dice; the membrane's weight and no Dice are the choice of
    `small_cpu`, since Dice pushes probabilities to 0 and 1 and later rooms need calibrated ones.
    """
    logits = heads.boundary.float()
    weight = 1 + (recipe.membrane_weight - 1) * boundary
    loss = (F.binary_cross_entropy_with_logits(logits, boundary, reduction="none") * weight).mean()
    if recipe.dice_weight:
        chance = logits.sigmoid()
        dice = 1 - (2 * (chance * boundary).sum() + 1) / (chance.sum() + boundary.sum() + 1)
        loss = loss + recipe.dice_weight * dice
    return loss + recipe.distance_weight * F.smooth_l1_loss(heads.distance.float().sigmoid(), distance, beta=0.1)


Crops = tuple[Float32[np.ndarray, "batch y x"], Float32[np.ndarray, "batch y x"], Float32[np.ndarray, "batch y x"]]


def _batches(samples: Sequence[Sample], recipe: PretrainRecipe) -> Iterator[Crops]:
    """Endless batches of raw, boundary 0/1 and distance 0–1."""
    rng = np.random.default_rng(recipe.seed)
    chance = np.sqrt([s.image.grid.voxels for s in samples])
    intensities = [intensity_of(s.image) for s in samples]
    while True:
        drawn = rng.choice(len(samples), recipe.batch, p=chance / chance.sum())
        crops = [_crop(samples[i], intensities[i], rng, recipe) for i in drawn]
        raw, boundary, distance = (np.stack(c) for c in zip(*crops, strict=True))
        yield raw, boundary, distance


def _crop(
    sample: Sample, intensity: IntensityMap, rng: np.random.Generator, recipe: PretrainRecipe
) -> tuple[Float32[np.ndarray, "y x"], Float32[np.ndarray, "y x"], Float32[np.ndarray, "y x"]]:
    """One section's crop, turned, scaled and changed in grey; isotropic volumes are cut along any axis."""
    grid = sample.image.grid
    edge = round(recipe.crop * float(rng.choice(recipe.scales)))
    turn = fitting_turn(rng, within=grid.shape, shape=(1, edge, edge), isotropic=grid.is_isotropic)
    box = random_crop_box(rng, within=grid.shape, shape=turn.source_shape((1, edge, edge)))
    volumes = (sample.image, sample.boundary, sample.distance)
    raw, boundary, distance = (fill(turn.apply(v.read(box)), (1, edge, edge))[0].astype(np.float32) for v in volumes)
    raw, boundary, distance = (_resize(s, recipe.crop) for s in (intensity.to_unit(raw), boundary / 255, distance))
    raw = change_grey_values(raw[None], rng, isotropic=True)[0]
    return raw, (boundary > 0.5).astype(np.float32), np.clip(distance / DISTANCE_CUT_NM, 0, 1)


def _resize(section: Float32[np.ndarray, "y x"], edge: int) -> Float32[np.ndarray, "edge edge"]:
    if section.shape == (edge, edge):
        return section
    return ndimage.zoom(section, [edge / n for n in section.shape], order=1).astype(np.float32)
