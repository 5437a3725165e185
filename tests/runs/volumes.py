"""Small boundary maps that are hard on blocks: plateaus, saturation, thin axes; and the stages that cut them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from scipy import ndimage

from savem3.blocks import Ledger, Threads, run_stages
from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe
from savem3.pipeline import Settings
from savem3.stages import Outputs, cut_stages, oversegment_stages
from savem3.volume import BoundaryMap

RECIPE = OversegmentRecipe(dynamics=900, min_size=6, distance_cap_nm=24.0)


def boundary_of(shape, *, seed, voxel_size=(8.0, 6.0, 6.0)):
    """Smooth noise in a few levels, so that neighbours are often equal, with saturated parts."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 1.5))
    scaled = (smooth - smooth.min()) / max(np.ptp(smooth), 1e-6)
    levels = int(rng.choice([3, 9, 255]))
    voxels = np.clip(np.rint(scaled * levels) / levels * 340 - 40, 0, 255).astype(np.uint8)
    return BoundaryMap(voxels, Grid(shape, voxel_size))


def integer_map(shape, *, seed, voxel_size):
    """A boundary map made of integers alone, the same bytes on every machine; plateaus and saturation included."""
    state = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) + np.uint64(seed * 1_000_003)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(factor)
    values = (state >> np.uint64(48)).astype(np.int64).reshape(shape)
    for _ in range(3):
        for axis in range(3):
            values = np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)
    low, high = int(values.min()), int(values.max())
    voxels = np.clip((values - low) * 12 // (high - low + 1) * 32 - 60, 0, 255).astype(np.uint8)
    return BoundaryMap(voxels, Grid(shape, voxel_size))


@dataclass(frozen=True)
class Marked:
    """A block function that leaves a mark for each call, and another where the block was done already."""

    function: object
    tiles: Sequence
    marks: Path
    records: Path

    def __call__(self, tile):
        name = f"{self.records.name}.{self.tiles.index(tile)}"
        again = (self.records / f"{self.tiles.index(tile)}.json").exists()
        product = self.function(tile)
        (self.marks / f"{name}.{uuid4().hex}{'.again' if again else ''}").touch()
        return product


@contextmanager
def quietly(name):
    yield lambda done, total: None


@dataclass(frozen=True)
class Interrupting:
    """Does what an executor does, and stops like Ctrl-C after so many answers in all."""

    executor: object
    answers_left: list

    def run(self, function, items, /):
        for answer in self.executor.run(function, items):
            yield answer
            self.answers_left[0] -= 1
            if self.answers_left[0] == 0:
                raise KeyboardInterrupt


def stages_in(folder, boundary, *, block, cutter="mean"):
    """Stages from a boundary map to labels."""
    settings = replace(Settings(0.4, cutter=cutter), oversegment=RECIPE, block=block)
    out = Outputs(folder, boundary.grid, settings)
    return out, [*oversegment_stages(out, boundary), *cut_stages(out, None, boundary)]


def go(folder, stages, *, executor=Threads(1)):
    """Do what is not done."""
    ledger = Ledger(folder / "done", "configuration", "input")
    run_stages(stages, ledger=ledger, executor=executor, showing=quietly)


def digests(out):
    """SHA-256 of fragments, labels and the graph."""
    volumes = [np.asarray(file.voxels[...]) for pyramid in (out.fragments, out.labels) for file in pyramid.levels]
    return [hashlib.sha256(v.tobytes()).hexdigest() for v in volumes] + [
        hashlib.sha256(out.graph.read_bytes()).hexdigest()
    ]


def labels_at_once(folder, boundary, **options):
    """The same with one block that is the whole volume."""
    out, stages = stages_in(folder, boundary, block=boundary.grid.shape, **options)
    go(folder, stages)
    return digests(out)
