"""The plan of a run, said before it starts: what is read, where it is computed, how much memory it will take."""

from __future__ import annotations

from dataclasses import dataclass

from savem3.grid import Grid
from savem3.pipeline import Settings
from savem3.predict import choose_backend
from savem3.tiles import split
from savem3.volume import Image

BASE_BYTES = 1.1e9
"""Memory of the program, its libraries and a compiled student; measured on the bundled crop."""
BYTES_A_VOXEL = 35
"""Memory of the stages after the network at their peak, for each voxel of the volume; measured on 250³."""


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
    """

    device: str
    text: str
    facts: dict[str, object]


def plan_of(image: Image, *, settings: Settings) -> Plan:
    """The plan for an image."""
    grid = image.grid
    backend, device = choose_backend("auto", device=settings.device)
    views = len(settings.predict.axes_of(grid))
    blocks = len(split(grid.shape, block=settings.block))
    memory = BASE_BYTES + BYTES_A_VOXEL * grid.voxels
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
        "memory_bytes": round(memory),
    }
    text = (
        f"{describe(grid)}\n"
        f"{backend} on {device}, {settings.threads} threads · {views} view{'s' * (views > 1)} · "
        f"{blocks} block{'s' * (blocks > 1)} · about {memory / 2**30:.1f} GiB of memory"
    )
    return Plan(device, text, facts)


def describe(grid: Grid) -> str:
    """Shape, voxel size and physical size of a volume, in words."""
    shape, size = " × ".join(map(str, grid.shape)), " × ".join(f"{s:g}" for s in grid.voxel_size)
    um = " × ".join(f"{s:.2f}" for s in grid.size_um)
    kind = "isotropic" if grid.is_isotropic else "anisotropic"
    return f"{shape} voxels (z, y, x), {grid.voxels / 1e6:.1f} million · {size} nm, {kind} · {um} µm"
