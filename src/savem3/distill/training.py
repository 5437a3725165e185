"""Distillation: the student draws the teacher's boundary and, inside, its features and embeddings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from savem3.distill.lessons import Batch, Lesson, batches
from savem3.distill.losses import Standardise, boundary_loss, map_loss
from savem3.distill.recipe import DistillRecipe
from savem3.distill.student import EMBEDDING_CHANNELS, FEATURE_CHANNELS, Adapters, Student, Taps
from savem3.teacher import Teacher


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
    device: str = "cpu",
    on_progress: Callable[[Progress, nn.Module], None] | None = None,
) -> Student:
    """Train a student; the one handed in is changed and returned in evaluation mode.

    Parameters
    ----------
    student
        Fresh, or trained before (then this adapts it).
    lessons
        Images with a boundary to learn: a teacher's, people's, or both.
    recipe
        All settings.
    teacher
        Looks at each crop's sections for feature and embedding; without one those two terms are left out.
    device
        Where torch computes.
    on_progress
        Called every 50 steps with the log line and the averaged network, to print or to keep a checkpoint.

    Raises
    ------
    ValueError
        If there is nothing to learn from.
    """
    if not lessons:
        raise ValueError("lessons must hold at least one image with a boundary, got none")
    torch.manual_seed(recipe.seed)
    tutor = Tutor(student, teacher=teacher, recipe=recipe, device=device)
    log, start = [], time.monotonic()
    for step, batch in zip(range(1, recipe.steps + 1), batches(lessons, recipe=recipe), strict=False):
        log.append(tutor.step(batch))
        if on_progress and (step % 50 == 0 or step == recipe.steps):
            means = {name: float(np.mean([entry[name] for entry in log])) for name in log[0]}
            on_progress(Progress(step, means, time.monotonic() - start), tutor.mean.module)
            log = []
    student.load_state_dict(tutor.mean.module.state_dict())
    return student.eval()


class Tutor:
    """Holds what one training run needs from step to step: optimiser, schedule, running means, adapters."""

    def __init__(self, student: Student, *, teacher: Teacher | None, recipe: DistillRecipe, device: str) -> None:
        self.recipe, self.teacher, self.device = recipe, teacher, device
        self.student = student.to(device=device, memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]
        self.adapters = Adapters(student).to(device)
        self.feature, self.embedding = (
            Standardise(FEATURE_CHANNELS).to(device),
            Standardise(EMBEDDING_CHANNELS).to(device),
        )
        self.mean = torch.optim.swa_utils.AveragedModel(student, avg_fn=_decay(recipe.mean_decay), use_buffers=True)
        learned = [*self.student.parameters(), *self.adapters.parameters()]
        self.optimizer = torch.optim.AdamW(learned, recipe.learning_rate, weight_decay=1e-4)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.05
        )

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; the value of each term."""
        raw, boundary = (torch.from_numpy(a)[:, None].to(self.device) for a in (batch.raw, batch.boundary))
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            taps = self.student.taps(raw)
        terms = {
            "boundary": boundary_loss(taps.boundary.float(), boundary, membrane_weight=self.recipe.membrane_weight)
        }
        if self.teacher is not None:
            terms |= self._inner_terms(taps, batch)
        total = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()
        self.mean.update_parameters(self.student)
        return {name: term.item() for name, term in terms.items()}

    def _inner_terms(self, taps: Taps, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """The weighted L1 terms on feature and embedding; the teacher looks at each section of each crop once."""
        assert self.teacher is not None
        count, sections = batch.clean.shape[:2]
        look = self.teacher.look_at(batch.clean.reshape(count * sections, *batch.clean.shape[2:]))
        feature, embedding = (
            torch.from_numpy(m).to(self.device).unflatten(0, (count, sections)).transpose(1, 2)
            for m in (look.feature, look.embedding)
        )
        own_feature, own_embedding = self.adapters(
            Taps(taps.boundary, None, taps.feature.float(), taps.embedding.float())
        )
        return {
            "feature": self.recipe.feature_weight * map_loss(own_feature, self.feature(feature)),
            "embedding": self.recipe.embedding_weight * map_loss(own_embedding, self.embedding(embedding)),
        }


def _decay(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential running mean that starts as a plain mean, so that early values fade."""

    def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        if not mean.is_floating_point():
            return value
        keep = min(decay, float(count) / (float(count) + 10))
        return mean * keep + value * (1 - keep)

    return average
