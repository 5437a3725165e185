"""Executors by name; and in memory: results in the order of the tiles, no error lost, every tile counted."""

import inspect
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest

from savem3.blocks import each, kernel
from savem3.blocks.cluster import Dask, Slurm
from savem3.blocks.executor import executor_of, held
from savem3.blocks.processes import Processes
from savem3.blocks.threads import Threads
from savem3.tiles import split

TILES = split((4, 6, 10), block=(2, 3, 4))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_tiles(workers):
    def slow_at_first(tile):
        time.sleep(0.02 if tile.write.start == (0, 0, 0) else 0)
        return tile.write.start

    assert list(each(TILES, slow_at_first, workers=workers)) == [tile.write.start for tile in TILES]


def test_progress_hears_of_each_tile_once():
    heard = []
    list(each(TILES, lambda tile: None, workers=2, progress=lambda done, total: heard.append((done, total))))
    assert heard == [(i + 1, len(TILES)) for i in range(len(TILES))]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_in_one_tile_is_raised(workers):
    def fails_at_the_third(tile):
        if tile == TILES[2]:
            raise RuntimeError("no light")

    with pytest.raises(RuntimeError, match="no light"):
        list(each(TILES, fails_at_the_third, workers=workers))


def test_waiting_results_do_not_grow_with_the_number_of_tiles():
    started, lock = [], threading.Lock()

    def note(tile):
        with lock:
            started.append(tile)

    results = each(split((1, 1, 100), block=(1, 1, 1)), note, workers=2)
    next(results)
    time.sleep(0.05)
    assert len(started) <= 5
    list(results)
    assert len(started) == 100


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        each(TILES, lambda tile: None, workers=0)


def test_no_tiles_give_no_results():
    assert list(each([], lambda tile: None, workers=2)) == []


def test_a_kernel_is_compiled_although_a_checker_wraps_it():
    def wrapped(values):
        return values.sum()

    def checker(values):
        raise AssertionError("the wrapper must not be compiled")

    checker.__wrapped__ = wrapped
    assert inspect.unwrap(checker) is wrapped
    assert kernel(checker)(np.arange(4)) == 6


def test_a_kernel_without_a_folder_for_its_cache_still_runs(monkeypatch):
    from numba.core import caching

    monkeypatch.setattr(caching.FunctionCache._impl_class, "_locator_classes", [])

    def double(number):
        return 2 * number

    assert kernel(double)(21) == 42


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("local", Threads(3)),
        ("processes", Processes(3)),
        ("dask:tcp://10.0.0.1:8786", Dask("tcp://10.0.0.1:8786")),
        ("slurm", Slurm(workers=3, queue="night")),
    ],
)
def test_a_text_names_an_executor(text, made):
    if isinstance(made, Dask | Slurm) and find_spec("dask_jobqueue") is None:
        pytest.skip("needs dask_jobqueue")
    assert executor_of(text, workers=3, slurm=Slurm(queue="night")) == made


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("proceses", "; did you mean processes"),
        ("dsk:tcp://10.0.0.1:8786", "; did you mean dask:ADDRESS"),
        ("dask", "; did you mean dask:ADDRESS"),
        ("dask:", "; did you mean dask:ADDRESS"),
        ("local:4", "; did you mean local"),
        ("", ""),
        ("moon", ""),
    ],
)
def test_another_text_is_refused_with_what_was_meant(text, hint):
    with pytest.raises(ValueError, match="executor must be one of dask:ADDRESS, local, processes, slurm, got") as error:
        executor_of(text)
    assert str(error.value).endswith(f"got {text!r}{hint}" + ("?" if hint else ""))


def test_no_worker_is_refused_at_the_door():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        executor_of("local", workers=0)


def test_an_executor_whose_workers_start_for_nothing_is_held_as_it_is():
    with held(Threads(2)) as executor:
        assert executor == Threads(2)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exit_in_a_thread_is_raised_where_the_answers_are_read(workers):
    def leave(item):
        raise SystemExit(9)

    with pytest.raises(SystemExit):
        list(Threads(workers).run(leave, [1, 2, 3]))


def test_a_stopped_run_does_not_wait_for_long_items_in_threads():
    ended = threading.Event()

    def long_but_the_first(item):
        return item == 0 or ended.wait(30)

    answers = Threads(2).run(long_but_the_first, range(9))
    next(answers)
    start = time.monotonic()
    answers.close()
    assert time.monotonic() - start < 10
    ended.set()
