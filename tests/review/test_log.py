"""The log of one reviewer, after all that can happen to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.review.log import digest_of, log_path, logs_in, read_log, writing
from savem3.review.verdicts import BEGIN, Record, record_of, standing

ITEMS = ("a:z0:label7", "a:z1:label7", "ü:z0:label9")


def fill(folder: Path, count: int = 3) -> Path:
    """A log of some verdicts."""
    with writing(folder, "anna") as log:
        for number in range(count):
            log.say(ITEMS[number % 3], "new")
    return log_path(folder, "anna")


def test_each_record_names_the_line_before_it(tmp_path: Path) -> None:
    lines = fill(tmp_path).read_bytes().split(b"\n")
    assert lines.pop() == b""
    records = [record_of(line) for line in lines]
    assert [record.number for record in records] == [0, 1, 2]
    assert [record.before for record in records] == [BEGIN, digest_of(lines[0]), digest_of(lines[1])]
    assert {record.reviewer for record in records} == {"anna"}
    assert sorted(record.time for record in records) == [record.time for record in records]


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = fill(tmp_path)
    before = path.read_bytes()
    with writing(tmp_path, "anna") as log:
        log.say(ITEMS[0], "mend", edit=(0, 4, 2))
        assert log.undo(among=ITEMS[1:]) == read_log(path).records[-1]
    assert path.read_bytes().startswith(before)
    reading = read_log(path)
    assert reading.records[3].edit == (0, 4, 2)
    assert (reading.records[4].verdict, reading.records[4].item) == ("undo", ITEMS[2])
    assert {item: record.verdict for item, record in reading.standing.verdicts.items()} == {
        ITEMS[0]: "mend",
        ITEMS[1]: "new",
    }


def test_an_undo_brings_back_what_was_said_before(tmp_path: Path) -> None:
    with writing(tmp_path, "anna") as log:
        log.say(ITEMS[0], "old")
        log.say(ITEMS[0], "reject")
        log.undo(among=ITEMS)
        assert log.reading.standing.verdicts[ITEMS[0]].verdict == "old"
        log.undo(among=ITEMS)
        assert log.undo(among=ITEMS) is None
        assert len(log.reading.records) == 4
        with pytest.raises(ValueError, match="none that stands"):
            log.say(ITEMS[0], "undo")
    assert len(read_log(log.path).records) == 4


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("zeros", [b"", b"\0\0\0"])
def test_a_torn_last_line_does_not_count_and_stays(tmp_path: Path, share: float, zeros: bytes) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    begin = whole[:-1].rindex(b"\n") + 1
    torn = whole[: begin + int(share * (len(whole) - begin - 1))] + zeros
    path.write_bytes(torn)
    reading = read_log(path)
    assert len(reading.records) == 2
    is_there = len(torn) > begin
    assert len(reading.remarks) == is_there
    assert path.read_bytes() == torn
    with writing(tmp_path, "anna") as log:
        log.say(ITEMS[2], "old")
        log.say(ITEMS[2], "skip")
    assert path.read_bytes().startswith(torn)
    again = read_log(path)
    assert [record.verdict for record in again.records] == ["new", "new", "old", "skip"]
    assert len(again.remarks) == is_there


def test_a_record_whose_end_of_line_is_lost_counts(tmp_path: Path) -> None:
    path = fill(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert len(read_log(path).records) == 3
    with writing(tmp_path, "anna") as log:
        log.say(ITEMS[0], "old")
    assert len(read_log(path).records) == 4
    assert read_log(path).remarks == []


@given(st.data())
def test_a_changed_bit_before_the_last_line_is_found(data: st.DataObject) -> None:
    lines = []
    for number in range(4):
        before = digest_of(lines[-1]) if lines else BEGIN
        lines.append(Record(number, ITEMS[0], "new", "anna", "2026-01-31T12:00:00.000000Z", before).line)
    content = bytearray(b"\n".join(lines) + b"\n")
    place = data.draw(st.integers(0, len(content) - len(lines[-1]) - 2))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log-anna.jsonl"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"line \d of log-anna\.jsonl must be the next record"):
            read_log(path)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_line_that_is_lost_or_moved_is_found(tmp_path: Path, lost: int) -> None:
    path = fill(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    with pytest.raises(ValueError, match="the chain is broken"):
        read_log(path)
    path.write_bytes(b"".join([lines[1], lines[0], lines[2]]))
    with pytest.raises(ValueError, match="the chain is broken"):
        read_log(path)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "maybe"},
        {"verdict": "mend"},
        {"edit": [1, 2]},
        {"number": 0.0},
        {"number": True},
        {"more": 1},
        {"time": None},
        {"edit": [1.5]},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    facts = json.loads(Record(0, ITEMS[0], "new", "anna", "2026", BEGIN).line)
    with pytest.raises((ValueError, TypeError)):
        record_of(json.dumps({**facts, **change}, separators=(",", ":"), ensure_ascii=False).encode())


def test_a_second_writer_is_refused_and_the_name_of_the_log_said(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from savem3.review.log import writing\n"
        "with writing(pathlib.Path(sys.argv[1]), 'anna') as log:\n"
        "    log.say('a', 'old'); print('ready', flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(FileExistsError, match=r"log-anna\.jsonl.*another --reviewer"), writing(tmp_path, "anna"):
            pass
        with writing(tmp_path, "boris") as log:
            log.say("a", "new")
    finally:
        other.kill()
        other.wait()
        if other.stdout:
            other.stdout.close()
    time.sleep(0.05)
    with writing(tmp_path, "anna") as log:
        assert len(log.reading.records) == 1
    assert [path.name for path in logs_in(tmp_path)] == ["log-anna.jsonl", "log-boris.jsonl"]


def test_a_verdict_that_the_disk_does_not_take_does_not_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path)
    before = path.read_bytes()
    write = os.write
    with writing(tmp_path, "anna") as log:
        monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[: len(content) // 2]))
        with pytest.raises(OSError, match="is the disk full"):
            log.say(ITEMS[0], "reject")
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert log.reading.standing.verdicts[ITEMS[0]].verdict == "new"
        log.say(ITEMS[0], "skip")
    assert [record.verdict for record in read_log(path).records] == ["new", "new", "new", "skip"]


def test_a_half_written_verdict_that_cannot_be_taken_back_is_a_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = fill(tmp_path), os.write
    with writing(tmp_path, "anna") as log:
        monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[: len(content) // 2]))
        monkeypatch.setattr(os, "ftruncate", _fail)
        with pytest.raises(OSError, match="is the disk full"):
            log.say(ITEMS[0], "reject")
        monkeypatch.undo()
        log.say(ITEMS[0], "skip")
    reading = read_log(path)
    assert [record.verdict for record in reading.records] == ["new", "new", "new", "skip"]
    assert len(reading.remarks) == 1


def _fail(*_: object) -> None:
    raise OSError("no")


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a b", ".a", "-a", "a" * 41, "é", "a\n"])
def test_a_name_that_is_no_name_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="reviewer must be a name"):
        log_path(tmp_path, name)


@given(st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from(["old", "new", "skip", "undo"]))))
def test_what_stands_is_what_was_not_taken_back(said: list[tuple[str, str]]) -> None:
    stacks: dict[str, list[str]] = {item: [] for item in ITEMS}
    records = []
    for item, verdict in said:
        if verdict == "undo" and not stacks[item]:
            continue
        if verdict == "undo":
            stacks[item].pop()
        else:
            stacks[item].append(verdict)
        records.append(Record(len(records), item, verdict, "anna", "2026", BEGIN))
    assert {i: r.verdict for i, r in standing(records).items()} == {i: s[-1] for i, s in stacks.items() if s}
