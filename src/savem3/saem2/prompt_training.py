"""Training the prompt decoder on a frozen teacher: instances of annotated sections, each asked for by one prompt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import cc3d
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt64
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from savem3.augment import change_grey_values, random_turn
from savem3.grid import Box
from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from savem3.saem2.network import Saem2
from savem3.saem2.prompter import cut_window, pad, place
from savem3.saem2.prompts import PromptDecoder, cut
from savem3.saem2.recipe import PromptRecipe
from savem3.saem2.training import Progress
from savem3.volume import IntensityMap, Sample, intensity_of

Mask = Bool[np.ndarray, "y x"]
Lesson = tuple[Float32[np.ndarray, "y x"], list[Mask], list[Prompt]]
"""A section in −1…1, instances in it, and a prompt for each."""

BOX_JITTER = 0.1
"""Corners of a box move by up to this share of its edge (and by up to 2 pixels)."""


def train_prompts(
    network: Saem2,
    samples: Sequence[Sample],
    *,
    recipe: PromptRecipe,
    start: PromptDecoder | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress, PromptDecoder], None] | None = None,
) -> PromptDecoder:
    """Train a prompt decoder, from nothing or from another's values; the network is not changed.

    Parameters
    ----------
    network
        A trained teacher in evaluation mode.
    samples
        Annotated volumes; a volume is drawn in proportion to the square root of its voxels.
    recipe
        All settings.
    start
        A decoder whose values are taken over; absent to begin with nothing.
    device
        Where torch computes.
    on_progress
        Called every 50 steps with the log line and the decoder, to print or to keep a checkpoint.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or the network still trains.
    """
    if not samples:
        raise ValueError("samples must hold at least one annotated volume, got none")
    if network.training:
        raise ValueError("network must be in evaluation mode, got one that trains")
    torch.manual_seed(recipe.seed)
    decoder = PromptDecoder().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start is not None:
        decoder.load_state_dict(start.state_dict())
    mean = AveragedModel(decoder, multi_avg_fn=get_ema_multi_avg_fn(recipe.memory))
    optimizer = torch.optim.AdamW(decoder.parameters(), recipe.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.1
    )
    losses, began = [], time.monotonic()
    for step, sections in zip(range(1, recipe.steps + 1), _lessons(samples, recipe), strict=False):
        window = recipe.windows[step % len(recipe.windows)]
        asked = [_ask(network, decoder, s, window=window, bfloat16=recipe.bfloat16, device=device) for s in sections]
        loss = torch.stack(asked).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(decoder)
        losses.append(loss.item())
        if on_progress and (step % 50 == 0 or step == recipe.steps):
            on_progress(Progress(step, float(np.mean(losses[-50:])), time.monotonic() - began), _inside(mean))
    return _inside(mean).eval()


def prompt_loss(
    logits: Float[Tensor, "batch y x"], iou: Float[Tensor, " batch"], *, truth: Float[Tensor, "batch y x"]
) -> Float[Tensor, ""]:
    """BCE + Dice of the mask, and the squared error of the predicted IoU.

    Source: METHOD §4 for BCE + Dice. Our choice: a mask's BCE is summed over its window and divided by the pixels of
    its truth, so that thin neurites count as much as somata.
    """
    logits, axes = logits.float(), (1, 2)
    area = truth.sum(axes)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(axes) / (area + 1)
    chance = logits.sigmoid()
    dice = 1 - (2 * (chance * truth).sum(axes) + 1) / (chance.sum(axes) + area + 1)
    guess = (logits.detach() > 0).float()
    common = (guess * truth).sum(axes)
    overlap = common / (guess.sum(axes) + area - common).clamp(min=1)
    return (entropy + dice + (iou.float().sigmoid() - overlap) ** 2).mean()


def draw_prompt(mask: Mask, rng: np.random.Generator) -> Prompt:
    """A prompt for an instance: jittered box, one point, ten points or noisy mask, all equally likely."""
    draw = (draw_box, draw_point, draw_points, draw_mask)[rng.integers(4)]
    return draw(mask, rng)


def draw_box(mask: Mask, rng: np.random.Generator) -> BoxPrompt:
    """The instance's box, its corners jittered."""
    edges: list[float] = []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        start, stop = box_edges(mask, axis=axis)
        most = min(2.0 + BOX_JITTER * (stop - start), (stop - start) / 2 - 0.5)
        moved = np.array([start, stop]) + rng.uniform(-most, most, 2)
        edges += [float(n) for n in np.clip(moved, 0, length)]
    return BoxPrompt(0, *edges)


def box_edges(mask: Mask, *, axis: int) -> tuple[int, int]:
    """First pixel of a mask and the one after its last, along the axis that is left."""
    lines = np.flatnonzero(mask.any(axis))
    return int(lines[0]), int(lines[-1]) + 1


