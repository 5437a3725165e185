"""Apply a pure function to every tile of a volume."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from savem3.store import Progress
from savem3.tiles import Tile

Result = TypeVar("Result")


def each(
    tiles: Sequence[Tile],
    function: Callable[[Tile], Result],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Results of ``function`` for all tiles, in the order of the tiles, however many threads work on them.

    At most two results a worker wait for the caller, so memory does not grow with the number of tiles. An error in
    one tile is raised here and no further tile is started. Threads suffice because the loops inside are compiled and
    release the GIL; separate processes and clusters come later, with the same laws.

    Parameters
    ----------
    tiles
        What to work on.
    function
        Depends on its tile alone; changes nothing that another tile reads.
    workers
        Threads, at least 1; with 1 the caller's own thread works.
    progress
        Told of each finished tile.

    Raises
    ------
    ValueError
        If there is no worker.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    results = map(function, tiles) if workers == 1 else _threaded(tiles, function, workers=workers)
    return _counted(results, total=len(tiles), progress=progress)


def _threaded(tiles: Sequence[Tile], function: Callable[[Tile], Result], *, workers: int) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for tile in tiles:
                if len(waiting) == 2 * workers:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, tile))
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _counted(results: Iterator[Result], *, total: int, progress: Progress | None) -> Iterator[Result]:
    for done, result in enumerate(results, start=1):
        if progress is not None:
            progress(done, total)
        yield result
