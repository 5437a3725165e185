"""What a comparison is asked for, and one number of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Suite = Literal["2d", "3d", "sparse", "ablation", "speed"]


@dataclass(frozen=True, slots=True)
class Bench:
    """What is compared, and where.

    Parameters
    ----------
    data
        Folder of the datasets' files.
    out
        Where results, tables and the manifest go; what is there already is not run again.
    seeds
        How often whatever is drawn is drawn anew: prompts, trainings.
    quick
        A small crop of each volume and few steps: to see that it runs, not what it gives.
    renew
        Run again what depends on something that changed, instead of refusing.
    only_tables
        Run nothing: tables of what is there.
    threads
        CPU threads.
    steps
        Of each training; the suite's own number, if absent.
    students, teachers, sams
        NAME=FILE of whose answers are compared; several of one name are its seeds. NAME=FOLDER for a SAM.
    base
        The folder of the SAM that teachers over one stand on.
    peers
        NAME=PATH@VOLUME: the output of another tool on one of the volumes.
    """

    data: Path
    out: Path
    seeds: int = 3
    quick: bool = False
    renew: bool = False
    only_tables: bool = False
    threads: int = 1
    steps: int | None = None
    students: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    sams: tuple[str, ...] = ()
    base: Path | None = None
    peers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if self.renew and self.only_tables:
            raise ValueError("renew must not be asked for together with only_tables, got both")


@dataclass(frozen=True, slots=True)
class Result:
    """What one method made of one column of a table, once.

    Parameters
    ----------
    row, column
        Names in the table.
    values
        Numbers by name; empty where it was not run.
    seed
        Which repetition.
    says
        What the row is to be read with: β, who saw what; or why it was not run.
    """

    row: str
    column: str
    values: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    says: Mapping[str, Any] = field(default_factory=dict)

    @property
    def was_run(self) -> bool:
        """Whether there are numbers."""
        return bool(self.values)


def split_name(given: str) -> tuple[str, str]:
    """NAME=PLACE, or PLACE alone, which then names itself."""
    name, _, place = given.rpartition("=")
    return name or Path(place).stem, place


def split_volume(given: str) -> tuple[str, str]:
    """PATH@VOLUME.

    Raises
    ------
    ValueError
        If no volume is named.
    """
    place, _, volume = given.rpartition("@")
    if not place or not volume:
        raise ValueError(f"a file must be given as PATH@VOLUME, got {given!r}")
    return place, volume