def draw_point(mask: Mask, rng: np.random.Generator) -> PointPrompt:
    """One point on the instance, the likelier the farther from its edge."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[box], 1))[1:-1, 1:-1]
    return points_on(mask, rng, number=1, chance=depth[mask[box]])


def draw_points(mask: Mask, rng: np.random.Generator) -> PointPrompt:
    """Ten points on the instance; in every second prompt three more close by but off it."""
    points = points_on(mask, rng, number=10)
    near, box = np.zeros_like(mask), _around(mask)
    near[box] = ndimage.binary_dilation(mask[box], iterations=12) & ~ndimage.binary_dilation(mask[box], iterations=2)
    if rng.random() < 0.5 or not near.any():
        return points
    off = points_on(near, rng, number=3)
    return PointPrompt(0, points.y + off.y, points.x + off.x, (True,) * 10 + (False,) * 3)


def points_on(
    mask: Mask, rng: np.random.Generator, *, number: int, chance: Float[np.ndarray, " pixel"] | None = None
) -> PointPrompt:
    """Points on a mask, with repetition; each pixel equally likely, or as its ``chance`` says."""
    y, x = np.nonzero(mask)
    drawn = rng.choice(len(y), number, p=None if chance is None else chance / chance.sum())
    return PointPrompt(0, tuple(map(float, y[drawn])), tuple(map(float, x[drawn])), (True,) * number)


def draw_mask(mask: Mask, rng: np.random.Generator) -> MaskPrompt:
    """The instance moved, swollen or shrunk, and frayed."""
    box = _around(mask)
    moved = ndimage.shift(mask[box].astype(np.float32), rng.integers(-3, 4, 2), order=0)
    noise = ndimage.gaussian_filter(rng.normal(0, 1, moved.shape), 3) * 6
    rough = np.zeros_like(mask)
    rough[box] = ndimage.gaussian_filter(moved, 1.5) + rng.uniform(0.05, 0.3) * noise > rng.uniform(0.3, 0.7)
    rough[box] &= ndimage.binary_dilation(mask[box], iterations=8)
    return MaskPrompt(0, rough if rough.any() else mask)


def instances_of(labels: UInt64[np.ndarray, "y x"], *, smallest: int) -> tuple[UInt64[np.ndarray, "y x"], list[int]]:
    """The connected parts of a section's labels, and the numbers of those with at least ``smallest`` pixels."""
    parts = cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32).astype(np.uint64)
    sizes = np.bincount(parts.ravel())
    return parts, [int(n) for n in np.flatnonzero(sizes >= smallest) if n]


def _around(mask: Mask) -> tuple[slice, slice]:
    """The mask's box and 16 pixels to all sides."""
    (rows, columns) = ((max(0, a - 16), b + 16) for a, b in (box_edges(mask, axis=axis) for axis in (1, 0)))
    return slice(*rows), slice(*columns)


def _inside(mean: AveragedModel) -> PromptDecoder:
    assert isinstance(mean.module, PromptDecoder)
    return mean.module


def _ask(
    network: Saem2,
    decoder: PromptDecoder,
    lesson: Lesson,
    *,
    window: int,
    bfloat16: bool,
    device: str,
) -> Float[Tensor, ""]:
    """Loss of one section's prompts."""
    grey, masks, prompts = lesson
    placed = place(prompts, window=window, device=device)
    windows = [cut_window(m, start, window=window) for m, start in zip(masks, placed.starts, strict=True)]
    truth = torch.from_numpy(np.stack(windows)).to(device).float()
    with torch.autocast(device, dtype=torch.bfloat16, enabled=bfloat16):
        with torch.no_grad():
            heads = network(pad(torch.from_numpy(grey).to(device))[None])
        logits, iou = decoder(cut(decoder.read(heads), placed.starts, window=window), placed)
    return prompt_loss(logits, iou, truth=truth)


def _lessons(samples: Sequence[Sample], recipe: PromptRecipe) -> Iterator[list[Lesson]]:
    """Endless steps of sections with instances and a prompt for each."""
    rng = np.random.default_rng(recipe.seed)
    chance = np.sqrt([s.image.grid.voxels for s in samples])
    intensities = [intensity_of(s.image) for s in samples]
    while True:
        lessons: list[Lesson] = []
        while len(lessons) < recipe.sections:
            i = rng.choice(len(samples), p=chance / chance.sum())
            grey, labels = _section(samples[i], intensities[i], rng)
            parts, numbers = instances_of(labels, smallest=recipe.smallest)
            if numbers:
                chosen = [parts == n for n in rng.choice(numbers, recipe.prompts)]
                lessons.append((grey, chosen, [draw_prompt(m, rng) for m in chosen]))
        yield lessons


def _section(
    sample: Sample, intensity: IntensityMap, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "y x"], UInt64[np.ndarray, "y x"]]:
    """A whole section, turned and changed in grey, and its labels; isotropic volumes are cut along any axis."""
    grid = sample.image.grid
    turn = random_turn(rng, isotropic=grid.is_isotropic)
    axis = turn.axes[0]
    place_along = int(rng.integers(grid.shape[axis]))
    start, stop = [0, 0, 0], list(grid.shape)
    start[axis], stop[axis] = place_along, place_along + 1
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    grey, labels = (turn.apply(v.read(box)) for v in (sample.image, sample.labels))
    grey = change_grey_values(intensity.to_unit(grey), rng, isotropic=True)[0]
    return grey, labels[0]
