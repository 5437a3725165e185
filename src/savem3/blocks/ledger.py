"""The ledger of a run: one record for each finished block, written after its output is safe on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from savem3.store.durable import write_durably


@dataclass(frozen=True, slots=True)
class Receipt:
    """Digests of what one block left.

    Parameters
    ----------
    volumes
        SHA-256 of the voxels written to each volume.
    table
        SHA-256 of its table's file; ``None`` where it left none.
    """

    volumes: dict[str, str]
    table: str | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of a run.

    Parameters
    ----------
    folder
        Where they lie: ``<stage>/<block>.json``.
    configuration
        SHA-256 of all that decides the values: settings, models, program.
    input
        SHA-256 of the volume that was read.
    """

    folder: Path
    configuration: str
    input: str

    def record(self, stage: str, block: int, receipt: Receipt) -> None:
        """Write down that a block is done."""
        facts = {"configuration": self.configuration, "input": self.input, "output": asdict(receipt)}
        write_durably(self._file(stage, block), (json.dumps(facts, indent=1) + "\n").encode())
        self._failure(stage, block).unlink(missing_ok=True)

    def read(self, stage: str, block: int) -> Receipt | None:
        """The receipt of a block; ``None`` where it is not done, or was done with other settings or another input."""
        try:
            facts: dict[str, Any] = json.loads(self._file(stage, block).read_text(encoding="utf-8"))
            if (facts["configuration"], facts["input"]) != (self.configuration, self.input):
                return None
            return Receipt(dict(facts["output"]["volumes"]), facts["output"]["table"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def missing(self, stage: str, blocks: int) -> list[int]:
        """The blocks of a stage, 0 to ``blocks`` − 1, that are not done."""
        return [block for block in range(blocks) if self.read(stage, block) is None]

    def record_failure(self, stage: str, block: int, trace: str) -> None:
        """Keep the traceback of a block that failed for good."""
        write_durably(self._failure(stage, block), trace.encode())

    def failures_of(self, stage: str) -> Path:
        """The folder of a stage's tracebacks."""
        return self._failure(stage, 0).parent

    def forget(self, stage: str, blocks: Iterable[int]) -> None:
        """Take back the records of blocks whose outputs are gone or damaged, so that they are done anew."""
        for block in blocks:
            self._file(stage, block).unlink(missing_ok=True)

    def _file(self, stage: str, block: int) -> Path:
        return self.folder / stage / f"{block}.json"

    def _failure(self, stage: str, block: int) -> Path:
        return self.folder / stage / "failed" / f"{block}.txt"
