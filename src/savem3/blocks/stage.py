"""A stage: one block function, the blocks of a volume, and where its products go. Each block is done once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from savem3.blocks.executor import Executor
from savem3.blocks.ledger import Ledger, Receipt
from savem3.blocks.outcome import Failure
from savem3.blocks.product import BlockFunction, Product
from savem3.blocks.threads import Threads
from savem3.store import Progress
from savem3.store.tables import TableFile, TableFiles, digest_of_file, write_table
from savem3.store.voxel_file import VoxelFile
from savem3.tiles import Blocks


class BlocksFailed(RuntimeError):
    """Some blocks of a stage could not be done; all others are done and stay done."""

    def __init__(self, stage: str, total: int, failures: Sequence[Failure], folder: Path) -> None:
        self.stage, self.total, self.failures = stage, total, tuple(failures)
        listed = ", ".join(str(failure.index) for failure in self.failures[:10])
        more = ", …" if len(self.failures) > 10 else ""
        last = self.failures[0].trace.strip().splitlines()[-1]
        super().__init__(
            f"{len(failures)} of {total} blocks of '{stage}' failed {failures[0].attempts} times: {listed}{more} "
            f"({last}); their tracebacks are in {folder}. Mend the cause and go on with --resume"
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """One step over a whole volume; small, so that it may travel to other processes.

    Parameters
    ----------
    name
        Of its records and tables.
    tiles
        What to do, one by one.
    function
        What becomes of a tile.
    volumes
        Where the voxels that it gives are written, by their names.
    tables
        Folder of the tables that it gives, one a tile, or the file of a single tile's; ``None`` where it gives none.
    reads
        Names of the stages whose outputs it reads.
    scratch
        Whether its outputs are needed only until later stages are done.
    uses_all_threads
        Whether one call keeps the whole machine busy, so that threads should not call it side by side.
    """

    name: str
    tiles: Blocks
    function: BlockFunction
    volumes: Mapping[str, VoxelFile] = field(default_factory=dict)
    tables: Path | None = None
    reads: tuple[str, ...] = ()
    scratch: bool = False
    uses_all_threads: bool = False

    @property
    def table_files(self) -> TableFiles:
        """The tables of all tiles, in their order."""
        assert self.tables is not None
        return TableFiles(self.tables, len(self.tiles))

    def table_of(self, index: int) -> TableFile:
        """Where the table of a tile lies."""
        files = self.table_files
        return TableFile(files.folder if files.folder.suffix == ".safetensors" else files.file_of(index))

    def write(self, index: int, product: Product) -> Receipt:
        """Put a product where it belongs; the digests of all that was written."""
        box = self.tiles[index].write
        assert set(product.volumes) == set(self.volumes), (self.name, set(product.volumes))
        digests = {name: self.volumes[name].write(box, voxels) for name, voxels in product.volumes.items()}
        table = write_table(self.table_of(index).path, product.tables) if self.tables is not None else None
        return Receipt(digests, table)

    def read_back(self, index: int) -> Receipt:
        """The digests of what the disk holds for a tile.

        Raises
        ------
        OSError, ValueError
            If something is missing or damaged.
        """
        box = self.tiles[index].write
        digests = {name: file.digest(box) for name, file in self.volumes.items()}
        return Receipt(digests, digest_of_file(self.table_of(index).path) if self.tables is not None else None)


@dataclass(frozen=True, slots=True)
class Perform:
    """Does one tile of a stage: compute, write, have the disk confirm it, and only then record it as done."""

    stage: Stage
    ledger: Ledger

    def __call__(self, index: int) -> None:
        if self.ledger.read(self.stage.name, index) is not None:
            return  # whoever had the tile before was killed between its record and its answer
        receipt = self.stage.write(index, self.stage.function(self.stage.tiles[index]))
        self.ledger.record(self.stage.name, index, receipt)


@dataclass(frozen=True, slots=True)
class Check:
    """Compares what the disk holds for a tile with its record: what is wrong, or nothing."""

    stage: Stage
    ledger: Ledger

    def __call__(self, index: int) -> str:
        recorded = self.ledger.read(self.stage.name, index)
        if recorded is None:
            return "not done"
        try:
            found = self.stage.read_back(index)
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "" if found == recorded else "other bytes than recorded"


def run_stage(stage: Stage, *, ledger: Ledger, executor: Executor, progress: Progress | None = None) -> None:
    """Do all tiles of a stage that have no record yet.

    Parameters
    ----------
    stage
        What to do.
    ledger
        Where it is recorded.
    executor
        Who does it.
    progress
        Told of each finished tile; those done in an earlier run count from the start.

    Raises
    ------
    BlocksFailed
        If some tiles failed again and again; all others are done then.
    """
    for file in stage.volumes.values():
        file.create()
    missing = ledger.missing(stage.name, len(stage.tiles))
    count = _counter(len(stage.tiles) - len(missing), len(stage.tiles), progress)
    failures = []
    for outcome in _who(executor, stage).run(Perform(stage, ledger), missing):
        if isinstance(outcome, Failure):
            failures.append(Failure(missing[outcome.index], outcome.attempts, outcome.trace))
            ledger.record_failure(stage.name, failures[-1].index, outcome.trace)
        else:
            next(count)
    if failures:
        raise BlocksFailed(stage.name, len(stage.tiles), failures, ledger.failures_of(stage.name))


def find_damage(
    stage: Stage, *, ledger: Ledger, executor: Executor, progress: Progress | None = None
) -> dict[int, str]:
    """What is wrong with each tile of a stage that is not as recorded: ``not done``, missing, or other bytes.

    Parameters
    ----------
    stage, ledger, executor
        See `run_stage`. All outputs of the stage are read.
    progress
        Told of each checked tile.
    """
    missing = set(ledger.missing(stage.name, len(stage.tiles)))
    damage = dict.fromkeys(missing, "not done")
    recorded = [index for index in range(len(stage.tiles)) if index not in missing]
    count = _counter(len(missing), len(stage.tiles), progress)
    for outcome in executor.run(Check(stage, ledger), recorded):
        found = outcome.trace if isinstance(outcome, Failure) else outcome.result
        if found:
            damage[recorded[outcome.index]] = found
        next(count)
    return dict(sorted(damage.items()))


def _who(executor: Executor, stage: Stage) -> Executor:
    return Threads(1) if stage.uses_all_threads and isinstance(executor, Threads) else executor


def _counter(done: int, total: int, progress: Progress | None) -> Iterator[int]:
    """Counts on at each ``next`` and tells of it, the first count at once."""

    def count() -> Iterator[int]:
        for finished in range(done + 1, total + 1):
            if progress is not None:
                progress(finished, total)
            yield finished

    if progress is not None:
        progress(done, total)
    return count()
