"""Kills on real processes: nothing is lost, nothing finished is repeated, and the bytes are those of a quiet run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from errand import stages_of
from volumes import digests, go

KILLS = int(os.environ.get("SAVEM3_KILLS", "20"))

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find worker processes")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Digests of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("quiet")
    out, stages = stages_of(folder)
    go(folder, stages)
    return digests(out)


def start(folder):
    return subprocess.Popen([sys.executable, str(Path(__file__).with_name("errand.py")), str(folder)])


def workers_of(process):
    """The processes that a run started to do blocks."""
    found = []
    for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
        for pid in children.read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            found += [int(pid)] if b"spawn_main" in command and b"resource_tracker" not in command else []
    return found


def marks_in(folder):
    return [path.name for path in (folder / "marks").iterdir()] if (folder / "marks").is_dir() else []


def wait_for_more(folder, process, *, marks, more):
    """Until so many more blocks are computed; whether the run still goes on."""
    while process.poll() is None and len(marks_in(folder)) < marks + more:
        time.sleep(0.005)
    return process.poll() is None


def check(folder, expected, *, killed):
    out, stages = stages_of(folder)
    assert digests(out) == expected
    marks = marks_in(folder)
    assert not [name for name in marks if name.endswith(".again")]
    calls = Counter(name.rsplit(".", 1)[0] for name in marks)
    assert set(calls) == {f"{stage.name}.{i}" for stage in stages for i in range(len(stage.tiles))}
    assert sum(calls.values()) - len(calls) <= killed, "a kill repeats at most the blocks in flight"


def kill_workers(folder, *, kills, seed):
    """Kill workers of one run at random; how many died."""
    rng, dead = random.Random(seed), 0
    with start(folder) as process:
        while dead < kills and wait_for_more(folder, process, marks=len(marks_in(folder)), more=rng.randint(1, 6)):
            time.sleep(rng.random() * 0.01)
            for pid in rng.sample(workers := workers_of(process), min(1, len(workers))):
                os.kill(pid, signal.SIGKILL)
                dead += 1
    if process.returncode:  # chance may kill three workers over one block, which then counts as failed
        with start(folder) as process:
            assert process.wait() == 0
    return dead


def kill_runs(folder, *, kills, seed):
    """Kill a whole run, start it again, and so on; how many blocks may have been in flight."""
    rng, dead = random.Random(seed), 0
    for _ in range(kills):
        with start(folder) as process:
            if not wait_for_more(folder, process, marks=len(marks_in(folder)), more=rng.randint(1, 25)):
                break
            time.sleep(rng.random() * 0.02)
            workers = workers_of(process)
            process.kill()
        assert_no_orphans(workers)
        dead += len(workers)
    with start(folder) as process:
        assert process.wait() == 0
    return dead


def assert_no_orphans(pids):
    deadline = time.monotonic() + 30  # one that is still starting notices when it has started
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < deadline, "workers must end with their run"
        time.sleep(0.02)


def test_killed_workers_cost_their_own_block_and_no_more(tmp_path, expected):
    killed = kill_workers(tmp_path, kills=4, seed=0)
    assert killed >= 2
    check(tmp_path, expected, killed=killed)


def test_killed_runs_go_on_where_they_were(tmp_path, expected):
    check(tmp_path, expected, killed=kill_runs(tmp_path, kills=3, seed=1))


@pytest.mark.slow
def test_many_kills_change_no_byte(tmp_path, expected):
    killed, seed = 0, 2
    while killed < KILLS:
        one, two = tmp_path / f"{seed}-workers", tmp_path / f"{seed}-runs"
        dead = kill_workers(one, kills=12, seed=seed)
        check(one, expected, killed=dead)
        in_flight = kill_runs(two, kills=5, seed=seed)
        check(two, expected, killed=in_flight)
        killed, seed = killed + dead + 5, seed + 1
