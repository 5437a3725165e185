"""The plan of a run, said before it starts: where it is computed, what it takes, and whether this machine has that."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from savem3.graphcut import memory_of
from savem3.graphcut.cutting import EDGES_AT_ONCE
from savem3.grid import Grid
from savem3.oversegment import halo_of
from savem3.pipeline import Settings
from savem3.predict import choose_backend, fit_block
from savem3.probe import BYTES_A_DRAWN_VOXEL, seam_voxels
from savem3.tiles import Blocks
from savem3.volume import Image

WORKER_BYTES = 0.83e9
"""Of a process that predicts: program, libraries, compiled student, one patch. Source: FIB-25 sample 1, OpenVINO."""
PROGRAM_BYTES, REPORT_BYTES = 0.35e9, 0.4e9
"""Of a process that hands out work; more of it while the report is drawn. Source: FIB-25 sample 1."""
CALL_BYTES_A_VOXEL = 20
"""Of a block and its halo while it is worked on, at the neediest stage. Source: FIB-25 sample 1, blocks of 8 Mvox."""
KEPT_BYTES_A_VOXEL = 1.2
"""On the disk: what a run leaves. Source: FIB-25 sample 1 (1.16), and mirrored to 400³ (1.24)."""
SCRATCH_BYTES_A_VOXEL, SCRATCH_BYTES_A_SEAM_VOXEL = 0.25, 35
"""On the disk: what a run removes at its end; much of it at the seams between blocks. Source: the same two."""
PAGES_BYTES = 7e6
"""On the disk: student, report, picture. Source: FIB-25 sample 1."""
RECORD_BYTES = 4096
"""On the disk: the record of one block of one stage, a small file."""
STAGES = 5
"""Stages of the finest level; those of coarser ones have few blocks."""
EDGES_A_VOXEL, NODES_A_VOXEL = 1 / 2000, 1 / 11500
"""Of the region graph. Source: FIB-25 sample 1."""
GRAPH_BYTES_AN_EDGE = 200
"""Of the graph that is being joined from the tables of all blocks: columns of 8 bytes, before and after sorting."""
TIGHT = 0.8
"""A user is warned when more than this share of what is free will be taken."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works.

    Parameters
    ----------
    workers
        At a time.
    place
        Threads of this process, processes of this machine, or other machines.
    """

    workers: int = 1
    place: Literal["threads", "processes", "elsewhere"] = "threads"

    @property
    def processes(self) -> int:
        """Worker processes on this machine, beside the one that hands out the work."""
        return self.workers if self.place == "processes" else 0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run takes.

    Parameters
    ----------
    crew
        Who works.
    worker_bytes
        Peak memory of a process that works on blocks.
    whole_bytes
        Peak memory of the one of them that joins all blocks, and cuts their graph.
    coordinator_bytes
        Peak memory of the process that hands out the work and draws the report.
    kept_bytes, scratch_bytes
        On the disk: what stays, and what is removed at the end.
    edges
        Of the region graph.
    """

    crew: Crew
    worker_bytes: float
    whole_bytes: float
    coordinator_bytes: float
    kept_bytes: float
    scratch_bytes: float
    edges: float

    @property
    def memory_bytes(self) -> float:
        """On this machine, of all processes together."""
        if self.crew.place == "threads":
            return max(self.worker_bytes, self.whole_bytes, self.coordinator_bytes)
        if not self.crew.processes:
            return self.coordinator_bytes
        others = (self.crew.processes - 1) * self.worker_bytes
        return self.coordinator_bytes + others + max(self.worker_bytes, self.whole_bytes)

    @property
    def disk_bytes(self) -> float:
        """At the end of the last stage, when scratch is still there."""
        return self.kept_bytes + self.scratch_bytes

    @property
    def facts(self) -> dict[str, object]:
        """Plain values."""
        numbers = {
            "memory_bytes": self.memory_bytes,
            "worker_bytes": self.worker_bytes,
            "whole_bytes": self.whole_bytes,
            "coordinator_bytes": self.coordinator_bytes,
            "disk_bytes": self.disk_bytes,
            "scratch_bytes": self.scratch_bytes,
            "edges": self.edges,
        }
        return {
            "workers": self.crew.workers,
            "place": self.crew.place,
            **{name: round(number) for name, number in numbers.items()},
        }


