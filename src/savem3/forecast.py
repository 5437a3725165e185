"""From a measured window to a whole run: each stage's seconds, memory and bytes, by straight lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

from savem3.blocks import Product, Stage
from savem3.blocks.survey import LOOKED_AT_ONCE
from savem3.grid import Grid, Shape
from savem3.pipeline import Settings
from savem3.plan import PAGES_BYTES, RECORD_BYTES, Crew, Needs, graph_bytes
from savem3.predict import lay_patches
from savem3.predict.views import turn_box, turn_shape
from savem3.probe import BYTES_A_DRAWN_VOXEL, Left, Probe, kind_of, seam_voxels
from savem3.stages import Outputs, stages_of
from savem3.tiles import Blocks, Tile
from savem3.view import MOST_SHOWN

REPORT_SECONDS, REPORT_SECONDS_A_VOXEL = 10.5, 0.3e-6
"""Of one core, for the pages: fixed, and for each voxel that they show. Source: FIB-25 sample 1, 0.2 to 41 Mvox."""
REPORT_BYTES, REPORT_BYTES_A_VOXEL = 0.36e9, 3
"""Peak memory of the pages, the same way. Source: FIB-25 sample 1."""
SETTLE_BYTES_A_GROUP = 100
"""Of basins: a dozen numbers of 8 bytes while blocks are joined."""
TIMES = ("seconds", "cpu_seconds")
WHOLE = ("settle", "weigh", "choose", "cut")
"""Stages that see the whole volume at once, in one worker."""
LIKE = {"weigh": "cut", "contacts": "faces", "choose": "cut", "look": "predict"}
"""Stages of a cut that hears prompts, which are not measured, and those whose work theirs is like."""
SCRATCH = ("basins", "drained", "settled", "faces")
"""Outputs that are removed at the end of a run."""


@dataclass(frozen=True, slots=True)
class Line:
    """So much for each call, so much for each voxel that it reads."""

    fixed: float
    per_voxel: float

    def at(self, voxels: float, *, calls: float = 1) -> float:
        """Of some calls that read so many voxels together."""
        return self.fixed * calls + self.per_voxel * voxels


@dataclass(frozen=True, slots=True)
class Row:
    """A stage: its blocks, seconds by the clock and of all threads, and the memory of its largest call."""

    stage: str
    blocks: int
    seconds: float
    cpu_seconds: float
    call_bytes: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run before it happens.

    Parameters
    ----------
    rows
        A stage each, in their order.
    needs
        Memory and disk.
    """

    rows: tuple[Row, ...]
    needs: Needs

    @property
    def seconds(self) -> float:
        """By the clock."""
        return sum(row.seconds for row in self.rows)

    @property
    def cpu_seconds(self) -> float:
        """Of all threads of all processes."""
        return sum(row.cpu_seconds for row in self.rows)


def forecast(measured: Probe, grid: Grid, *, settings: Settings, crew: Crew) -> Forecast:
    """What a run will take, from what a window of it took.

    Parameters
    ----------
    measured
        By workers like those of the run.
    grid, settings
        Of the run.
    crew
        Who works.
    """
    stages = stages_of(_never, Outputs(Path("run"), grid, settings))
    drained = next(stage.tiles for stage in stages if stage.name == "drain")
    seams = seam_voxels(drained, linked=grid.is_isotropic)
    rows = [
        _witness_row(stage, measured, settings=settings, crew=crew)
        if stage.name in ("vectors", "ask")
        else _row_of(stage, measured, seams=seams, crew=crew)
        for stage in stages
    ]
    seen = settings.scale.grid_of(grid)
    rows[0] = _with_network(rows[0], measured, seen, blocks=stages[0].tiles, settings=settings, crew=crew)
    needs = _needs(measured, rows, grid, seams=seams, crew=crew)
    return Forecast((_start_of(measured, crew), _survey_of(measured, grid), *rows, _report_of(grid)), needs)


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """The best straight line through points that neither falls nor begins below 0; through 0 where that fails."""
    n, x, y = len(points), sum(p[0] for p in points), sum(p[1] for p in points)
    spread = n * sum(p[0] ** 2 for p in points) - x**2
    slope = (n * sum(a * b for a, b in points) - x * y) / spread if spread > 0 else -1.0
    fixed = (y - slope * x) / n if n else 0.0
    if slope < 0 or fixed < 0:
        return Line(0.0, y / x if x else 0.0)
    return Line(fixed, slope)


