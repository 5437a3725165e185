"""One loop for every learner: step, average, report, keep; and go on where a run was cut off."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from savem3.saem2.checkpoint import Kept, keep, read_kept
from savem3.saem2.lessons import Lesson
from savem3.saem2.recipe import TrainRecipe

LearnerT = TypeVar("LearnerT", bound=nn.Module)

REPORT_EVERY = 50
CLIP = 5.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a training log: step, the mean of each term since the last line, seconds since this run's start."""

    step: int
    losses: dict[str, float]
    time_s: float


@runtime_checkable
class Lessons(Protocol):
    """Gives the lessons of a step; the same ones whenever it is asked."""

    def __call__(self, step: int, *, rank: int = 0) -> Sequence[Lesson]:
        """The lessons of one step, for one of several processes that learn together."""
        ...


def train(
    learner: LearnerT,
    lessons: Lessons,
    *,
    recipe: TrainRecipe,
    accelerator: Any = None,
    checkpoint: Path | None = None,
    keep_every: int = 500,
    on_progress: Callable[[Progress, LearnerT], None] | None = None,
) -> LearnerT:
    """Train a learner; the one handed in is changed and returned in evaluation mode, with the running mean's values.

    Parameters
    ----------
    learner
        A module that obeys `Learner`, on the device where torch shall compute.
    lessons
        What is learned from, a pure function of the step.
    recipe
        All settings.
    accelerator
        Of the accelerate library: several processes, each with its own lessons, learn one set of values.
    checkpoint
        A file that the run keeps itself in, and goes on from if it is there; removed when the run is done.
    keep_every
        Steps between two such files.
    on_progress
        Called every 50 steps with the log line and the learner, its values being the running mean meanwhile.

    Raises
    ------
    ValueError
        If the checkpoint is of another recipe or of another learner.
    """
    torch.manual_seed(recipe.seed)
    course = Course(learner.train(), recipe, accelerator)
    course.take_up(checkpoint)
    rank, first = (0 if accelerator is None else accelerator.process_index), course.step
    log: list[dict[str, float]] = []
    started = time.monotonic()
    for step in range(first + 1, recipe.steps + 1):
        log.append(course.learn(lessons(step, rank=rank)))
        if on_progress and rank == 0 and (step % REPORT_EVERY == 0 or step == recipe.steps):
            with course.averaged():
                on_progress(Progress(step, _means(log), time.monotonic() - started), learner)
            log = []
        if checkpoint and rank == 0 and step % keep_every == 0 and step < recipe.steps:
            course.keep(checkpoint)
    course.end()
    if checkpoint and rank == 0:
        checkpoint.unlink(missing_ok=True)
    return learner.eval()


class Course:
    """Holds what a run needs from step to step: optimiser, running mean, the step it stands at."""

    def __init__(self, learner: nn.Module, recipe: TrainRecipe, accelerator: Any = None) -> None:
        self.learner, self.recipe, self.accelerator, self.step = learner, recipe, accelerator, 0
        self.learned = {name: value for name, value in learner.named_parameters() if value.requires_grad}
        self.mean = {name: value.detach().clone() for name, value in self.learned.items()}
        self.optimizer = torch.optim.AdamW(list(self.learned.values()), recipe.learning_rate, weight_decay=1e-4)
        self.called: Any = learner
        if accelerator is not None:
            self.called, self.optimizer = accelerator.prepare(learner, self.optimizer)

    def learn(self, lessons: Sequence[Lesson]) -> dict[str, float]:
        """Take one step; the value of each term."""
        terms: dict[str, Tensor] = self.called(lessons)
        total = torch.stack([getattr(self.recipe, f"{name}_weight") * term for name, term in terms.items()]).sum()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.step, self.recipe)
        self.optimizer.zero_grad()
        total.backward() if self.accelerator is None else self.accelerator.backward(total)
        torch.nn.utils.clip_grad_norm_(list(self.learned.values()), CLIP)
        self.optimizer.step()
        self.step += 1
        self._average()
        return {name: term.item() for name, term in terms.items()}

    def _average(self) -> None:
        """The running mean starts as a plain mean, so that early values fade."""
        memory = min(self.recipe.memory, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mean.values()), list(self.learned.values()), 1 - memory)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it, the learner has the running mean's values and does not learn."""
        own = {name: value.detach().clone() for name, value in self.learned.items()}
        _put(self.mean, self.learned)
        self.learner.eval()
        try:
            yield
        finally:
            _put(own, self.learned)
            self.learner.train()

    def end(self) -> None:
        """Leave the learner with the running mean's values."""
        _put(self.mean, self.learned)

    def keep(self, path: Path) -> None:
        """Write all that the run needs to go on."""
        states = {name: self.optimizer.state[value] for name, value in self.learned.items()}
        keep(Kept(self.step, self.learner.state_dict(), self.mean, states), path, recipe=self.recipe)

    def take_up(self, path: Path | None) -> None:
        """Go on from a file that `keep` wrote, if there is one."""
        if path is None or not path.exists():
            return
        kept = read_kept(path, recipe=self.recipe, names=set(self.learner.state_dict()))
        self.step = kept.step
        self.learner.load_state_dict(kept.values)
        _put(kept.mean, self.mean)
        for name, value in self.learned.items():
            self.optimizer.state[value] = dict(kept.states[name])


def learning_rate_at(step: int, recipe: TrainRecipe) -> float:
    """The learning rate of a step, counted from 0.

    Source: METHOD §4, a drop to a tenth late in the run; a short warm-up and a cosine is our choice for small runs.
    """
    done = step / recipe.steps
    if recipe.drop_at is not None:
        return recipe.learning_rate * (0.1 if done >= recipe.drop_at else 1.0)
    if done < recipe.warm_up:
        return recipe.learning_rate * (0.04 + 0.96 * done / recipe.warm_up)
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - recipe.warm_up) / (1 - recipe.warm_up))) / 2


def _put(values: dict[str, Tensor], into: dict[str, Any]) -> None:
    with torch.no_grad():
        for name, value in into.items():
            value.copy_(values[name])


def _means(log: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([entry[name] for entry in log])) for name in log[0]}
