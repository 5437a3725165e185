"""Local processes: one that dies takes only its own item with it, and is replaced."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Generic

from savem3.blocks.crew import drive
from savem3.blocks.outcome import Failure, Finished, Item, Result, Spoiled
from savem3.blocks.signals import ctrl_c_blocked
from savem3.blocks.worker import Errand, Hello, serve

SPAWN = multiprocessing.get_context("spawn")
"""New interpreters: a fork would copy locks that threads hold."""

FALSE_STARTS = 3
"""So many processes may die before they are ready while no item is answered; then the cause is not chance."""

STOP_S = 1.0
"""How long a terminated process has to end before it is killed."""

GUARD = "a script that uses worker processes must start under: if __name__ == '__main__'"


@dataclass(frozen=True, slots=True)
class Processes:
    """Workers are processes of this machine; the function, the items and the results travel between them and this one.

    A process that is killed or crashes loses the item it was working on, which counts as one failed attempt; another
    takes its place. When this process dies, however suddenly, its workers exit.

    Raises
    ------
    ValueError
        If there is no worker.
    """

    workers: int = 2

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Executor.run`.

        Raises
        ------
        TypeError
            If the function or an item cannot travel to another process.
        RuntimeError
            If the function cannot be read there, or no process comes up.
        """
        with self.started() as pool:
            yield from pool.run(function, items)

    @contextmanager
    def started(self) -> Iterator[ProcessPool]:
        """The same processes for several runs, as long as this is open."""
        pool = ProcessPool(self.workers)
        try:
            yield pool
        finally:
            _end(pool.workers)
            pool.workers.clear()


@dataclass(slots=True, eq=False)
class Worker:
    """A process, the near end of its pipe, and the item that it has.

    Parameters
    ----------
    process, connection
        The two.
    up
        Whether it was heard of.
    ready
        Whether it has the function of this run.
    index
        Number of its item, if it has one.
    packed
        The item until the process is ready for it: one that dies before that has lost nothing.
    """

    process: BaseProcess
    connection: Connection
    up: bool = False
    ready: bool = False
    index: int | None = None
    packed: memoryview | None = None

    def send(self, packed: memoryview) -> bool:
        """Whether something could be sent. If not, the process has died, which the end of its pipe will tell."""
        try:
            self.connection.send_bytes(packed)
        except OSError:
            return False
        return True

    def pass_on(self) -> None:
        """Send the item, once the process is ready for it."""
        if self.ready and self.packed is not None and self.send(self.packed):
            self.packed = None


class ProcessPool:
    """Processes that are started when there is something to do, for one run after the other.

    Parameters
    ----------
    most
        So many at most.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.workers: list[Worker] = []
        self.false_starts = 0

    def run(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Finished[Result] | Failure]:
        """See `Processes.run`. The run before must be at its end, or closed."""
        yield from drive(_ProcessCrew(function, self), items)


class _ProcessCrew(Generic[Item, Result]):
    """One pipe and at most one item a process: who dies loses one item, and no two sends can wait for each other."""

    def __init__(self, function: Callable[[Item], Result], pool: ProcessPool) -> None:
        self._errand = _packed(Errand(function), "function")
        self._pool = pool
        if any(worker.ready or worker.index is not None for worker in pool.workers):
            raise RuntimeError("a pool must end one run before the next, got two at once")
        gone = [worker for worker in pool.workers if not worker.process.is_alive()]
        pool.workers[:] = [worker for worker in pool.workers if worker not in gone]
        _end(gone)

    @property
    def room(self) -> bool:
        return len(self._pool.workers) < self._pool.most or any(self._idle())

    @property
    def busy(self) -> bool:
        return any(worker.index is not None for worker in self._pool.workers)

    def give(self, index: int, item: Item, /) -> None:
        self._give(index, _packed(item, "item"))

    def collect(self) -> list[tuple[int, Result | Spoiled]]:
        """Hear all processes that have something to say. A dead one shows as the end of its pipe, after all it sent."""
        heard = wait([worker.connection for worker in self._pool.workers])
        outcomes = [self._hear(worker) for worker in list(self._pool.workers) if worker.connection in heard]
        return [outcome for outcome in outcomes if outcome is not None]

    def close(self) -> None:
        """End who is still at work; who is idle can be of use in another run."""
        idle = list(self._idle())
        _end([worker for worker in self._pool.workers if worker not in idle])
        self._pool.workers[:] = idle
        for worker in idle:
            worker.ready = False

    def _idle(self) -> Iterator[Worker]:
        return (worker for worker in self._pool.workers if worker.index is None)

    def _give(self, index: int, packed: memoryview) -> None:
        """To a process that is ready, else to one that first needs the function, else to a new one."""
        worker = max(self._idle(), key=lambda worker: worker.ready, default=None) or _start(self._pool.workers)
        worker.index, worker.packed = index, packed
        if worker.up and not worker.ready:
            worker.send(self._errand)
        worker.pass_on()

    def _hear(self, worker: Worker) -> tuple[int, Result | Spoiled] | None:
        """An outcome, or nothing if the process said something else or died without loss."""
        try:
            message = ForkingPickler.loads(worker.connection.recv_bytes())
        except (EOFError, ConnectionError):
            return self._replace(worker)
        if not worker.ready:
            self._greet(worker, message)
            return None
        self._pool.false_starts = 0
        index, worker.index = worker.index, None
        assert index is not None, "only an item is answered"
        return index, message

    def _greet(self, worker: Worker, message: Hello | Spoiled) -> None:
        if isinstance(message, Spoiled):
            raise RuntimeError(f"function must be readable in a worker process, got\n{message.trace}")
        if message.state == "up":
            worker.up = True
            worker.send(self._errand)
        else:
            worker.ready = True
            worker.pass_on()

    def _replace(self, dead: Worker) -> tuple[int, Spoiled] | None:
        """Forget a dead process: what it was working on is spoiled, what it never got goes to the next."""
        dead.process.join(STOP_S)
        self._pool.workers.remove(dead)
        ending = _bury(dead)
        if dead.index is None:
            return None
        if dead.packed is None:
            return dead.index, Spoiled(f"the worker process ended: {ending}")
        self._pool.false_starts += 1
        if self._pool.false_starts == FALSE_STARTS:
            raise RuntimeError(f"worker processes must come up, got {FALSE_STARTS} that did not: {ending}; {GUARD}")
        self._give(dead.index, dead.packed)
        return None


def _start(workers: list[Worker]) -> Worker:
    """One process more."""
    resource_tracker.ensure_running()  # its own start would let Ctrl-C through to the first process
    near, far = SPAWN.Pipe()
    worker = Worker(SPAWN.Process(target=serve, args=(far,), daemon=True), near)
    with ctrl_c_blocked(), far:
        worker.process.start()
        workers.append(worker)
    return worker


def _end(workers: Sequence[Worker]) -> None:
    """End processes: they are asked to, and killed if they do not."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + STOP_S
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        _bury(worker)


def _packed(thing: object, name: str) -> memoryview:
    """As it travels to another process."""
    try:
        return ForkingPickler.dumps(thing)
    except Exception as error:
        raise TypeError(f"{name} must be able to travel to another process, got {thing!r}: {error}") from error


def _bury(worker: Worker) -> str:
    """Free what a process holds; how it ended."""
    worker.process.kill()
    worker.process.join()
    code = worker.process.exitcode
    worker.connection.close()
    worker.process.close()
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"{signal.Signals(-code).name}{', often for lack of memory' if -code == signal.SIGKILL else ''}"
