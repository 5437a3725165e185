"""Processes: who dies loses one item, nobody is left behind, and a stopped run stops soon."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import errands
import pytest

from savem3.blocks import processes
from savem3.blocks.executor import held
from savem3.blocks.outcome import ATTEMPTS, Failure
from savem3.blocks.processes import Processes

ITEMS = range(6)
DONE = [(i, -i) for i in ITEMS]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SCRIPT = """
import sys
from pathlib import Path

import errands

from savem3.blocks.processes import Processes
from savem3.blocks.signals import Terminated, stopping_on_sigterm

if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    try:
        with stopping_on_sigterm():
            list(Processes(2).run(getattr(errands, kind)(Path(folder), seconds=60), range(100)))
    except Terminated:
        sys.exit(143)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def _answered(answers):
    return sorted((answer.index, answer.result) for answer in answers)


def _attempts(folder: Path, item: int) -> int:
    return len(list(folder.glob(f"{item}-*")))


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_loses_only_its_own_item_and_that_is_done_again(tmp_path, by):
    answers = list(Processes(2).run(errands.Dying(tmp_path, at=3, by=by, times=1), ITEMS))
    assert _answered(answers) == DONE
    assert {item: _attempts(tmp_path, item) for item in ITEMS} == {**dict.fromkeys(ITEMS, 1), 3: 2}


def test_an_item_that_always_kills_its_worker_fails_and_the_others_are_done(tmp_path):
    answers = list(Processes(2).run(errands.Dying(tmp_path, at=3), ITEMS))
    (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (failure.index, failure.attempts) == (3, 3)
    assert "SIGKILL" in failure.trace
    assert _answered(answer for answer in answers if answer is not failure) == [d for d in DONE if d[0] != 3]
    assert {item: _attempts(tmp_path, item) for item in ITEMS} == {**dict.fromkeys(ITEMS, 1), 3: 3}


def _kill_now_and_then(folder: Path, times: int, over: threading.Event, killed: list[int]) -> None:
    chance = random.Random(4)
    while len(killed) < times and not over.wait(0.2):
        workers = {worker.pid for worker in multiprocessing.active_children()}
        marks = sorted((tuple(map(int, path.name.split("-"))) for path in folder.iterdir()), key=lambda mark: mark[2])
        at_work = {pid: item for item, pid, _ in marks if pid in workers}
        if len(at_work) < 2:
            continue  # only while both are at work is there always one to go on
        victim = chance.choice(sorted(at_work))
        if _attempts(folder, at_work[victim]) < ATTEMPTS:  # an item may not fail by chance alone
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)


@pytest.mark.parametrize(("kills", "items"), [(2, 80), pytest.param(20, 1000, marks=pytest.mark.slow)])
def test_workers_killed_at_random_cost_at_most_one_repeated_item_each(tmp_path, kills, items):
    over, killed = threading.Event(), []
    killer = threading.Thread(target=_kill_now_and_then, args=(tmp_path, kills, over, killed))
    killer.start()
    try:
        answers = list(Processes(2).run(errands.Sleeping(tmp_path, seconds=0.04), range(items)))
    finally:
        over.set()
        killer.join()
    assert killed
    assert _answered(answers) == [(i, -i) for i in range(items)]
    assert items <= len(list(tmp_path.iterdir())) <= items + len(killed)


def test_a_worker_killed_while_it_comes_up_loses_nothing(tmp_path):
    def kill_the_first():
        _wait_until(multiprocessing.active_children, seconds=10)
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    assert _answered(Processes(1).run(errands.Raising(tmp_path, at=0, times=2), ITEMS)) == DONE
    killer.join()
    assert _attempts(tmp_path, 0) == 3  # its own two failures leave one more: the killed process was no attempt


def test_workers_killed_while_idle_lose_nothing(tmp_path):
    with Processes(3).started() as pool:
        list(pool.run(errands.Sleeping(tmp_path, seconds=0.1), range(20, 50)))
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        assert _answered(pool.run(errands.Marked(tmp_path), ITEMS)) == DONE
    assert {item: _attempts(tmp_path, item) for item in ITEMS} == dict.fromkeys(ITEMS, 1)


def test_processes_that_are_held_serve_one_function_after_the_other():
    with held(Processes(1)) as pool:
        first, second = ({answer.result for answer in pool.run(errands.process_of, ITEMS)} for _ in range(2))
        assert [answer.result for answer in pool.run(errands.double, ITEMS)] == [2 * i for i in ITEMS]
    assert len(first) == 1
    assert first == second


def test_processes_that_one_run_does_not_need_stay_for_the_next(tmp_path):
    with held(Processes(2)) as pool:
        list(pool.run(errands.Sleeping(tmp_path, seconds=0.1), range(20)))
        before = {worker.pid for worker in multiprocessing.active_children()}
        assert [answer.result for answer in pool.run(errands.double, [8])] == [16]
        assert {worker.pid for worker in multiprocessing.active_children()} == before
        assert len(before) == 2
    assert multiprocessing.active_children() == []


