"""The run directory: whose it is, what was begun in it, and whether it may be gone on with."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from savem3.blocks import LOCK, Ledger, owning
from savem3.identity import Identity, differences, digest_of
from savem3.store.durable import write_durably
from savem3.watch import Watch

RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class Directory:
    """A run directory that this process owns.

    Parameters
    ----------
    folder
        Where it is.
    identity
        What decides its bytes.
    resumed
        Whether something was there before.
    """

    folder: Path
    identity: Identity
    resumed: bool

    @property
    def record(self) -> dict[str, Any]:
        """What run.json says."""
        return read_record(self.folder)

    def ledger(self, student: str) -> Ledger:
        """The records of its blocks, for a student of this digest."""
        configuration = digest_of({**self.identity, "student": student})
        return Ledger(self.folder / "done", configuration, self.identity["input"]["sha256"])

    def note(self, **facts: object) -> None:
        """Add to run.json."""
        write_record(self.folder, {**self.record, **facts})

    def finish(self, **facts: object) -> None:
        """Say in run.json that all is there; an older result that this one replaces is removed now, not before."""
        replaced = self.record.get("replaces")
        self.note(state="finished", **facts)
        if replaced:
            shutil.rmtree(self.folder.with_name(str(replaced)), ignore_errors=True)


@contextmanager
def run_directory(out: Path, identity: Identity, *, resume: bool, overwrite: bool, watch: Watch) -> Iterator[Directory]:
    """Own a run directory for as long as it is worked in.

    A second run of the same identity waits for the first one and then finds its work done.

    Parameters
    ----------
    out
        Made when it is not there.
    identity
        What is about to be computed.
    resume
        Whether to go on with what is there; it must be the same run.
    overwrite
        Whether to put what is there aside and start anew; it is removed when the new run is finished.
    watch
        Told when another process has to be waited for.

    Raises
    ------
    FileExistsError
        If something is there and neither is wanted, or another run than this one is there.
    """
    if resume and overwrite:
        raise ValueError("--resume and --overwrite must not be given together")
    replaces = _put_aside(out) if overwrite and _is_foreign(out) else None
    if _is_foreign(out):
        raise FileExistsError(f"output must not exist yet, got '{out}': choose another name or pass --overwrite")
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        waited = held.enter_context(_owning(out, identity, watch=watch))
        if overwrite and not waited and (out / RECORD).is_file():
            replaces = _put_aside(out)
            out.mkdir()
            held.enter_context(_owning(out, identity, watch=watch))
        resumed = (out / RECORD).is_file()
        if resumed:
            _refuse_other(out, identity, wanted=resume or waited)
        else:
            write_record(out, {"state": "unfinished", "identity": identity, "replaces": replaces})
        yield Directory(out, identity, resumed)


@contextmanager
def _owning(out: Path, identity: Identity, *, watch: Watch) -> Iterator[bool]:
    """Own a directory; whether another process had to be waited for."""
    waited = False

    def may_wait(who: str) -> bool:
        nonlocal waited
        _refuse_other(out, identity, wanted=True, who=who)
        watch.say(f"{who} does the same in '{out}'; waiting for it to end", waiting_for=who)
        waited = True
        return True

    with owning(out, may_wait=may_wait):
        yield waited


def _refuse_other(out: Path, identity: Identity, *, wanted: bool, who: str = "") -> None:
    """Refuse a directory that is not wanted, or holds another run than this one."""
    record = _record_in_the_making(out) if who else read_record(out)
    if not wanted:
        cure = "pass --resume to go on with it" if record.get("state") == "unfinished" else "pass --resume to check it"
        state = f"holds {'an' if record.get('state') == 'unfinished' else 'a'} {record.get('state')} run"
        raise FileExistsError(
            f"output must not exist yet, got '{out}', which {state}: {cure}, --overwrite to start anew"
        )
    changed = differences(record.get("identity", {}), identity)
    if changed:
        listed, more = "; ".join(changed[:5]), f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        busy = f", at which {who} works" if who else ""
        raise FileExistsError(
            f"output must hold the same run, got '{out}'{busy}: {listed}{more}. "
            "Choose another name, or pass --overwrite to start anew"
        )


def _record_in_the_making(out: Path) -> dict[str, Any]:
    """The run.json of a directory whose owner may be about to write it."""
    for _ in range(50):
        if (out / RECORD).is_file():
            break
        time.sleep(0.1)
    return read_record(out)


def _is_foreign(out: Path) -> bool:
    """Whether something is there that no run made."""
    if not out.is_dir():
        return out.exists()
    return any(out.iterdir()) and not any((out / name).exists() for name in (RECORD, LOCK))


def _put_aside(out: Path) -> str:
    """Give what is there another name beside its own; that name."""
    taken = (out.with_name(f"{out.name}.before-{n}") for n in count(1))
    aside = next(path for path in taken if not path.exists())
    out.rename(aside)
    return aside.name


def read_record(folder: Path) -> dict[str, Any]:
    """What the run.json of a directory says.

    Raises
    ------
    ValueError
        If there is none, or it is damaged.
    """
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return dict(content)
    except (OSError, ValueError) as error:
        raise ValueError(f"run must be a folder with an intact {RECORD}, got '{folder}': {error}") from error


def write_record(folder: Path, facts: Mapping[str, object]) -> None:
    """Write run.json."""
    write_durably(folder / RECORD, (json.dumps(facts, indent=1) + "\n").encode())
