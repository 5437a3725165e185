"""Blocks: results come in the order of the tiles, an error is not lost, progress counts every tile."""

import inspect
import threading
import time

import numpy as np
import pytest

from savem3.blocks import each, kernel
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