def test_a_run_that_was_given_up_leaves_no_old_answers_to_the_next(tmp_path):
    with Processes(2).started() as pool:
        answers = pool.run(errands.Sleeping(tmp_path, seconds=0.1), ITEMS)
        next(answers)
        answers.close()
        assert sorted(answer.result for answer in pool.run(errands.double, ITEMS)) == [2 * i for i in ITEMS]


def test_two_runs_at_once_in_one_pool_are_refused():
    with Processes(1).started() as pool:
        answers = pool.run(errands.double, ITEMS)
        next(answers)
        with pytest.raises(RuntimeError, match="one run before the next"):
            next(pool.run(errands.double, ITEMS))
        answers.close()


def test_no_process_is_left_after_a_run_or_an_error(tmp_path):
    list(Processes(2).run(errands.double, ITEMS))
    assert multiprocessing.active_children() == []
    answers = Processes(2).run(errands.Sleeping(tmp_path, seconds=0.1), ITEMS)
    next(answers)
    assert len(multiprocessing.active_children()) == 2
    answers.close()
    assert multiprocessing.active_children() == []


def test_no_more_processes_start_than_there_are_items():
    answers = Processes(5).run(errands.double, [8])
    assert next(answers).result == 16
    assert len(multiprocessing.active_children()) == 1
    answers.close()


def test_a_function_that_cannot_travel_is_refused():
    with pytest.raises(TypeError, match="function must be able to travel to another process"):
        next(Processes(1).run(lambda item: item, ITEMS))


def test_a_function_that_does_not_arrive_stops_the_run():
    with pytest.raises(RuntimeError, match=r"(?s)function must be readable in a worker process.*'elsewhere'"):
        list(Processes(1).run(errands.Unreadable(), ITEMS))


def test_an_item_that_does_not_arrive_fails_alone():
    answers = list(Processes(1).run(errands.type_of, [1, errands.Unreadable(), 3]))
    (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert failure.index == 1
    assert "'elsewhere'" in failure.trace


def test_a_result_that_cannot_travel_fails_alone():
    answers = list(Processes(1).run(errands.lock_of, [1, 2, 3]))
    (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (failure.index, failure.attempts) == (1, 3)
    assert "cannot pickle" in failure.trace


def test_processes_that_never_come_up_stop_the_run(monkeypatch):
    monkeypatch.setattr(processes, "serve", errands.vanish)
    with pytest.raises(RuntimeError, match=r"must come up, got 3 that did not: exit code 7.*__name__"):
        list(Processes(2).run(errands.double, ITEMS))


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        Processes(0)


@pytest.fixture
def script(tmp_path):
    """A program of its own with two workers, and the folder, with spaces, where these leave their marks."""
    started = []

    def start(kind: str) -> tuple[subprocess.Popen, Path]:
        folder = tmp_path / "données 测试 a b"
        folder.mkdir()
        (tmp_path / "a script.py").write_text(SCRIPT)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, tmp_path / "a script.py", kind, folder]
        program = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
        started.append(program)
        return program, folder

    yield start
    for program in started:
        program.kill()
        program.communicate()


def _at_work(folder: Path) -> set[int]:
    """The ids of both workers, once each has begun an item."""
    _wait_until(lambda: len(list(folder.iterdir())) == 2, seconds=30)
    return {int(path.name.split("-")[1]) for path in folder.iterdir()}


def _wait_until(condition, *, seconds: float) -> float:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.02)
    return time.monotonic() - start


def _runs(pid: int) -> bool:
    """Whether a process exists and is more than the entry of one that ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@LINUX
@pytest.mark.parametrize("kind", ["Sleeping", "Deaf"])
def test_workers_exit_when_their_coordinator_is_killed(script, kind):
    program, folder = script(kind)
    workers = _at_work(folder)
    assert all(_runs(pid) for pid in workers)
    program.kill()
    _wait_until(lambda: not any(_runs(pid) for pid in workers), seconds=3)


@LINUX
def test_ctrl_c_ends_program_and_workers_within_five_seconds_without_a_word(script):
    program, folder = script("Deaf")
    workers = _at_work(folder)
    os.killpg(program.pid, signal.SIGINT)
    _, words = program.communicate(timeout=5)
    assert (program.returncode, words) == (130, b"")
    assert not any(_runs(pid) for pid in workers)


@LINUX
def test_workers_that_come_up_do_not_hear_ctrl_c(script):
    program, folder = script("Sleeping")
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    _wait_until(lambda: len(children.read_text().split()) == 3, seconds=30)  # two, and their bookkeeper
    started = {int(pid) for pid in children.read_text().split()}
    for pid in started:
        os.kill(pid, signal.SIGINT)
    assert _at_work(folder) < started


@LINUX
def test_a_request_to_end_ends_program_and_workers_within_five_seconds(script):
    program, folder = script("Sleeping")
    workers = _at_work(folder)
    program.terminate()
    _, words = program.communicate(timeout=5)
    assert (program.returncode, words) == (143, b"")
    assert not any(_runs(pid) for pid in workers)
