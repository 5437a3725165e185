"""The log of one reviewer: a file to which verdicts are added, each on disk before it counts."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from savem3.review.verdicts import BEGIN, Record, Standing, Verdict, record_of

BEGINNING = b'{"number":'
REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(slots=True)
class Reading:
    """What a log says.

    Parameters
    ----------
    records
        All of it, in order.
    standing
        What stands of it.
    digest
        SHA-256 of its last line.
    ends
        Whether the last line is ended, so that the next one may follow at once.
    remarks
        A sentence for each line that was torn while it was written and does not count.
    """

    records: list[Record] = field(default_factory=list)
    standing: Standing = field(default_factory=Standing)
    digest: str = BEGIN
    ends: bool = True
    remarks: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Let one more record count.

        Raises
        ------
        ValueError
            If it does not follow the one before it.
        """
        if (record.number, record.before) != (len(self.records), self.digest):
            raise ValueError("the chain is broken: a line was changed or is lost")
        self.standing.add(record)
        self.records.append(record)
        self.digest = digest_of(record.line)


@dataclass(slots=True)
class Log:
    """A log that this process alone adds to; threads take turns.

    Parameters
    ----------
    path
        The file; made with the first record.
    reviewer
        Who speaks.
    reading
        What it says so far.
    turn
        Held while a record is added.
    """

    path: Path
    reviewer: str
    reading: Reading
    turn: Lock = field(default_factory=Lock)

    def say(self, item: str, verdict: Verdict, *, edit: tuple[int, ...] | None = None) -> Record:
        """Add a verdict; it is on disk when this returns.

        Raises
        ------
        OSError
            If the disk is full or gone. What stands is then as before.
        """
        number, before = len(self.reading.records), self.reading.digest
        record = Record(number, item, verdict, self.reviewer, _now(), before, edit)
        if verdict == "undo" and item not in self.reading.standing.verdicts:
            raise ValueError(f"undo must take back a verdict on {item}, got none that stands")
        self._append(record.line + b"\n")
        self.reading.add(record)
        return record

    def undo(self, *, among: Container[str]) -> Record | None:
        """Take back what was said last of some items; ``None`` where nothing stands."""
        stands = (record for item, record in self.reading.standing.verdicts.items() if item in among)
        last = max(stands, key=lambda record: record.number, default=None)
        return None if last is None else self.say(last.item, "undo")

    def _append(self, line: bytes) -> None:
        """Have the disk take a line; behind a torn one it begins a line of its own."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            begin, ended, self.reading.ends = os.fstat(handle).st_size, self.reading.ends, False
            try:
                _write_all(handle, line if ended else b"\n" + line)
                os.fsync(handle)
                self.reading.ends = True
            except OSError:
                with suppress(OSError):  # where what is half written cannot be taken back, it is a torn line
                    os.ftruncate(handle, begin)
                    self.reading.ends = ended
                raise
        finally:
            os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    written = os.write(handle, content)
    if written != len(content):
        raise OSError(f"a verdict must be written whole, got {written} of {len(content)} bytes: is the disk full?")


def _now() -> str:
    """The time in UTC, to the microsecond, so that times sort as texts."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds // 1000:06d}Z"


def log_path(folder: Path, reviewer: str) -> Path:
    """Where the log of a reviewer lies.

    Raises
    ------
    ValueError
        If the name is none that a file can have everywhere.
    """
    if not REVIEWER.fullmatch(reviewer):
        raise ValueError(f"reviewer must be a name of up to 40 letters, digits, - and _, got '{reviewer}'")
    return folder / f"log-{reviewer}.jsonl"


def logs_in(folder: Path) -> list[Path]:
    """The logs of a review folder, by name."""
    return sorted(folder.glob("log-*.jsonl"))


@contextmanager
def writing(folder: Path, reviewer: str) -> Iterator[Log]:
    """The log of a reviewer, kept to this process; it goes on where it ended.

    Raises
    ------
    FileExistsError
        If another process writes it.
    ValueError
        If it is damaged.
    """
    path = log_path(folder, reviewer)
    lock = FileLock(folder / f".{path.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        cure = "close the other page, or pass another --reviewer"
        raise FileExistsError(f"log must not be in use, got '{path}', which another process writes: {cure}") from None
    try:
        yield Log(path, reviewer, read_log(path))
    finally:
        lock.release()


def read_log(path: Path) -> Reading:
    """Read a log, whole or with lines that were torn by a power cut.

    A torn line is the beginning of a record and no more. It does not count, whether it is the last one or others were
    added behind it: those are chained to the line before it.

    Raises
    ------
    ValueError
        If a line is damaged, lost or out of order.
    """
    content = path.read_bytes() if path.exists() else b""
    reading = Reading(ends=content.endswith(b"\n") or not content)
    for position, line in enumerate(content.split(b"\n"), start=1):
        where = f"line {position} of {path.name}"
        if _is_torn(line):
            reading.remarks.append(f"{where} was torn while it was written and does not count")
        elif line:
            try:
                reading.add(record_of(line))
            except ValueError as error:
                raise ValueError(f"{where} must be the next record of this log, got one where {error}") from None
    return reading


def _is_torn(line: bytes) -> bool:
    """Whether a line is the beginning of a record; after a power cut, zeros may stand for the rest."""
    begun = line.rstrip(b"\0")
    return bool(line) and BEGINNING.startswith(begun[: len(BEGINNING)]) and not begun.endswith(b"}")


def digest_of(line: bytes) -> str:
    """What the next record says of a line."""
    return hashlib.sha256(line).hexdigest()