def read_along(tiles: Blocks) -> list[list[int]]:
    """Voxels that the blocks read, halo and all, along each axis: a block reads the product of three of them."""
    axes = zip(tiles.shape, tiles.block, tiles.halo, strict=True)
    return [[min(n, a + b + h) - max(0, a - h) for a in range(0, n, b)] for n, b, h in axes]


def patched_voxels(grid: Grid, blocks: Blocks, *, settings: Settings) -> list[float]:
    """Voxels of all patches that the network sees, for each direction looked along; counted, axis by axis.

    A patch that two blocks own voxels of is seen by both.
    """
    recipe, seen = settings.predict, []
    lines = [Blocks(_only(grid.shape, axis), _only(blocks.block, axis)) for axis in range(3)]
    for axis in recipe.axes_of(grid):
        patches = lay_patches(turn_shape(grid.shape, axis=axis), patch=recipe.patch, overlap=recipe.overlap)
        counts = (sum(len(patches.tiles_of(turn_box(tile.write, axis=axis))) for tile in line) for line in lines)
        seen.append(float(prod(counts) * prod(patches.patch) * recipe.mirrors))
    return seen


def _only(shape: Shape, axis: int) -> Shape:
    z, y, x = (n if i == axis else 1 for i, n in enumerate(shape))
    return z, y, x


