"""Distillation: the student draws the teacher's boundary and, inside, its features and embeddings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.distill.lessons import Batch, Lesson, batches
from savem3.distill.looks import Maps, look_at_crops
from savem3.distill.losses import Standardise, boundary_loss, distance_loss, map_loss
from savem3.distill.recipe import DistillRecipe
from savem3.distill.second_stage import second_stage
from savem3.distill.student import EMBEDDING_CHANNELS, FEATURE_CHANNELS, Adapters, Student, Taps
from savem3.teacher import Teacher

REPORTED_EVERY = 50
"""Steps from one line of the log to the next."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a training log: step, mean of each term since the last line, seconds since the start."""

    step: int
    losses: dict[str, float]
    time_s: float


def distill(
    student: Student,
    lessons: Sequence[Lesson],
    *,
    recipe: DistillRecipe,
    teacher: Teacher | None = None,
    teachers: Sequence[Teacher] = (),
    device: str = "cpu",
    on_progress: Callable[[Progress, nn.Module], bool | None] | None = None,
) -> Student:
    """Train a student; the one handed in is changed and returned in evaluation mode.

    Parameters
    ----------
    student
        Fresh, or trained before (then this adapts it).
    lessons
        Images with a boundary to learn: a teacher's, people's, or both. All carry cached maps of the same teachers, or
        none does.
    recipe
        All settings.
    teacher, teachers
        Look at each crop's sections for feature, embedding and distance, each matched through an adapter of its own;
        ``teacher`` is one more of them. Without any, and without cached maps, those terms are left out.
    device
        Where torch computes.
    on_progress
        Called every `REPORTED_EVERY` steps and after the last one with the log line and the averaged network, to print
        or to keep a checkpoint. If it returns True, the training ends there, with the averaged network.

    Raises
    ------
    ValueError
        If there is nothing to learn from, both teachers and their cached maps are given, or a distance is to be
        learned that nobody gives or the student has no output for.
    """
    everyone = [*teachers, *([teacher] if teacher is not None else [])]
    _check(student, lessons, everyone, recipe=recipe)
    torch.manual_seed(recipe.seed)
    tutor = Tutor(student, teachers=everyone, cached=len(lessons[0].looks), recipe=recipe, device=device)
    log, start = [], time.monotonic()
    for step, batch in zip(range(1, recipe.steps + 1), batches(lessons, recipe=recipe), strict=False):
        log.append(tutor.step(batch))
        if on_progress and (step % REPORTED_EVERY == 0 or step == recipe.steps):
            if on_progress(Progress(step, _means(log), time.monotonic() - start), tutor.mean.module) is True:
                break
            log = []
    student.load_state_dict(tutor.mean.module.state_dict())
    return student.eval()


def _check(student: Student, lessons: Sequence[Lesson], teachers: Sequence[Teacher], *, recipe: DistillRecipe) -> None:
    """Refuse what cannot be learned from."""
    if not lessons:
        raise ValueError("lessons must hold at least one image with a boundary, got none")
    cached = {len(lesson.looks) for lesson in lessons}
    if len(cached) > 1:
        raise ValueError(f"lessons must all carry maps of the same teachers, got {sorted(cached)} of them")
    if cached != {0} and teachers:
        raise ValueError("teachers must be left out where lessons carry their maps, got both")
    if recipe.distance_weight > 0 and student.outputs != 2:
        raise ValueError("student must have 2 outputs to learn a distance, got 1; build_student(name, outputs=2)")
    if recipe.distance_weight > 0 and not _gives_distance(lessons, teachers, recipe=recipe):
        raise ValueError("lessons or teachers must give a distance where distance_weight is above 0, got none")


def _gives_distance(lessons: Sequence[Lesson], teachers: Sequence[Teacher], *, recipe: DistillRecipe) -> bool:
    if any(lesson.distance or any("distance" in looks.kinds for looks in lesson.looks) for lesson in lessons):
        return True
    section = np.zeros((1, *recipe.crop[1:]), np.float32)
    return any(teacher.look_at(section).distance is not None for teacher in teachers)


