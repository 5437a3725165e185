"""From a suite's name to a folder with its tables, pictures and manifest."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from filelock import FileLock, Timeout

from savem3.bench.manifest import kept_load, load_of_machine, sentence_of, write_manifest
from savem3.bench.plots import draw_bars
from savem3.bench.request import Bench, Suite
from savem3.bench.sheet import Sheet
from savem3.bench.tables import write_tables
from savem3.watch import Watch

SUITES: dict[Suite, str] = {
    "2d": "suite_2d:run_2d",
    "3d": "suite_3d:run_3d",
    "ablation": "suite_ablation:run_ablation",
    "sparse": "suite_sparse:run_sparse",
    "speed": "suite_speed:run_speed",
}
"""Module and function of each; imported when it is run, since each needs other libraries."""


def run_bench(suite: Suite, *, bench: Bench, watch: Watch) -> Path:
    """Run what is not there yet and write results.md, results.csv, pictures and manifest.json; the folder.

    Parameters
    ----------
    suite
        A key of `SUITES`.
    bench
        What is compared; its folder may hold an unfinished run of the same suite.
    watch
        Told of every finished cell.

    Raises
    ------
    ValueError
        If a finished cell depends on something that has changed since.
    FileExistsError
        If another run works in the same folder.
    """
    busy = kept_load(bench.out) if bench.only_tables else None
    busy = load_of_machine() if busy is None else busy
    bench.out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(bench.out / ".lock", timeout=0):
            return _write(_function(suite)(bench, watch=watch), bench, busy=busy)
    except Timeout as error:
        raise FileExistsError(f"'{bench.out}' must not be in use by another run, got a lock on it") from error


def _function(suite: Suite) -> Callable[..., Sheet]:
    module, _, name = SUITES[suite].partition(":")
    function: Callable[..., Sheet] = getattr(import_module(f"savem3.bench.{module}"), name)
    return function


def _write(sheet: Sheet, bench: Bench, *, busy: float) -> Path:
    command = f"`savem3 bench --suite {sheet.suite}`" + (" with `--quick`: to see that it runs" if bench.quick else "")
    says = f"{command}. {sentence_of(busy)}\n\n{sheet.says}"
    outputs = write_tables(sheet.tables, sheet.results, title=sheet.title, says=says, folder=bench.out)
    for metric, title in sheet.pictures.items():
        drawn = draw_bars(sheet.results, metric, title=title, path=bench.out / f"{metric}.png")
        outputs += [drawn] if drawn else []
    write_manifest(sheet.suite, bench, inputs=sheet.inputs, outputs=outputs, busy=busy, folder=bench.out)
    return bench.out
