"""Every executor obeys the same laws: each item once, the same answers, failures reported, a full disk stops."""

from __future__ import annotations

import errno
import importlib.util
from collections import deque
from contextlib import contextmanager

import errands
import numpy as np
import pytest

from savem3.blocks import cluster
from savem3.blocks.executor import EXECUTORS, Executor, executor_of, held
from savem3.blocks.outcome import Failure, Finished
from savem3.blocks.processes import Processes
from savem3.blocks.threads import Threads

ITEMS = range(7)


@contextmanager
def _dask():
    """A scheduler and two workers in threads of this process, spoken to by its address."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    ) as local:
        yield cluster.Dask(local.scheduler_address)


KINDS = {
    "own thread": lambda: held(Threads()),
    "threads": lambda: held(Threads(3)),
    "one process": lambda: held(Processes(1)),
    "processes": lambda: held(Processes(2)),
    "dask": _dask,
}


@pytest.fixture(scope="module", params=KINDS)
def executor(request):
    with KINDS[request.param]() as executor:
        yield executor


def _attempts(folder) -> dict[int, int]:
    names = [int(path.name.split("-")[0]) for path in folder.iterdir()]
    return {item: names.count(item) for item in set(names)}


def test_it_is_an_executor(executor):
    assert isinstance(executor, Executor)


def test_each_item_is_done_once_and_answered_under_its_index(executor, tmp_path):
    answers = list(executor.run(errands.Marked(tmp_path), ITEMS))
    assert sorted((answer.index, answer.result) for answer in answers) == [(i, -i) for i in ITEMS]
    assert _attempts(tmp_path) == dict.fromkeys(ITEMS, 1)


def test_arrays_come_back_as_they_were_made(executor):
    answers = {answer.index: answer.result for answer in executor.run(errands.fill, range(5, 8))}
    assert {index: array.dtype for index, array in answers.items()} == dict.fromkeys(range(3), np.uint16)
    for index, array in answers.items():
        np.testing.assert_array_equal(array, errands.fill(index + 5))


def test_no_items_give_no_answers(executor):
    assert list(executor.run(errands.double, [])) == []


def test_items_are_looked_up_as_workers_become_free(executor):
    asked = []

    class Long(list):
        def __getitem__(self, index):
            asked.append(index)
            return index

    answers = executor.run(errands.double, Long(range(1000)))
    next(answers)
    answers.close()
    assert len(asked) <= 20


def test_an_item_that_always_fails_is_tried_three_times_and_the_others_are_done(executor, tmp_path):
    answers = list(executor.run(errands.Raising(tmp_path, at=4), ITEMS))
    (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (failure.index, failure.attempts) == (4, 3)
    assert "ValueError: no light at 4" in failure.trace
    assert "errands.py" in failure.trace
    assert _attempts(tmp_path) == {**dict.fromkeys(ITEMS, 1), 4: 3}
    assert {answer.index for answer in answers if isinstance(answer, Finished)} == {*ITEMS} - {4}


def test_an_item_that_fails_twice_is_finished_at_the_third_attempt(executor, tmp_path):
    answers = list(executor.run(errands.Raising(tmp_path, at=4, times=2), ITEMS))
    assert sorted((answer.index, answer.result) for answer in answers) == [(i, -i) for i in ITEMS]
    assert _attempts(tmp_path)[4] == 3


def test_a_full_disk_stops_the_run_after_what_was_begun(executor, tmp_path):
    answers = deque()
    with pytest.raises(OSError, match=r"No space left on device: 'out\.zarr'") as stopped:
        answers.extend(executor.run(errands.DiskFilling(tmp_path, at=5), range(200)))
    assert stopped.value.errno == errno.ENOSPC
    attempts = _attempts(tmp_path)
    assert attempts == dict.fromkeys(attempts, 1)
    assert len(attempts) < 20
    assert {answer.index for answer in answers} == {*attempts} - {5}


def test_every_name_in_the_table_is_understood():
    for name in EXECUTORS:
        if name in ("dask", "slurm") and importlib.util.find_spec("dask_jobqueue") is None:
            continue
        assert isinstance(executor_of(f"{name}:tcp://10.0.0.1:8786" if name == "dask" else name, workers=2), Executor)
