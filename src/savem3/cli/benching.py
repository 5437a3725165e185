"""The command that makes the tables of comparisons again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.cli.options import AsJson, app, watch_of


@app.command
def bench(
    *,
    suite: Annotated[
        Literal["2d", "3d", "sparse", "ablation", "speed"], Parameter(help="Which table: see docs/how-to-compare.md.")
    ],
    data: Annotated[Path, Parameter(help="Folder of the datasets' files.")],
    out: Annotated[Path, Parameter(help="A folder; an unfinished run of the same suite in it goes on.")],
    seeds: Annotated[int, Parameter(help="How often whatever is drawn is drawn anew.")] = 3,
    quick: Annotated[bool, Parameter(help="Small crops and few steps: to see that it runs.")] = False,
    renew: Annotated[bool, Parameter(help="Run again what depends on something that changed.")] = False,
    only_tables: Annotated[bool, Parameter(help="Run nothing: tables of what is there.")] = False,
    student: Annotated[
        tuple[str, ...], Parameter(help="NAME=FILE; several of one name are its seeds. The shipped one by default.")
    ] = (),
    teacher: Annotated[tuple[str, ...], Parameter(help="NAME=FILE; the shipped one by default.")] = (),
    sam: Annotated[tuple[str, ...], Parameter(help="NAME=FOLDER of a SAM, HQ-SAM or micro-sam, for 2d.")] = (),
    base: Annotated[Path | None, Parameter(help="Folder of the SAM that --teacher files stand on.")] = None,
    peer: Annotated[tuple[str, ...], Parameter(help="NAME=PATH@VOLUME: what another tool left, for 3d.")] = (),
    threads: Annotated[int, Parameter(help="CPU threads.")] = 1,
    steps: Annotated[int | None, Parameter(help="Of each training of the ablation; 400 by default.")] = None,
    json: AsJson = False,
) -> None:
    """Compare methods on all volumes that are here: results.md, results.csv, pictures and manifest.json in OUT."""
    from savem3.bench import Bench, run_bench

    how = (seeds, quick, renew, only_tables, threads, steps)
    wanted = Bench(data, out, *how, student, teacher, sam, base, peer)
    watch = watch_of(json)
    folder = run_bench(suite, bench=wanted, watch=watch)
    watch.say(f"wrote {folder / 'results.md'}", results=str(folder / "results.md"))
