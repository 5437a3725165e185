"""What a result was made from: digests of every input and output, the program, the machine and how busy it was."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from savem3 import __version__
from savem3.bench.request import Bench
from savem3.identity import digest_of_code, versions


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file; of a folder, over the names and digests of all its files."""
    if path.is_file():
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        total.update(f"{file.relative_to(path).as_posix()} {digest_of_file(file)}\n".encode())
    return total.hexdigest()


def write_manifest(
    suite: str, bench: Bench, *, inputs: Iterable[Path], outputs: Iterable[Path], busy: float, folder: Path
) -> Path:
    """Write manifest.json; where it is.

    Parameters
    ----------
    suite
        What was run.
    bench
        As it was asked for; paths by their last part alone.
    inputs, outputs
        Files and folders whose digests are kept.
    busy
        How many processes wanted a core before the run began.
    folder
        Of the results.
    """
    content = {
        "suite": suite,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "asked": {name: _plain(value) for name, value in asdict(bench).items()},
        "program": {"savem3": __version__, "code": digest_of_code(), **versions()},
        "machine": {**describe_machine(), "busy_before": round(busy, 2)},
        "inputs": digests_of(inputs),
        "outputs": {path.name: digest_of_file(path) for path in outputs},
    }
    file = folder / "manifest.json"
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def digests_of(files: Iterable[Path]) -> dict[str, str]:
    """Digests of files and folders by name; where two share one, the name of their folder stands before it."""
    there = sorted({path for path in files if path.exists()})
    shared = Counter(path.name for path in there)
    return {f"{p.parent.name}/{p.name}" if shared[p.name] > 1 else p.name: digest_of_file(p) for p in there}


def describe_machine() -> dict[str, Any]:
    """Processor, cores and memory, without names of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {"processor": _processor(), "cores": cores, "memory_gib": round(memory / 2**30, 1), "system": system}


def load_of_machine() -> float:
    """Processes that want a core, in the mean of the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def kept_load(folder: Path) -> float | None:
    """How busy the machine was when what is in a folder was run; ``None`` where nothing tells."""
    file = folder / "manifest.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    busy = kept.get("machine", {}).get("busy_before")
    return busy if isinstance(busy, int | float) else None


def sentence_of(busy: float) -> str:
    """Date, machine and how busy it was: what stands above each table."""
    machine = describe_machine()
    today = datetime.now(UTC).date().isoformat()
    other = f"{busy:.1f} processes wanted a core before the run" if busy >= 0.5 else "idle before the run"
    return f"{today}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB; {other}."


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _plain(value: Any) -> Any:
    """A value without folders of this machine: of NAME=PATH, PATH@VOLUME and paths, the last part of the path."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str) and "/" in value:
        name, sign, place = value.rpartition("=")
        return f"{name}{sign}{place.rpartition('/')[2]}"
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
