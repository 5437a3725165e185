"""Clusters: the workers of a dask scheduler, wherever they run, and jobs of SLURM that are such workers."""

from __future__ import annotations

import importlib
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic

from savem3.blocks.crew import drive
from savem3.blocks.outcome import Failure, Finished, Item, Result, Spoiled, attempt
from savem3.blocks.signals import ctrl_c_kept


@dataclass(frozen=True, slots=True)
class Dask:
    """Workers are those of a running dask scheduler; they need this package, and see the same paths.

    Who can reach the scheduler can run code on its workers: keep both in a network that you trust. A worker that dies
    loses the items it was working on, which dask gives to others; an item that took several workers with it has
    failed once. Cancelled items that are already being worked on run to their end there, for nobody.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    """

    address: str

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Executor.run`.

        Raises
        ------
        ValueError
            If dask is not installed.
        OSError
            If no scheduler answers at the address.
        """
        distributed = cluster_package("distributed")
        with distributed.Client(self.address, set_as_default=False) as client:
            yield from drive(_DaskCrew(client, function), items)


@dataclass(frozen=True, slots=True)
class Slurm:
    """Workers are jobs of a SLURM queue, started from here; a job of several cores has one process a core.

    Each run waits for new jobs; `started` keeps the same jobs for several runs.

    Parameters
    ----------
    workers
        Number of jobs.
    cores
        Cores of one job.
    memory
        Of one job, shared evenly by its processes, which are stopped when they need more.
    walltime
        After which a job is ended, ``HH:MM:SS``.
    queue
        Partition; the cluster's default if absent.
    account
        Who pays; the cluster's default if absent.
    directives
        More options of sbatch, such as ``--gres=gpu:1``.
    setup
        Shell lines before the worker starts, such as ``module load cuda``.
    interface
        Network interface over which jobs reach this machine, such as ``ib0``; dask's choice if absent.
    """

    workers: int = 1
    cores: int = 1
    memory: str = "16 GiB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    directives: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    interface: str | None = None

    def __post_init__(self) -> None:
        if min(self.workers, self.cores) < 1:
            raise ValueError(f"workers and cores must be at least 1, got {self.workers} and {self.cores}")

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Executor.run`."""
        with self.started() as workers:
            yield from workers.run(function, items)

    @contextmanager
    def started(self) -> Iterator[Dask]:
        """The scheduler and its jobs, as long as this is open. A job that ends too early is started again."""
        with self.cluster() as cluster:
            cluster.adapt(minimum_jobs=self.workers, maximum_jobs=self.workers)
            yield Dask(cluster.scheduler_address)

    def cluster(self) -> Any:
        """The scheduler, listening for jobs that are not yet asked for."""
        return cluster_package("dask_jobqueue").SLURMCluster(
            cores=self.cores,
            processes=self.cores,
            memory=self.memory,
            walltime=self.walltime,
            queue=self.queue,
            account=self.account,
            job_extra_directives=list(self.directives),
            job_script_prologue=list(self.setup),
            interface=self.interface,
            python=shlex.quote(sys.executable),  # goes into a shell script, and folders may have spaces
            job_name="savem3",
            worker_extra_args=["--no-dashboard"],
            scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        )


def cluster_package(name: str) -> ModuleType:
    """A package that only clusters need.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        with ctrl_c_kept():  # dask_jobqueue would make it a silent exit
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f'clusters need the package {error.name}: pip install "savem3[cluster]"') from error


class _DaskCrew(Generic[Item, Result]):
    """Two items a thread of the workers are out, so that none waits for this process."""

    def __init__(self, client: Any, function: Callable[[Item], Result]) -> None:
        self._client = client
        self._function = function
        self._out: dict[Any, int] = {}
        self._done = cluster_package("distributed").as_completed(loop=client.loop)
        self._threads = self._count_threads()

    @property
    def room(self) -> bool:
        return len(self._out) < 2 * self._threads

    @property
    def busy(self) -> bool:
        return bool(self._out)

    def give(self, index: int, item: Item, /) -> None:
        future = self._client.submit(attempt, self._function, item, pure=False)
        self._out[future] = index
        self._done.add(future)

    def collect(self) -> list[tuple[int, Result | Spoiled]]:
        outcomes = [(self._out.pop(future), _outcome(future)) for future in self._done.next_batch()]
        self._threads = self._count_threads()
        return outcomes

    def close(self) -> None:
        self._client.cancel(list(self._out))

    def _count_threads(self) -> int:
        """Of all workers there are now; they come and go."""
        return max(1, sum(self._client.nthreads().values()))


def _outcome(future: Any) -> Any:
    """What a future holds. The function's own errors are outcomes, so an error is one of the cluster's."""
    if future.cancelled():
        raise ConnectionError("the dask scheduler must stay reachable, got no answer from it any more")
    try:
        return future.result()
    except Exception:
        return Spoiled(traceback.format_exc())
