"""Apply a pure function to every item: in memory, in local processes or on a cluster, with the same answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from difflib import get_close_matches
from typing import Protocol, runtime_checkable

from savem3.blocks.cluster import Dask, Slurm, cluster_package
from savem3.blocks.outcome import Failure, Finished, Item, Result
from savem3.blocks.processes import Processes
from savem3.blocks.threads import Threads
from savem3.store import Progress
from savem3.tiles import Tile


@runtime_checkable
class Executor(Protocol):
    """Where items are worked on. All executors obey the same laws, which one test holds against each of them."""

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """One answer an item, in the order in which they come; about two items a worker are out at a time.

        An item that raises, or ends its worker, is tried three times in all, then it is answered by a `Failure` and
        the run goes on. Read the iterator to its end or close it: that is when its workers stop.

        Parameters
        ----------
        function
            Pure: it depends on its item alone and gives the same bytes anywhere, as often as it is called. For
            workers outside this process it must be a function or dataclass of a module, and small.
        items
            Looked up one by one as workers become free.

        Raises
        ------
        OSError
            If an item found the disk full: no other is begun, the results of those that run come first.
        """
        ...


def _local(address: str, workers: int, slurm: Slurm) -> Executor:
    return Threads(workers)


def _processes(address: str, workers: int, slurm: Slurm) -> Executor:
    return Processes(workers)


def _dask(address: str, workers: int, slurm: Slurm) -> Executor:
    cluster_package("distributed")
    return Dask(address)


def _slurm(address: str, workers: int, slurm: Slurm) -> Executor:
    cluster_package("dask_jobqueue")
    return replace(slurm, workers=workers)


EXECUTORS: Mapping[str, Callable[[str, int, Slurm], Executor]] = {
    "dask": _dask,
    "local": _local,
    "processes": _processes,
    "slurm": _slurm,
}
"""How each executor is made of an address, a number of workers and the options of SLURM."""


def executor_of(text: str, *, workers: int = 1, slurm: Slurm = Slurm()) -> Executor:
    """The executor that a text names.

    Parameters
    ----------
    text
        ``local`` (threads of this process), ``processes``, ``dask:ADDRESS`` or ``slurm``.
    workers
        Threads, processes or jobs; a dask scheduler has as many as it has.
    slurm
        What jobs are like, if it comes to that.

    Raises
    ------
    ValueError
        If there is no such executor, or a package for it is missing.
    """
    name, colon, address = text.partition(":")
    if name not in EXECUTORS or bool(colon) != (name == "dask") or bool(address) != bool(colon):
        close = get_close_matches(name, EXECUTORS, n=1)
        hint = f"; did you mean {_usage(close[0])}?" if close else ""
        raise ValueError(f"executor must be one of {', '.join(map(_usage, EXECUTORS))}, got {text!r}{hint}")
    return EXECUTORS[name](address, workers, slurm)


def held(executor: Executor) -> AbstractContextManager[Executor]:
    """The same workers for several runs: processes and the jobs of SLURM stay until this is closed."""
    return executor.started() if isinstance(executor, Processes | Slurm) else nullcontext(executor)


def _usage(name: str) -> str:
    return "dask:ADDRESS" if name == "dask" else name


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