@dataclass(frozen=True, slots=True)
class Room:
    """What is free: memory of this machine (absent where it does not tell), and the disk of a folder."""

    memory_bytes: int | None
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do: for people and for machines.

    Parameters
    ----------
    device
        Where networks run.
    text
        Two lines for people.
    facts
        The same as plain values.
    needs
        What it takes, from constants; see `savem3.probe` for what is measured.
    """

    device: str
    text: str
    facts: dict[str, object]
    needs: Needs


def plan_of(image: Image, *, settings: Settings, crew: Crew | None = None) -> Plan:
    """The plan for an image; threads work where nobody else is named."""
    grid, seen = image.grid, settings.scale.grid_of(image.grid)
    backend, device = choose_backend("auto", device=settings.device)
    views = len(settings.predict.axes_of(seen))
    blocks = len(Blocks(grid.shape, settings.block))
    needs = needs_of(grid, settings=settings, crew=crew or Crew(settings.threads))
    facts = {
        "shape": grid.shape,
        "voxel_size_nm": grid.voxel_size,
        "size_um": grid.size_um,
        "voxels": grid.voxels,
        "device": device,
        "backend": backend,
        "threads": settings.threads,
        "views": views,
        "blocks": blocks,
        **needs.facts,
    }
    text = (
        f"{describe(grid)}\n"
        f"{backend} on {device}, {settings.threads} threads · {views} view{'s' * (views > 1)} · "
        f"{blocks} block{'s' * (blocks > 1)} · about {size_text(needs.memory_bytes)} of memory"
    )
    if not settings.scale.is_identity:
        text, facts["seen_voxel_size_nm"] = f"{text}\n{settings.scale.describe(grid)}", seen.voxel_size
    return Plan(device, text, facts, needs)


def needs_of(grid: Grid, *, settings: Settings, crew: Crew) -> Needs:
    """What a run takes, as far as its shape alone tells."""
    blocks = Blocks(grid.shape, settings.block, halo_of(grid, recipe=settings.oversegment))
    largest = prod(min(n, b + 2 * h) for n, b, h in zip(grid.shape, blocks.block, blocks.halo, strict=True))
    at_once = min(crew.workers, len(blocks)) if crew.place == "threads" else 1
    seen = settings.scale.grid_of(grid)
    drawn = BYTES_A_DRAWN_VOXEL * prod(fit_block(seen, recipe=settings.predict, block=settings.block))
    looked = 0 if settings.scale.is_identity else seen.voxels
    edges, nodes = EDGES_A_VOXEL * grid.voxels, NODES_A_VOXEL * grid.voxels
    worker = WORKER_BYTES + max(drawn, at_once * CALL_BYTES_A_VOXEL * largest)
    seams = seam_voxels(blocks, linked=grid.is_isotropic)
    return Needs(
        crew,
        worker_bytes=worker,
        whole_bytes=WORKER_BYTES + graph_bytes(edges, nodes),
        coordinator_bytes=REPORT_BYTES + (worker if crew.place == "threads" else PROGRAM_BYTES),
        kept_bytes=KEPT_BYTES_A_VOXEL * grid.voxels + PAGES_BYTES + STAGES * RECORD_BYTES * len(blocks),
        scratch_bytes=SCRATCH_BYTES_A_VOXEL * grid.voxels + SCRATCH_BYTES_A_SEAM_VOXEL * seams + looked,
        edges=edges,
    )


def graph_bytes(edges: float, nodes: float) -> float:
    """Memory in which a region graph of this size is joined and cut; domain by domain where it is large."""
    at_once = min(1.0, EDGES_AT_ONCE / max(edges, 1))
    return GRAPH_BYTES_AN_EDGE * edges + memory_of(round(at_once * edges), round(at_once * nodes))


def room_for(folder: Path) -> Room:
    """What is free for a run that writes to a folder, which need not be there yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return Room(free_memory_bytes(), shutil.disk_usage(place).free)


