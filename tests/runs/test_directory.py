import json
import os
import subprocess
import sys
import time

import pytest

from savem3.directory import read_record, run_directory
from savem3.watch import Watch

SAME = {"settings": {"beta": 0.4}, "input": {"sha256": "abc"}, "models": {"savem3-fast": "123"}}
OTHER = {**SAME, "settings": {"beta": 0.5}}

WORK = """
import json, sys, time
from pathlib import Path
from savem3.directory import run_directory
from savem3.watch import Watch
with run_directory(Path(sys.argv[1]), json.loads(sys.argv[2]), resume=False, overwrite=False, watch=Watch()) as mine:
    print("mine", flush=True)
    time.sleep(float(sys.argv[3]))
    mine.finish()
"""


def enter(out, identity=SAME, *, resume=False, overwrite=False, finish=True):
    with run_directory(out, identity, resume=resume, overwrite=overwrite, watch=Watch()) as mine:
        (out / "labels").touch()
        if finish:
            mine.finish(voi=1.5)
    return mine


def test_a_run_leaves_a_record_that_says_whether_it_is_finished(tmp_path):
    out = tmp_path / "deep" / "run"
    enter(out, finish=False)
    assert read_record(out)["state"] == "unfinished"
    mine = enter(out, resume=True)
    assert mine.resumed
    assert read_record(out) | {"replaces": None} == {
        **{"state": "finished", "identity": SAME, "replaces": None, "voi": 1.5}
    }


@pytest.mark.parametrize(("finish", "words"), [(True, "a finished run.*check"), (False, "an unfinished run.*go on")])
def test_a_run_that_is_there_is_refused_and_the_message_says_what_to_do(tmp_path, finish, words):
    enter(tmp_path / "run", finish=finish)
    with pytest.raises(FileExistsError, match=f"(?s){words}.*--overwrite"):
        enter(tmp_path / "run")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (OTHER, "settings.beta was 0.4 and is 0.5"),
        ({**SAME, "input": {"sha256": "abd"}}, "input.sha256 was abc and is abd"),
        ({**SAME, "models": {"mine": "123"}}, "models.savem3-fast was 123 and is absent"),
    ],
)
def test_what_changed_under_a_resume_is_named(tmp_path, changed, words):
    enter(tmp_path / "run", finish=False)
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(FileExistsError, match=words):
        enter(tmp_path / "run", changed, resume=True)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_overwriting_keeps_the_old_result_until_the_new_one_is_finished(tmp_path):
    out = tmp_path / "run"
    enter(out)
    enter(out, OTHER, overwrite=True, finish=False)
    assert (tmp_path / "run.before-1" / "labels").exists()
    enter(out, OTHER, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert read_record(out)["identity"] == OTHER


def test_a_folder_that_no_run_made_is_not_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="must not exist yet"):
            enter(tmp_path / "mine", resume=resume)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_damaged_record_is_one_sentence(tmp_path):
    enter(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"intact run\.json"):
        enter(tmp_path / "run", resume=True)


def test_resume_and_overwrite_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="must not be given together"):
        enter(tmp_path / "run", resume=True, overwrite=True)


@pytest.fixture
def other(tmp_path):
    """Another process that does the same run for a while."""
    command = [sys.executable, "-c", WORK, str(tmp_path / "run"), json.dumps(SAME), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


def test_the_same_run_waits_for_the_other_and_finds_its_work(tmp_path, other):
    begun = time.monotonic()
    with run_directory(tmp_path / "run", SAME, resume=False, overwrite=False, watch=Watch()) as mine:
        assert mine.resumed
        assert mine.record["state"] == "finished"
    assert time.monotonic() - begun > 0.5


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_run_is_refused_at_once_while_one_works(tmp_path, other, overwrite):
    with pytest.raises(FileExistsError, match=rf"at which process {other.pid} on .* works: settings\.beta"):
        enter(tmp_path / "run", OTHER, overwrite=overwrite)
    assert other.poll() is None


def test_a_killed_run_can_be_gone_on_with(tmp_path, other):
    os.kill(other.pid, 9)
    other.wait()
    assert enter(tmp_path / "run", resume=True).resumed