def _row_of(stage: Stage, measured: Probe, *, seams: int, crew: Crew) -> Row:
    """A stage of whole numbers, from its calls on the window."""
    if len(stage.tiles) == 1 and not stage.volumes:
        return _whole_row(stage, measured, seams=seams)
    number, along = len(stage.tiles), read_along(stage.tiles)
    voxels, largest = prod(map(sum, along)), prod(map(max, along))
    kind = kind_of(stage.name)
    workers = 1 if stage.uses_all_threads and crew.place == "threads" else crew.workers
    calls = [call for left in measured.left for call in left.calls.get(LIKE.get(kind, kind), [])]
    memory = line_through([(call.voxels, call.memory_bytes) for call in calls]).at(largest)
    wall, cpu = (line_through([(call.voxels, getattr(call, name)) for call in calls]) for name in TIMES)
    return Row(
        stage.name,
        number,
        -(-number // workers) / number * wall.at(voxels, calls=number),
        cpu.at(voxels, calls=number),
        memory * (min(number, workers) if crew.place == "threads" else 1),
    )


def _whole_row(stage: Stage, measured: Probe, *, seams: int) -> Row:
    """A stage that sees the whole volume at once: what it takes grows with voxels and with seams between blocks."""
    voxels, kind = prod(stage.tiles.shape), LIKE.get(stage.name, stage.name)

    def all_of(name: str) -> float:
        return with_seams(measured, voxels, seams, lambda left: float(getattr(left.calls[kind][0], name)))

    wall, cpu = map(all_of, TIMES)
    return Row(stage.name, 1, wall, cpu, all_of("memory_bytes"))


def _witness_row(stage: Stage, measured: Probe, *, settings: Settings, crew: Crew) -> Row:
    """A stage in which a teacher looks at sections, or answers: so much for each section that it sees, and each prompt.

    At most half as many sections are seen as there are prompts, since each serves to compare two answers, unless the
    features of all count.
    """
    recipe, (depth, height, width) = settings.prompts, stage.tiles.shape
    scale = height * width / max(1, measured.asked_voxels)
    asked = min(depth, recipe.ask.prompts // 2)
    seen = depth if recipe.weighs_features and stage.name == "vectors" else asked
    prompts = recipe.ask.prompts if stage.name == "ask" else 0

    def all_of(name: str) -> float:
        line = line_through([(call.voxels, getattr(call, name)) for call in measured.answers])
        return scale * line.fixed * seen + line.per_voxel * prompts

    wall, cpu = map(all_of, TIMES)
    at_once = min(crew.workers, max(1, seen))
    memory = scale * max((call.memory_bytes for call in measured.answers), default=0)
    return Row(stage.name, depth, wall / at_once, cpu, memory * (at_once if crew.place == "threads" else 1))


def with_seams(measured: Probe, voxels: int, seams: int, value: Callable[[Left], float]) -> float:
    """What grows with voxels, and with the voxels at seams, of which the window had none the first time."""
    whole, halves = measured.left
    a_voxel = value(whole) / whole.voxels
    a_seam = max(0.0, value(halves) - a_voxel * halves.voxels) / max(1, halves.seam_voxels)
    return a_voxel * voxels + a_seam * seams


def _with_network(row: Row, measured: Probe, grid: Grid, *, blocks: Blocks, settings: Settings, crew: Crew) -> Row:
    """The first stage, with what its network takes: measured a patch, counted in patches."""
    seen = patched_voxels(grid, blocks, settings=settings)
    workers = 1 if crew.place == "threads" else min(crew.workers, len(blocks))
    wall, cpu = (
        sum(voxels * getattr(call, name) / call.voxels for voxels, call in zip(seen, measured.patches, strict=True))
        for name in TIMES
    )
    share = -(-len(blocks) // workers) / len(blocks)
    return Row(
        row.stage,
        row.blocks,
        row.seconds + measured.compiled.seconds + share * wall,
        row.cpu_seconds + workers * measured.compiled.cpu_seconds + cpu,
        max(row.call_bytes, BYTES_A_DRAWN_VOXEL * prod(map(max, read_along(blocks)))),
    )


def _start_of(measured: Probe, crew: Crew) -> Row:
    start, times = measured.start, 1 + crew.processes
    waits = 1 + (crew.processes > 0)
    return Row("start", 1, waits * start.seconds, times * start.cpu_seconds, 0.0)


def _survey_of(measured: Probe, grid: Grid) -> Row:
    call, number = measured.survey, len(Blocks(grid.shape, LOOKED_AT_ONCE))
    share = grid.voxels / call.voxels
    return Row("survey", number, share * call.seconds, share * call.cpu_seconds, 0.0)


def _report_of(grid: Grid) -> Row:
    shown = _shown(grid)
    seconds = REPORT_SECONDS + REPORT_SECONDS_A_VOXEL * shown
    return Row("report", 1, seconds, seconds, REPORT_BYTES + REPORT_BYTES_A_VOXEL * shown)


def _shown(grid: Grid) -> int:
    return prod(min(n, most) for n, most in zip(grid.shape, MOST_SHOWN, strict=True))


def _needs(measured: Probe, rows: Sequence[Row], grid: Grid, *, seams: int, crew: Crew) -> Needs:
    """Memory and disk of the whole run."""

    def all_of(value: Callable[[Left], float]) -> float:
        return with_seams(measured, grid.voxels, seams, value)

    edges, groups = all_of(lambda left: left.edges), all_of(lambda left: left.groups)
    drawn, *others = [row.call_bytes for row in rows if row.stage not in WHOLE]
    joining = [row.call_bytes for row in rows if row.stage in WHOLE]
    graph = graph_bytes(edges, all_of(lambda left: left.fragments))
    whole = measured.resting_bytes + max(*joining, graph, SETTLE_BYTES_A_GROUP * groups)
    worker = max(measured.worker_bytes + drawn, measured.resting_bytes + max(others))
    before = worker if crew.place == "threads" else measured.start.memory_bytes
    scratch, records = all_of(partial(_disk_of, scratch=True)), RECORD_BYTES * sum(row.blocks for row in rows)
    kept = all_of(partial(_disk_of, scratch=False)) + PAGES_BYTES + records
    return Needs(crew, worker, whole, before + _report_of(grid).call_bytes, kept, scratch, edges)


def _disk_of(left: Left, *, scratch: bool) -> int:
    return sum(number for name, number in left.disk.items() if (name in SCRATCH) == scratch)


def _never(tile: Tile) -> Product:
    raise AssertionError("a forecast computes nothing")
