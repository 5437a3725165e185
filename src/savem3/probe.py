"""A short look at what a run will take: its own stages, on a small window in the middle of its own volume."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import UInt8

from savem3.blocks import Failure, Processes, Product, Stage, survey
from savem3.graphcut import PromptRecipe, Witness
from savem3.grid import Box, Shape
from savem3.pipeline import Settings
from savem3.predict import Draw, View, predict_box, student_views
from savem3.predict.views import turn_box, turn_shape
from savem3.prompt import PointPrompt
from savem3.resample import Scale
from savem3.stages import Outputs, stages_of
from savem3.tiles import Blocks, Tile
from savem3.volume import BoundaryMap
from savem3.watch import peak_memory_bytes

STEPS = 2
"""So many patches one above the other are drawn for the window on which all other stages are measured."""
WARM_EDGE = 24
"""Edge of the cube on which each stage runs once, unmeasured, so that its loops are compiled."""
FEW_PROMPTS, MANY_PROMPTS = 2, 66
"""Prompts that a teacher is asked to tell its seconds a section from its seconds a prompt."""
BYTES_A_DRAWN_VOXEL = 5
"""Of the box that a prediction is added up in; see `predict_box`."""


@dataclass(slots=True)
class Call:
    """What one call took.

    Parameters
    ----------
    voxels
        That it read; of a prediction, those of the patches that the network saw; of a teacher, how many prompts it
        answered.
    seconds, cpu_seconds
        By the clock, and of all threads.
    memory_bytes
        Its peak, above what the process held before.
    """

    voxels: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """What a reconstruction of the window left.

    Parameters
    ----------
    voxels, seam_voxels
        Of the window, and on both sides of the seams between its blocks.
    calls
        Of each stage, by its name; all levels of a pyramid under one.
    disk
        Bytes, by the name of the volume or table.
    groups, fragments, edges
        Of basins; nodes and edges of the region graph.
    """

    voxels: int
    seam_voxels: int
    calls: dict[str, list[Call]]
    disk: dict[str, int]
    groups: int
    fragments: int
    edges: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a window of a volume took, in a process of its own.

    Parameters
    ----------
    start
        Of the process, until all is imported.
    worker_bytes
        Peak of the process as it predicted, less what grows with the box.
    resting_bytes
        What it held afterwards.
    compiled
        Reading and compiling the student, and a first patch.
    patches
        One patch of each direction looked along.
    survey
        Counting grey values.
    left
        By the window as one block, and in blocks of half its edges.
    seconds
        All of it, by the clock.
    answers
        Few and many prompts on one section; absent where nothing is asked.
    asked_voxels
        Of that section.
    """

    start: Call
    worker_bytes: int
    resting_bytes: int
    compiled: Call
    patches: tuple[Call, ...]
    survey: Call
    left: tuple[Left, ...]
    seconds: float
    answers: tuple[Call, ...] = ()
    asked_voxels: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """The block function of a boundary map that is there already."""

    boundary: BoundaryMap

    def __call__(self, tile: Tile, /) -> Product:
        return Product({"boundary": self.boundary.read(tile.write)})


@dataclass(frozen=True, slots=True)
class Measure:
    """Measures a run in the process that calls it; the item is a folder to write to.

    Parameters
    ----------
    draw
        The block function of the run's prediction.
    settings
        Of the run.
    witness
        Who will be asked, where the settings want prompts.
    """

    draw: Draw
    settings: Settings
    witness: Witness | None = None

    def __call__(self, folder: str, /) -> Probe:
        draw, begun = self.draw, time.monotonic()
        start = Call(0, cpu_seconds=time.process_time(), memory_bytes=resident_bytes())
        with _taking(0) as compiled:
            views = student_views(
                draw.student(), draw.image.grid, recipe=draw.recipe, device=draw.device, threads=draw.threads
            )
            _look(draw, views[-1], steps=1)
        patches = [_look(draw, view, steps=1)[1] for view in views[1:]]
        boundary, first = _look(draw, views[0], steps=STEPS)
        worker = peak_memory_bytes() - BYTES_A_DRAWN_VOXEL * boundary.grid.voxels
        window = draw.image.window(_owned(views[0], draw.image.grid.shape, steps=STEPS))
        with _taking(window.grid.voxels) as counted:
            survey(window, workers=1)
        resting = _begin_peak()
        z, y, x = (min(WARM_EDGE, n) for n in boundary.grid.shape)
        _reconstruct(boundary.crop(Box((0, 0, 0), (z, y, x))), Path(folder) / "warm", self.settings, cuts=2)
        left = [_reconstruct(boundary, Path(folder) / str(cuts), self.settings, cuts=cuts) for cuts in (1, 2)]
        section = window.read(Box((0, 0, 0), (1, *window.grid.shape[1:])))[0]
        answers = () if self.witness is None else _ask(self.witness, section)
        seconds = time.monotonic() - begun
        seen = (first, *patches)
        return Probe(start, worker, resting, compiled, seen, counted, tuple(left), seconds, answers, section.size)


def probe(draw: Draw, *, settings: Settings, witness: Witness | None = None) -> Probe:
    """Measure a run on its own volume, in a fresh process; takes some ten seconds and leaves nothing.

    Parameters
    ----------
    draw
        The block function of prediction, for the whole volume.
    settings
        Of the run.
    witness
        Who will be asked, where the settings want prompts.

    Raises
    ------
    ValueError
        If the run would fail.
    """
    begun = time.monotonic()
    with TemporaryDirectory(prefix="savem3-plan-") as folder:
        for outcome in Processes(1).run(Measure(draw, settings, witness), [folder]):
            if isinstance(outcome, Failure):
                last = outcome.trace.strip().splitlines()[-1]
                raise ValueError(f"a window in the middle of the volume must be reconstructible, got: {last}")
            return _with_start(outcome.result, seconds=time.monotonic() - begun)
    raise AssertionError("one item has one outcome")