def compare(needs: Needs, room: Room, *, folder: Path, present_bytes: int = 0) -> str:
    """What a run takes beside what is free, in a sentence; it warns where that is tight.

    Parameters
    ----------
    needs, room
        The two.
    folder
        Where the run writes.
    present_bytes
        What an earlier run left there that is gone on with.

    Raises
    ------
    ValueError
        If memory or disk cannot suffice.
    """
    disk = max(0.0, needs.disk_bytes - present_bytes)
    fewer = " or fewer --workers" if needs.crew.processes > 1 else ""
    _demand(disk, room.disk_bytes, what=f"disk of '{folder}'", cure="choose another disk for the output")
    text = f"about {size_text(disk)} of {size_text(room.disk_bytes)} free disk"
    if room.memory_bytes is None:
        return text
    if needs.crew.place != "elsewhere" and needs.whole_bytes > max(needs.worker_bytes, TIGHT * room.memory_bytes):
        graph = f"memory, for a region graph of {needs.edges:,.0f} contacts that is joined as a whole,"
        _demand(needs.whole_bytes, room.memory_bytes, what=graph, cure="take a part of the volume, by --sections")
    _demand(needs.memory_bytes, room.memory_bytes, what="memory", cure=f"choose a smaller --block{fewer}")
    return f"about {size_text(needs.memory_bytes)} of {size_text(room.memory_bytes)} free memory, {text}"


def _demand(needed: float, free: float, *, what: str, cure: str) -> None:
    if needed > free:
        raise ValueError(f"{what} must have about {size_text(needed)} free, got {size_text(free)}: {cure}")
    if needed > TIGHT * free:
        warnings.warn(
            f"{what} will be tight: about {size_text(needed)} of {size_text(free)} are needed; {cure} if it fails",
            stacklevel=3,
        )


def free_memory_bytes() -> int | None:
    """Memory that may still be taken: what the machine has free, or less where a control group allows less."""
    limit = memory_limit_bytes()
    free = [number for number in (_available_bytes(), None if limit is None else limit - _charged_bytes()) if number]
    return min(free) if free else None


def memory_limit_bytes() -> int | None:
    """What the control group of this process allows, on Linux; absent where there is no limit."""
    text = _first_text("memory.max", "memory/memory.limit_in_bytes")
    limit = int(text) if text.isdigit() else None
    return None if limit is None or limit > 2**60 else limit


def _charged_bytes() -> int:
    """What the control group holds, less the cached files that it gives up when it must."""
    used = _first_text("memory.current", "memory/memory.usage_in_bytes")
    lines = _first_text("memory.stat", "memory/memory.stat").splitlines()
    cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return int(used or 0) - cached


def _first_text(*names: str) -> str:
    root, own = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
    groups = [line.rpartition(":")[2].lstrip("/") for line in own.read_text().splitlines()] if own.is_file() else []
    places = [root / group / name for name in names for group in (*groups, "")]
    return next((place.read_text().strip() for place in places if place.is_file()), "")


def _available_bytes() -> int | None:
    """Free memory, counting cached files that give way, where the system tells."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    told = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    try:
        return told[0] if told else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def size_text(number: float) -> str:
    """Bytes for people: ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("B", "KiB") or number >= 100 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def describe(grid: Grid) -> str:
    """Shape, voxel size and physical size of a volume, in words."""
    shape, size = " × ".join(map(str, grid.shape)), " × ".join(f"{s:g}" for s in grid.voxel_size)
    um = " × ".join(f"{s:.2f}" for s in grid.size_um)
    kind = "isotropic" if grid.is_isotropic else "anisotropic"
    return f"{shape} voxels (z, y, x), {grid.voxels / 1e6:.1f} million · {size} nm, {kind} · {um} µm"
