"""Looking whether a run directory still holds what was written into it."""

from __future__ import annotations

from pathlib import Path

from savem3.blocks import Damage, Product, verify_stages
from savem3.directory import Directory, read_record
from savem3.identity import outputs_of
from savem3.request import Machine, Work
from savem3.runs.course import count_of, tell
from savem3.stages import Outputs, stages_of
from savem3.tiles import Tile
from savem3.watch import Watch

LISTED = 20
"""So many damaged blocks are named one by one."""


def run_verify(run: Path, *, machine: Machine, work: Work, watch: Watch) -> bool:
    """Read every output of a run and compare it with its record; whether all is there and as it was written.

    Parameters
    ----------
    run
        A run directory, finished or not; it is not changed.
    machine, work
        Who reads.
    watch
        Shows progress, and says what is wrong.
    """
    record = read_record(run)
    grid, settings = outputs_of(record.get("identity", {}))
    outputs = Outputs(run, grid, settings)
    stages = stages_of(_never, outputs)
    ledger = Directory(run, record["identity"], resumed=True).ledger(str(record.get("student")))
    with watch.stage("verify") as counter:
        damage = verify_stages(stages, ledger=ledger, executor=work.executor_on(machine), progress=counter)
    unfinished = [v.folder.name for v in (outputs.boundary, outputs.fragments, outputs.labels) if not v.is_finished]
    for sentence in [*_sentences(damage), *(f"{name}: its metadata are not as written" for name in unfinished)]:
        watch.say(sentence)
    watch.say(tell(damage, stages), **count_of(damage, stages), state=record.get("state"))
    return not any(damage.values()) and not unfinished and record.get("state") == "finished"


def _never(tile: Tile) -> Product:
    raise AssertionError("verification computes nothing")


def _sentences(damage: Damage) -> list[str]:
    """What is wrong with single blocks, as far as it is worth a line each."""
    wrong = [
        f"{stage}, block {block}: {what}"
        for stage, blocks in damage.items()
        for block, what in blocks.items()
        if what != "not done"
    ]
    more = [f"… and {len(wrong) - LISTED} more"] if len(wrong) > LISTED else []
    return [*wrong[:LISTED], *more]
