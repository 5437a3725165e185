"""Having the stages of a run done: first what was damaged is found, then what is missing is done."""

from __future__ import annotations

from collections.abc import Sequence

from savem3.blocks import (
    Damage,
    Executor,
    Stage,
    drop_scratch,
    held,
    mend,
    run_stages,
    stopping_on_sigterm,
    verify_stages,
)
from savem3.directory import Directory
from savem3.watch import Watch


def go_through(
    stages: Sequence[Stage], directory: Directory, student: str, *, executor: Executor, watch: Watch
) -> None:
    """Do all stages of a run directory that are not done; of a resumed one, check first what is there.

    Parameters
    ----------
    stages
        In their order.
    directory
        Owned by this process.
    student
        Digest of the student.
    executor
        Who works.
    watch
        Shows and times each stage.
    """
    ledger = directory.ledger(student)
    with stopping_on_sigterm(), held(executor) as workers:
        if directory.resumed:
            with watch.stage("verify") as counter:
                damage = verify_stages(stages, ledger=ledger, executor=workers, progress=counter)
            mend(stages, damage, ledger=ledger)
            watch.say(tell(damage, stages), resumed=count_of(damage, stages))
        run_stages(stages, ledger=ledger, executor=workers, showing=watch.stage)
        drop_scratch(stages, ledger=ledger)


def tell(damage: Damage, stages: Sequence[Stage]) -> str:
    """What was found, in one sentence."""
    counted = count_of(damage, stages)
    return f"{counted['done']} blocks are done and intact, {counted['damaged']} damaged, {counted['missing']} missing"


def count_of(damage: Damage, stages: Sequence[Stage]) -> dict[str, int]:
    """Blocks that are done and intact, done and damaged, and not done."""
    looked_at = sum(len(stage.tiles) for stage in stages if stage.name in damage)
    missing = sum(what == "not done" for blocks in damage.values() for what in blocks.values())
    bad = sum(map(len, damage.values()))
    return {"done": looked_at - bad, "damaged": bad - missing, "missing": missing}
