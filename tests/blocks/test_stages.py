"""Stages over blocks: done once, recorded after they are safe, checked, mended, and the same for any blocks."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.blocks import (
    BlocksFailed,
    Ledger,
    Processes,
    Product,
    Stage,
    Threads,
    drop_scratch,
    find_damage,
    mend,
    run_stage,
    run_stages,
    verify_stages,
)
from savem3.store import VoxelFile
from savem3.store.tables import TableFile
from savem3.tiles import Blocks

SHAPE = (5, 13, 9)


@dataclass(frozen=True)
class Number:
    """Writes the flat index of each voxel, and leaves a mark for each call."""

    marks: Path
    fails_at: tuple[int, ...] = ()

    def __call__(self, tile):
        first = np.ravel_multi_index(tile.write.start, SHAPE)
        if first in self.fails_at:
            raise ValueError(f"no luck with {first}")
        (self.marks / f"{first}-{len(list(self.marks.glob(f'{first}-*')))}").touch()
        voxels = np.arange(np.prod(SHAPE), dtype=np.uint64).reshape(SHAPE)[tile.write.slices]
        return Product({"numbers": np.ascontiguousarray(voxels)}, {"sum": np.array([voxels.sum()])})


@dataclass(frozen=True)
class AddUp:
    """The sum of all tables."""

    tables: object

    def __call__(self, tile):
        return Product(tables={"sum": sum(table["sum"] for table in self.tables)})


@contextmanager
def quietly(name):
    yield lambda done, total: None


class Run:
    """Two stages in a folder: numbers in blocks, then their sum."""

    def __init__(self, folder, *, block=(2, 6, 4), fails_at=()):
        self.marks = folder / "marks"
        self.marks.mkdir(parents=True, exist_ok=True)
        self.file = VoxelFile(folder / "numbers", SHAPE, "uint64", block)
        tables = folder / "sums"
        numbers = Stage(
            "numbers", Blocks(SHAPE, block), Number(self.marks, fails_at), {"numbers": self.file}, tables, scratch=True
        )
        whole = Blocks(SHAPE, SHAPE)
        self.total = folder / "total.safetensors"
        add = Stage("total", whole, AddUp(numbers.table_files), tables=self.total, reads=("numbers",))
        self.stages = [numbers, add]
        self.ledger = Ledger(folder / "done", "configuration", "input")

    def go(self, executor=Threads(1)):
        run_stages(self.stages, ledger=self.ledger, executor=executor, showing=quietly)
        return int(TableFile(self.total)["sum"][...][0])

    def calls(self):
        return len(list(self.marks.iterdir()))


TOTAL = sum(range(5 * 13 * 9))


@settings(max_examples=10)
@given(block=st.tuples(st.integers(1, 6), st.integers(2, 14), st.integers(2, 10)), workers=st.integers(1, 4))
def test_any_blocks_and_threads_give_the_same(tmp_path_factory, block, workers):
    run = Run(tmp_path_factory.mktemp("run"), block=block)
    assert run.go(Threads(workers)) == TOTAL
    np.testing.assert_array_equal(run.file.voxels[...].ravel(), np.arange(5 * 13 * 9))
    assert run.calls() == len(run.stages[0].tiles)


def test_processes_give_the_same(tmp_path):
    run = Run(tmp_path)
    assert run.go(Processes(2)) == TOTAL
    assert run.calls() == len(run.stages[0].tiles)


def test_nothing_is_done_twice(tmp_path):
    Run(tmp_path).go()
    again = Run(tmp_path)
    done = again.calls()
    assert again.go() == TOTAL
    assert again.calls() == done


@pytest.mark.parametrize("kept", [0, 1, 7])
def test_an_interrupted_run_does_the_rest_and_only_that(tmp_path, kept):
    run = Run(tmp_path)
    numbers = run.stages[0]
    run.file.create()
    from savem3.blocks.stage import Perform

    for index in range(kept):
        Perform(numbers, run.ledger)(index)
    assert run.go() == TOTAL
    assert run.calls() == len(numbers.tiles)


def test_other_settings_or_another_input_do_not_count_as_done(tmp_path):
    run = Run(tmp_path)
    run.go()
    for ledger in (Ledger(tmp_path / "done", "other", "input"), Ledger(tmp_path / "done", "configuration", "other")):
        assert len(ledger.missing("numbers", len(run.stages[0].tiles))) == len(run.stages[0].tiles)


def test_a_block_that_always_fails_is_kept_with_its_traceback_and_the_others_are_done(tmp_path):
    run = Run(tmp_path, fails_at=(0, 4))
    with pytest.raises(
        BlocksFailed, match=r"2 of 27 blocks of 'numbers' failed 3 times: 0, 1 .*no luck with [04].*--resume"
    ):
        run.go()
    assert run.calls() == len(run.stages[0].tiles) - 2
    assert "ValueError: no luck with 4" in (tmp_path / "done" / "numbers" / "failed" / "1.txt").read_text()
    mended = Run(tmp_path)
    assert mended.go() == TOTAL
    assert not list((tmp_path / "done" / "numbers" / "failed").iterdir())


def harm_one_file(folder):
    file = sorted(path for path in (folder / "c").rglob("*") if path.is_file())[5]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)


@pytest.mark.parametrize("harm", ["delete", "flip", "swap", "record"])
def test_a_lost_or_damaged_output_is_found_and_redone_and_nothing_else(tmp_path, harm):
    run = Run(tmp_path)
    run.go()
    done = run.calls()
    files = sorted(path for path in (run.file.folder / "c").rglob("*") if path.is_file())
    if harm == "delete":
        files[3].unlink()
    elif harm == "flip":
        harm_one_file(run.file.folder)
    elif harm == "swap":  # intact by its checksums, yet not what was written
        files[3].write_bytes(files[4].read_bytes())
    else:
        (tmp_path / "done" / "numbers" / "2.json").write_text("{")
    damage = verify_stages(run.stages, ledger=run.ledger, executor=Threads(2))
    assert [len(blocks) for blocks in damage.values()] == [1, 0]
    mend(run.stages, damage, ledger=run.ledger)
    run_stage(run.stages[0], ledger=run.ledger, executor=Threads(1))
    assert run.calls() == done + 1
    assert not find_damage(run.stages[0], ledger=run.ledger, executor=Threads(1))


def test_scratch_goes_when_all_is_done_and_is_not_missed(tmp_path):
    run = Run(tmp_path)
    run.go()
    drop_scratch(run.stages, ledger=run.ledger)
    assert not run.file.folder.exists()
    assert not (tmp_path / "sums").exists()
    done = run.calls()
    assert not any(verify_stages(run.stages, ledger=run.ledger, executor=Threads(1)).values())
    assert run.go() == TOTAL
    assert run.calls() == done


def test_scratch_is_made_anew_when_something_that_needs_it_is_lost(tmp_path):
    run = Run(tmp_path)
    run.go()
    drop_scratch(run.stages, ledger=run.ledger)
    run.total.unlink()
    damage = verify_stages(run.stages, ledger=run.ledger, executor=Threads(1))
    mend(run.stages, damage, ledger=run.ledger)
    assert run.go() == TOTAL


def test_the_record_is_written_after_the_output(tmp_path, monkeypatch):
    run = Run(tmp_path)
    seen = []
    monkeypatch.setattr(
        Ledger, "record", lambda self, stage, block, receipt: seen.append(run.stages[0].read_back(block) == receipt)
    )
    run_stage(run.stages[0], ledger=run.ledger, executor=Threads(1))
    assert seen == [True] * 27


def test_a_worker_killed_between_record_and_answer_costs_nothing(tmp_path):
    from savem3.blocks.stage import Perform

    run = Run(tmp_path)
    run.file.create()
    perform = Perform(run.stages[0], run.ledger)
    perform(3)
    perform(3)
    assert run.calls() == 1


def test_progress_counts_what_was_done_before(tmp_path):
    run = Run(tmp_path)
    from savem3.blocks.stage import Perform

    run.file.create()
    Perform(run.stages[0], run.ledger)(8)
    told = []
    run_stage(
        run.stages[0], ledger=run.ledger, executor=Threads(1), progress=lambda done, total: told.append((done, total))
    )
    assert told == [(n, 27) for n in range(1, 28)]
