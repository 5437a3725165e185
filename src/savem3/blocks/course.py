"""The course of a run: stages one after another, none done twice, each damage mended and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from savem3.blocks.executor import Executor
from savem3.blocks.ledger import Ledger
from savem3.blocks.stage import Stage, find_damage, run_stage
from savem3.store import Progress

Showing = Callable[[str], AbstractContextManager[Progress]]
"""Shows a stage by its name while it runs, and is told how far it is."""

Damage = dict[str, dict[int, str]]
"""What is wrong, by stage and block."""


def run_stages(stages: Sequence[Stage], *, ledger: Ledger, executor: Executor, showing: Showing) -> None:
    """Do what is not done yet, stage by stage.

    Parameters
    ----------
    stages
        In an order in which each reads only earlier ones.
    ledger
        Of the run.
    executor
        Who works.
    showing
        Shows progress.

    Raises
    ------
    BlocksFailed
        If blocks of a stage failed for good; no later stage is begun.
    """
    needed = needed_of(stages, ledger=ledger)
    for stage in stages:
        if stage.name in needed:
            with showing(stage.name) as progress:
                run_stage(stage, ledger=ledger, executor=executor, progress=progress)


def needed_of(stages: Sequence[Stage], *, ledger: Ledger) -> set[str]:
    """Names of the stages that are not done and whose outputs are kept, or read by another one that is needed.

    So the scratch of a finished run may be gone.
    """
    needed: set[str] = set()
    for stage in reversed(stages):
        wanted = not stage.scratch or any(stage.name in s.reads for s in stages if s.name in needed)
        if wanted and ledger.missing(stage.name, len(stage.tiles)):
            needed.add(stage.name)
    return needed


def verify_stages(
    stages: Sequence[Stage], *, ledger: Ledger, executor: Executor, progress: Progress | None = None
) -> Damage:
    """Read all outputs that should be there and compare them with their records.

    Parameters
    ----------
    stages, ledger, executor
        See `run_stages`. Scratch is looked at while some of it is there.
    progress
        Told of each checked block.
    """
    here = [s for s in stages if not s.scratch or len(ledger.missing(s.name, len(s.tiles))) < len(s.tiles)]
    total, before, damage = sum(len(stage.tiles) for stage in here), 0, Damage()
    for stage in here:
        count = partial(_count_on, progress, before, total)
        damage[stage.name] = find_damage(stage, ledger=ledger, executor=executor, progress=count)
        before += len(stage.tiles)
    return damage


def _count_on(progress: Progress | None, before: int, total: int, done: int, _: int) -> None:
    if progress is not None:
        progress(before + done, total)


def mend(stages: Sequence[Stage], damage: Damage, *, ledger: Ledger) -> None:
    """Take back the records of damaged blocks, so that `run_stages` does these and no others again."""
    for stage in stages:
        ledger.forget(stage.name, damage.get(stage.name, {}))


def drop_scratch(stages: Sequence[Stage], *, ledger: Ledger) -> None:
    """Remove outputs that only later stages needed, with their records."""
    for stage in stages:
        if stage.scratch:
            ledger.forget(stage.name, range(len(stage.tiles)))
            for place in (*(file.folder for file in stage.volumes.values()), stage.tables):
                _remove(place)


def _remove(place: Path | None) -> None:
    """Remove a file or folder, and the folder it was in if that is empty then."""
    if place is None:
        return
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    with suppress(OSError):
        place.parent.rmdir()
