"""One volume as the only output: made in a folder beside it, by the stages that any run goes through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from savem3.blocks import Ledger, Stage, held, run_stages, stopping_on_sigterm
from savem3.grid import Grid
from savem3.pipeline import Settings
from savem3.request import Machine, Work
from savem3.stages import Outputs
from savem3.store import PyramidFile, completed, open_boundary, open_labels, write_boundary, write_labels, writer_for
from savem3.watch import Watch


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Refuse before any work what could not be written after it.

    Raises
    ------
    FileExistsError
        If the output exists and may not be replaced.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"output must not exist yet, got '{out}': choose another name or pass --overwrite")


def refuse_unwritable(out: Path, *, overwrite: bool) -> None:
    """`refuse_existing` for one volume, whose name must end as that of a format that is written.

    Raises
    ------
    FileExistsError
        If the output exists and may not be replaced.
    ValueError
        If its format is none of those that are written.
    """
    writer_for(out)
    refuse_existing(out, overwrite=overwrite)


def make_volume(
    out: Path,
    grid: Grid,
    settings: Settings,
    stages: Callable[[Outputs], Sequence[Stage]],
    result: Callable[[Outputs], PyramidFile],
    *,
    machine: Machine,
    work: Work,
    overwrite: bool,
    watch: Watch,
) -> None:
    """Go through stages in a folder that is gone afterwards, and keep one of their volumes.

    Parameters
    ----------
    out
        A ``.zarr`` folder, or any other path that volumes are written to.
    grid, settings
        Of the outputs.
    stages, result
        What to do, and which of the volumes to keep.
    machine, work
        Who works.
    overwrite
        Whether an older output may be replaced.
    watch
        Shows and times the stages.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = TemporaryDirectory(prefix=f".{out.name[:64]}.", suffix=".unfinished", dir=out.parent)
    with stopping_on_sigterm(), beside as folder, held(work.executor_on(machine)) as workers:
        outputs = Outputs(Path(folder), grid, settings)
        ledger = Ledger(Path(folder) / "done", configuration="", input="")
        run_stages(stages(outputs), ledger=ledger, executor=workers, showing=watch.stage)
        volume = result(outputs)
        volume.finish()
        _hand_over(volume, out, overwrite=overwrite, watch=watch)


def _hand_over(volume: PyramidFile, out: Path, *, overwrite: bool, watch: Watch) -> None:
    """Give the volume its place, as it is or in the format that the path asks for."""
    if out.suffix == ".zarr":
        with completed(out, overwrite=overwrite) as place:
            volume.folder.rename(place)
        return
    with watch.stage("write") as counter:
        if volume.method == "mode":
            write_labels(open_labels(volume.folder), out, overwrite=overwrite, progress=counter)
        else:
            write_boundary(open_boundary(volume.folder), out, overwrite=overwrite, progress=counter)
