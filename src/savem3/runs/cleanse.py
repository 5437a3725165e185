"""Cleansing an annotated volume: raw and labels in, a folder with raw, labels, mask and a record out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from savem3 import __version__
from savem3.blocks import Stage, survey
from savem3.check import Checked
from savem3.directory import run_directory
from savem3.engine import (
    CleanseSections,
    Clear,
    Erode,
    HideLabels,
    HideSections,
    Operation,
    Resample,
    Tidy,
    find_move,
    operation_of,
    records_of,
    refuse_other,
    told,
)
from savem3.grid import Grid
from savem3.identity import Identity, digest_of_code, versions
from savem3.plan import describe
from savem3.request import Keep, Machine, Source, Work
from savem3.runs.check import facts_of_check, open_checked
from savem3.runs.course import go_through
from savem3.stages import coarser
from savem3.store import PyramidFile
from savem3.store.durable import write_durably
from savem3.tiles import Blocks
from savem3.volume import Image, Labels
from savem3.watch import Watch, peak_memory_bytes

RECORD = "cleanse.json"


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is done to an annotated volume; see the command line for each."""

    to_nm: float | None = None
    myelin: tuple[int, ...] = ()
    glia: tuple[int, ...] = ()
    mask: str | None = None
    erode: int = 0
    realign: bool = False
    clean: bool = False
    record: Path | None = None

    def operations(self, image: Image, checked: Checked, *, watch: Watch) -> tuple[Operation, ...]:
        """In their order: what lies off is moved first, and pixels are counted at the new size.

        Raises
        ------
        ValueError
            If nothing is to be done.
        """
        found: list[Operation] = []
        if self.realign:
            with watch.stage("realign") as counter:
                found.append(find_move(image, progress=counter))
        lost = tuple(int(z) for z in np.flatnonzero(checked.lost))
        wanted: list[tuple[object, Operation]] = [(lost, HideSections(lost)), (self.myelin, Clear(self.myelin))]
        wanted.append((self.glia, HideLabels(self.glia)))
        found += [operation for asked, operation in wanted if asked]
        if self.to_nm is not None:
            found.append(Resample(self.to_nm))
        found += [Erode(self.erode)] if self.erode else []
        found += [Tidy()] if self.clean else []
        if not found:
            raise ValueError("at least one of --to-nm, --myelin, --glia, --erode, --realign, --clean must be asked for")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class CleansedFiles:
    """Where a cleansed volume lies.

    Parameters
    ----------
    folder
        Of the run.
    grid
        Of the result; one section is written at once.
    """

    folder: Path
    grid: Grid

    @property
    def volumes(self) -> dict[str, PyramidFile]:
        """raw and mask uint8, labels uint64."""
        block = (1, *self.grid.shape[1:])
        return {
            "raw": PyramidFile(self.folder / "raw.zarr", self.grid, "uint8", "mean", block),
            "labels": PyramidFile(self.folder / "labels.zarr", self.grid, "uint64", "mode", block),
            "mask": PyramidFile(self.folder / "mask.zarr", self.grid, "uint8", "mean", block),
        }


def run_cleanse(
    raw: str,
    labels: str,
    out: Path,
    *,
    source: Source,
    cleaning: Cleaning,
    machine: Machine,
    work: Work,
    keep: Keep,
    watch: Watch,
) -> None:
    """A run directory: raw.zarr, labels.zarr, mask.zarr, cleanse.json, run.json."""
    image, checked = open_checked(raw, source=source, watch=watch)
    watch.say(describe(image.grid))
    drawn = source.open_labels(labels)
    weight = None if cleaning.mask is None else source.open_labels(cleaning.mask)
    before = read_records(cleaning.record) if cleaning.record is not None else []
    operations = tuple(map(operation_of, before)) if before else cleaning.operations(image, checked, watch=watch)
    cleanse = CleanseSections(image, drawn, None if weight is None else weight.voxels, operations)
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
        digests = [digest_of_labels(volume) for volume in (drawn, weight) if volume is not None]
    sha256 = hashlib.sha256(" ".join([seen.sha256, *digests]).encode()).hexdigest()
    identity = identity_of(cleanse, sha256)
    with run_directory(out, identity, resume=keep.resume, overwrite=keep.overwrite, watch=watch) as directory:
        files = CleansedFiles(out, cleanse.grids[-1])
        stages = list(stages_of(cleanse, files))
        go_through(stages, directory, sha256, executor=work.executor_on(machine), watch=watch)
        records = records_of(operations, stages[0].table_files)
        if before and not refuse_other(before, records):
            watch.say(f"'{raw}' and '{labels}' are not the volumes that {cleaning.record} was made on")
        for volume in files.volumes.values():
            volume.finish()
        write_record(out, raw, labels, cleanse, records)
        facts = {"operations": len(records), "check": facts_of_check(checked), "choices": _plain(asdict(cleaning))}
        directory.finish(
            savem3=__version__, seconds=dict(watch.seconds), peak_memory_bytes=peak_memory_bytes(), **facts
        )
    for record in records:
        changed = ", ".join(f"{n:,} of {what}" for what, n in record["changed"].items() if n)
        watch.say(f"{record['operation']}: {changed or 'nothing'} changed", **record)


def stages_of(cleanse: CleanseSections, files: CleansedFiles) -> Iterator[Stage]:
    """Sections, then the pyramids of what they left."""
    volumes = files.volumes
    tiles = Blocks(files.grid.shape, (1, *files.grid.shape[1:]))
    finest = {name: pyramid.levels[0] for name, pyramid in volumes.items()}
    yield Stage("cleanse", tiles, cleanse, finest, tables=files.folder / "operations")
    for name, pyramid in volumes.items():
        yield from coarser(name, "cleanse", pyramid)


def identity_of(cleanse: CleanseSections, sha256: str) -> Identity:
    """Plain JSON values that name all that decides a run's bytes."""
    identity = {
        "program": {"savem3": __version__, "code": digest_of_code(), **versions()},
        "input": {**asdict(cleanse.image.grid), "sha256": sha256},
        "models": {},
        "settings": {"verb": "cleanse", "operations": [told(operation) for operation in cleanse.operations]},
    }
    plain: Identity = json.loads(json.dumps(identity))
    return plain


def digest_of_labels(labels: Labels) -> str:
    """SHA-256 of labels and their shape, read section by section."""
    total = hashlib.sha256(f"{labels.grid.shape}".encode())
    for z in range(labels.grid.shape[0]):
        total.update(np.ascontiguousarray(labels.voxels[z : z + 1]).data)
    return total.hexdigest()


def read_records(path: Path) -> list[dict[str, Any]]:
    """The operations of a cleanse.json.

    Raises
    ------
    ValueError
        If the file is damaged, or none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["operations"]
        if not found or not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            raise ValueError("it holds no operations")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"record must be an intact {RECORD}, got '{path}': {error!r}") from error
    return found


def write_record(
    out: Path, raw: str, labels: str, cleanse: CleanseSections, records: Sequence[Mapping[str, Any]]
) -> None:
    """cleanse.json: what was done to what."""
    places = {"raw": raw, "labels": labels, **asdict(cleanse.image.grid)}
    content = {"savem3": __version__, "input": places, "operations": list(records)}
    write_durably(out / RECORD, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in facts.items()}
