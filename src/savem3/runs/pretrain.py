"""Teaching the 2D teacher on annotated volumes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from savem3 import saem2
from savem3.predict import choose_backend
from savem3.request import Machine
from savem3.runs.output import refuse_existing
from savem3.runs.schooling import Scholar, Schooling, cards_of, make_learner, make_lessons, read_samples
from savem3.saem2 import TrainRecipe
from savem3.saem2.over_sam import PublishedLearner, save_published
from savem3.store.weights import Weights
from savem3.volume import Sample
from savem3.watch import Watch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within it, numbers too small for full precision are 0: they slow a CPU down and mean nothing to a network."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def run_pretrain(
    out: Path, *, schooling: Schooling, machine: Machine, resume: bool, overwrite: bool, watch: Watch
) -> None:
    """A teacher's weights, OUT.safetensors; the run keeps itself beside it and can be resumed."""
    refuse_existing(out, overwrite=overwrite)
    checkpoint = out.with_name(f".{out.name}.unfinished.safetensors")
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"'{out}' must not be half trained, got {checkpoint.name}: pass --resume, or remove it")
    recipe, accelerator = schooling.settings(), accelerator_here()
    device = choose_backend("torch", device=machine.device)[1] if accelerator is None else str(accelerator.device)
    torch.set_num_threads(machine.workers or os.cpu_count() or 1)
    samples = read_samples(schooling)
    torch.manual_seed(recipe.seed)
    learner, before = make_learner(schooling, recipe, device)
    card = card_of_run(schooling, samples, recipe, before)
    watch.say(describe(samples, recipe, device), device=device, steps=recipe.steps, samples=[s.name for s in samples])
    began = time.process_time()
    with flushed_denormals(), watch.stage("pretrain") as counter:

        def show(progress: saem2.Progress, _: Scholar) -> None:
            counter(progress.step, recipe.steps)
            if watch.show == "lines" or progress.step % max(50, recipe.steps // 10) == 0:
                watch.say(_line(progress), step=progress.step, **progress.losses)

        lessons = make_lessons(schooling, samples, recipe, 1 if accelerator is None else accelerator.num_processes)
        saem2.train(learner, lessons, recipe=recipe, accelerator=accelerator, checkpoint=checkpoint, on_progress=show)
    if accelerator is not None and not accelerator.is_main_process:
        return
    card |= {"step": recipe.steps, "cpu_seconds": round(time.process_time() - began)}
    out.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(learner, PublishedLearner):
        save_published(learner.network, out, card=card)
    else:
        saem2.save_teacher(learner.network, out, card=card, decoder=learner.decoder)


def accelerator_here() -> Any:
    """Where ``accelerate launch -m savem3 pretrain …`` started several processes, what joins them; else nothing.

    Raises
    ------
    ModuleNotFoundError
        If accelerate is not installed; the message says how to get it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('several processes need accelerate: pip install "savem3[train]"') from error
    return Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def card_of_run(
    schooling: Schooling, samples: Sequence[Sample], recipe: TrainRecipe, before: Weights | None
) -> dict[str, object]:
    """What a model card must say: all that trained it, in this run and in those before."""
    learned = [*schooling.labels, *(Path(raw).name for raw, _ in schooling.own)]
    licences = {s.licence for s in samples}
    tissues = {card.superset for card in cards_of(schooling)}
    run = {
        "labels": learned,
        "supersets": sorted(tissues),
        "recipe": asdict(recipe),
        "frozen": schooling.frozen,
        "cores": os.cpu_count(),
    }
    if before is None:
        return {**run, "raw": [], "licences": sorted(licences), "earlier_runs": []}
    earlier = {name: value for name, value in before.card.items() if name not in ("earlier_runs", "scores")}
    return {
        **run,
        "labels": list(dict.fromkeys([*_listed(before, "labels"), *learned])),
        "supersets": sorted({*_listed(before, "supersets"), *tissues}),
        "raw": _listed(before, "raw"),
        "licences": sorted({*_listed(before, "licences"), *licences}),
        "started_from": before.sha256,
        "earlier_runs": [*_listed(before, "earlier_runs"), earlier],
    }


def describe(samples: Sequence[Sample], recipe: TrainRecipe, device: str) -> str:
    """What will be done, in a line."""
    names = [s.name for s in samples]
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{recipe.steps} steps of {recipe.sections} crops of {recipe.crop}² pixels on {device}; learns from {listed}"


def _line(progress: saem2.Progress) -> str:
    terms = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
    return f"step {progress.step}  {terms}  {progress.time_s:.0f} s"


def _listed(weights: Weights, name: str) -> list[Any]:
    value = weights.card.get(name, [])
    return list(value) if isinstance(value, list) else []