def _means(log: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each term over the steps that had it."""
    names = list(dict.fromkeys(name for entry in log for name in entry))
    return {name: float(np.mean([entry[name] for entry in log if name in entry])) for name in names}


class Tutor:
    """Holds what one training run needs from step to step: optimiser, schedule, running means, adapters."""

    def __init__(
        self, student: Student, *, teachers: Sequence[Teacher], cached: int, recipe: DistillRecipe, device: str
    ) -> None:
        self.recipe, self.teachers, self.device, self.steps = recipe, teachers, device, 0
        self.student = student.to(device=device, memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]
        self.matches = nn.ModuleList(Match(student) for _ in range(len(teachers) or cached)).to(device)
        self.mean = torch.optim.swa_utils.AveragedModel(student, avg_fn=_decay(recipe.mean_decay), use_buffers=True)
        learned = [*self.student.parameters(), *self.matches.parameters()]
        self.optimizer = torch.optim.AdamW(learned, recipe.learning_rate, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.05
        )

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; the weighted value of each term."""
        terms = self.terms(batch)
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()
        self.mean.update_parameters(self.student)
        self.steps += 1
        return {name: term.item() for name, term in terms.items()}

    def terms(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """Every weighted term of the loss that the recipe wants at this step."""
        recipe, mask = self.recipe, self._send(batch.mask)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=recipe.bfloat16):
            taps = _in_float32(self.student.taps(self._send(batch.raw)))
        found = boundary_loss(
            taps.boundary, self._send(batch.boundary), membrane_weight=recipe.membrane_weight, mask=mask
        )
        terms = {"boundary": found}
        looks = batch.looks
        if self.teachers and recipe.wants_looks:
            looks = look_at_crops(self.teachers, batch.clean)
        terms |= self._inner_terms(taps, looks, mask=mask)
        if recipe.distance_weight > 0:
            assert taps.distance is not None
            target = self._distance_of(batch, looks)
            terms["distance"] = recipe.distance_weight * distance_loss(taps.distance, target, mask=mask)
        if recipe.has_second_stage and self.steps >= recipe.second_stage_from:
            found_both = second_stage(taps.feature, self._send(batch.clean), mask=mask)
            weights = {"motion": recipe.motion_weight, "smooth": recipe.smooth_weight}
            terms |= {name: weight * found_both[name] for name, weight in weights.items() if weight > 0}
        return terms

    def _inner_terms(
        self, taps: Taps, looks: Sequence[Maps], *, mask: Float[Tensor, "batch 1 z y x"]
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted L1 terms on feature and embedding, each the mean over teachers."""
        weights = {"feature": self.recipe.feature_weight, "embedding": self.recipe.embedding_weight}
        terms = {}
        for name, weight in weights.items():
            if looks and weight > 0:
                losses = [
                    match(name, getattr(taps, name), torch.from_numpy(getattr(maps, name)).to(self.device), mask=mask)
                    for match, maps in zip(self.matches, looks, strict=True)
                ]
                terms[name] = weight * torch.stack(losses).mean()
        return terms

    def _distance_of(self, batch: Batch, looks: Sequence[Maps]) -> Float[Tensor, "batch 1 z y x"]:
        """The lessons' distance, where they have none the teachers' mean, where nobody has any NaN."""
        own = self._send(batch.distance)
        seen = [torch.from_numpy(maps.distance).to(self.device) for maps in looks if maps.distance is not None]
        if not seen:
            return own
        return torch.where(own.isfinite(), own, torch.stack(seen).mean(0))

    def _send(self, array: NDArray[Any]) -> Float[Tensor, "batch 1 z y x"]:
        return torch.from_numpy(array)[:, None].to(self.device, torch.float32)


class Match(nn.Module):
    """What lies between a student's taps and one teacher's maps: adapters, and the maps' running mean and spread."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.adapters = Adapters(student)
        self.standards = nn.ModuleDict(
            {"feature": Standardise(FEATURE_CHANNELS), "embedding": Standardise(EMBEDDING_CHANNELS)}
        )

    def forward(self, name: str, tap: Tensor, maps: Tensor, *, mask: Tensor) -> Float[Tensor, ""]:
        """The L1 term of one tap; a map's voxel counts by the share of its cell that the mask lets count.

        Raises
        ------
        ValueError
            If the teacher's maps have another number of channels.
        """
        standard = self.standards[name]
        assert isinstance(standard, Standardise)
        channels = len(standard.mean)
        if maps.shape[1] != channels:
            raise ValueError(f"teacher must give {channels} channels of {name}, got {maps.shape[1]}")
        stride = mask.shape[-1] // maps.shape[-1]
        counts = F.avg_pool3d(mask, (1, stride, stride))
        return map_loss(getattr(self.adapters, name)(tap), standard(maps), mask=counts)


def _in_float32(taps: Taps) -> Taps:
    distance = None if taps.distance is None else taps.distance.float()
    return Taps(taps.boundary.float(), distance, taps.feature.float(), taps.embedding.float())


def _decay(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential running mean that starts as a plain mean, so that early values fade."""

    def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        if not mean.is_floating_point():
            return value
        keep = min(decay, float(count) / (float(count) + 10))
        return mean * keep + value * (1 - keep)

    return average