def _with_start(measured: Probe, *, seconds: float) -> Probe:
    """What the process could not see itself: how long it took to come up."""
    start = replace(measured.start, seconds=max(0.0, seconds - measured.seconds))
    return replace(measured, start=start, seconds=seconds)


def seam_voxels(tiles: Blocks, *, linked: bool) -> int:
    """Voxels at seams between blocks, on both sides; between sections there are none unless they are ``linked``."""
    z, y, x = tiles.shape
    areas = (y * x if linked else 0), z * x, z * y
    return sum(2 * (number - 1) * area for number, area in zip(tiles.along, areas, strict=True))


def kind_of(stage: str) -> str:
    """The name of a stage without the number of a pyramid's level."""
    return stage.rstrip("0123456789 ")


def resident_bytes() -> int:
    """Memory that this process holds; its peak so far where the system does not tell."""
    return _status("VmRSS") or peak_memory_bytes()


def _look(draw: Draw, view: View, *, steps: int) -> tuple[BoundaryMap, Call]:
    """Predict, in one direction, what a few patches in the middle answer for."""
    box = _owned(view, draw.image.grid.shape, steps=steps)
    seen = len(view.patches.tiles_of(turn_box(box, axis=view.axis)))
    z, y, x = view.patches.patch
    with _taking(seen * z * y * x) as call:
        drawn = predict_box(draw.image, box, views=[view], intensity=draw.intensity)
    return drawn, call


def _owned(view: View, shape: Shape, *, steps: int) -> Box:
    """The voxels that patches in the middle of a volume answer for, ``steps`` of them one above the other."""
    start, stop = [], []
    patches = view.patches
    for size, patch, step, number in zip(patches.shape, patches.patch, patches.step, (steps, 1, 1), strict=True):
        fitting = 1 if size <= patch else min(number, size // step)
        first = 0 if size <= patch else max(0, (size // step - fitting) // 2) * step
        start.append(first)
        stop.append(size if size <= patch else min(size, first + fitting * step))
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    assert turn_shape(shape, axis=view.axis) == patches.shape
    return turn_box(box, axis=view.axis)


def _ask(witness: Witness, section: UInt8[np.ndarray, "y x"]) -> tuple[Call, ...]:
    """Have one section encoded and few, then many prompts answered, each time anew; the first time does not count."""
    prompter, calls, (height, width) = witness.prompter(), [], section.shape
    for number in (FEW_PROMPTS, FEW_PROMPTS, MANY_PROMPTS):
        step = (np.arange(number) + 0.5) / number
        y, x = (step * height).tolist(), (step * width).tolist()
        with _taking(number) as call:
            prompter.ask(section, [PointPrompt(0, (a,), (b,), (True,)) for a, b in zip(y, x, strict=True)])
        calls.append(call)
    return tuple(calls[1:])


def _reconstruct(boundary: BoundaryMap, folder: Path, settings: Settings, *, cuts: int) -> Left:
    """Go through all stages on a window, in blocks of 1/``cuts`` of its edges, and measure each call."""
    grid = boundary.grid
    z, y, x = (-(-n // cuts) for n in grid.shape)
    outputs = Outputs(folder, grid, replace(settings, block=(z, y, x), prompts=PromptRecipe(), scale=Scale()))
    stages, calls = stages_of(Known(boundary), outputs), dict[str, list[Call]]()
    for stage in stages:
        calls.setdefault(kind_of(stage.name), []).extend(_perform(stage))
    named = {stage.name: stage for stage in stages}
    offsets = named["settle"].table_of(0)["offsets"][...]
    graph = named["cut"].table_of(0)
    seams = seam_voxels(named["drain"].tiles, linked=grid.is_isotropic)
    counts = int(offsets[-1]), len(graph["sizes"]), len(graph["edges"])
    return Left(grid.voxels, seams, calls, _disk(outputs), *counts)


def _perform(stage: Stage) -> Iterator[Call]:
    for file in stage.volumes.values():
        file.create()
    for index, tile in enumerate(stage.tiles):
        z, y, x = tile.read.shape
        with _taking(z * y * x) as call:
            stage.write(index, stage.function(tile))
        yield call


def _disk(outputs: Outputs) -> dict[str, int]:
    """Bytes of each output, scratch as well."""
    kept = outputs.boundary.folder, outputs.fragments.folder, outputs.labels.folder, outputs.graph
    places = [*kept, *sorted(outputs.scratch("x").parent.iterdir())]
    return {place.stem: bytes_in(place) for place in places}


def bytes_in(place: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is nothing."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


@contextmanager
def _taking(voxels: int) -> Iterator[Call]:
    """Measures what is done inside; the call is complete when this closes."""
    call, before = Call(voxels), _begin_peak()
    wall, cpu = time.monotonic(), time.process_time()
    yield call
    call.seconds, call.cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
    call.memory_bytes = max(0, (_status("VmHWM") or peak_memory_bytes()) - before)


def _begin_peak() -> int:
    """Give freed memory back and have the peak forgotten, where the system can; what is held now."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library; a container that forbids it
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
    return resident_bytes()


def _status(name: str) -> int:
    """A line of the process's status, in bytes; 0 where the system has none."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
