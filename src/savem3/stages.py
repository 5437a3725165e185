"""The way from a raw volume to neurons as stages on disk: what `pipeline.reconstruct` does, for volumes of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from savem3.blocks import BlockFunction, Coarsen, Product, Stage
from savem3.graphcut import (
    CUTTERS,
    Ask,
    Choose,
    CollectContacts,
    CollectFaces,
    Cut,
    CutHeard,
    Relabel,
    SumSections,
    SumVectors,
    Weigh,
    Witness,
)
from savem3.grid import Grid
from savem3.oversegment import Drain, Fragment, Settle, halo_of
from savem3.pipeline import Settings
from savem3.predict import BringBack, fit_block
from savem3.store import PyramidFile, VoxelFile
from savem3.tiles import Blocks, Tile
from savem3.volume import BoundaryMap, Labels


@dataclass(frozen=True, slots=True)
class Made:
    """The volumes of a run, lazy."""

    boundary: BoundaryMap
    fragments: Labels
    labels: Labels


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a run's volumes and tables go.

    Parameters
    ----------
    folder
        Of the run.
    grid
        Of the volume.
    settings
        Their blocks are what is written at once.
    """

    folder: Path
    grid: Grid
    settings: Settings

    @property
    def boundary(self) -> PyramidFile:
        """uint8, 255 is membrane."""
        block = fit_block(self.grid, recipe=self.settings.predict, block=self.settings.block)
        return PyramidFile(self.folder / "boundary.zarr", self.grid, "uint8", "mean", block)

    @property
    def fragments(self) -> PyramidFile:
        """uint64, from 1."""
        return PyramidFile(self.folder / "fragments.zarr", self.grid, "uint64", "mode", self.settings.block)

    @property
    def labels(self) -> PyramidFile:
        """uint64, from 1; each a union of whole fragments."""
        return PyramidFile(self.folder / "labels.zarr", self.grid, "uint64", "mode", self.settings.block)

    @property
    def graph(self) -> Path:
        """The region graph, its costs, and the neuron of each fragment."""
        return self.folder / "graph.safetensors"

    def open(self) -> Made:
        """The volumes, once they are finished."""
        return Made(
            BoundaryMap(self.boundary.levels[0].voxels, self.grid),
            Labels(self.fragments.levels[0].voxels, self.grid),
            Labels(self.labels.levels[0].voxels, self.grid),
        )

    def scratch(self, name: str) -> Path:
        """A folder that is gone when the run is done."""
        return self.folder / "scratch" / name


Finish = Callable[[BlockFunction], BlockFunction]
"""Changes the block function of a boundary map on the volume's own grid, such as `savem3.check.wall`."""


def as_it_is(function: BlockFunction) -> BlockFunction:
    """Changes nothing."""
    return function


def stages_of(
    draw: BlockFunction, out: Outputs, witness: Witness | None = None, *, finish: Finish = as_it_is
) -> list[Stage]:
    """All stages of a reconstruction, in their order.

    Parameters
    ----------
    draw
        The block function of prediction, on the grid that the student sees.
    out
        Where everything goes, and by which settings.
    witness
        Who is asked, where the settings want prompts.
    finish
        What becomes of the boundary map.
    """
    return [*predict_stages(draw, out, finish=finish), *oversegment_stages(out), *cut_stages(out, witness=witness)]


def predict_stages(draw: BlockFunction, out: Outputs, *, finish: Finish = as_it_is) -> list[Stage]:
    """The boundary map and its pyramid; drawn on a grid of its own first where the student sees another."""
    tiles = Blocks(out.grid.shape, out.boundary.block)
    finest, levels = {"boundary": out.boundary.levels[0]}, coarser("boundary", "predict", out.boundary)
    if out.settings.scale.is_identity:
        return [Stage("predict", tiles, finish(draw), finest, uses_all_threads=True), *levels]
    seen = out.settings.scale.grid_of(out.grid)
    block = fit_block(seen, recipe=out.settings.predict, block=out.settings.block)
    drawn = VoxelFile(out.scratch("drawn"), seen.shape, "uint8", block)
    looked = {"boundary": drawn}
    back = BringBack(BoundaryMap(drawn.voxels, seen), out.grid, out.settings.scale)
    return [
        Stage("look", Blocks(seen.shape, block), draw, looked, scratch=True, uses_all_threads=True),
        Stage("predict", tiles, finish(back), finest, reads=("look",)),
        *levels,
    ]


def oversegment_stages(out: Outputs, boundary: BoundaryMap | None = None) -> list[Stage]:
    """Basins, what becomes of them, fragments; of the run's own boundary map where none is given."""
    membranes = boundary or BoundaryMap(out.boundary.levels[0].voxels, out.grid)
    recipe, block = out.settings.oversegment, out.settings.block
    basins = VoxelFile(out.scratch("basins"), out.grid.shape, "uint32", block)
    tiles = Blocks(out.grid.shape, block, halo_of(out.grid, recipe=recipe))
    drain = Stage(
        "drain",
        tiles,
        Drain(membranes, recipe),
        {"basins": basins},
        tables=out.scratch("drained"),
        reads=("predict",),
        scratch=True,
    )
    settle = Stage(
        "settle",
        _whole(out.grid),
        Settle(drain.table_files, tiles, out.grid, recipe),
        tables=out.scratch("settled") / "fragments.safetensors",
        reads=("drain",),
        scratch=True,
    )
    fragment = Stage(
        "fragments",
        Blocks(out.grid.shape, block),
        Fragment(basins.voxels, settle.table_of(0), tiles),
        {"fragments": out.fragments.levels[0]},
        reads=("drain", "settle"),
    )
    return [drain, settle, fragment, *coarser("fragments", "fragments", out.fragments)]


def cut_stages(
    out: Outputs,
    fragments: Labels | None = None,
    boundary: BoundaryMap | None = None,
    witness: Witness | None = None,
) -> list[Stage]:
    """Faces, the region graph and its cut, neurons; of the run's own volumes where none are given."""
    pieces = fragments or Labels(out.fragments.levels[0].voxels, out.grid)
    membranes = boundary or BoundaryMap(out.boundary.levels[0].voxels, out.grid)
    tiles = Blocks(out.grid.shape, out.settings.block)
    faces = Stage(
        "faces",
        tiles,
        CollectFaces(pieces, membranes),
        tables=out.scratch("faces"),
        reads=("predict", "fragments"),
        scratch=True,
    )
    *asked, cut = _heard_stages(out, pieces, faces, witness) if out.settings.prompts.is_wanted else [_cut(out, faces)]
    labels = Stage(
        "labels",
        tiles,
        Relabel(pieces, cut.table_of(0)),
        {"labels": out.labels.levels[0]},
        reads=("fragments", "cut"),
    )
    return [faces, *asked, cut, labels, *coarser("labels", "labels", out.labels)]


def _cut(out: Outputs, faces: Stage) -> Stage:
    """The cut by the boundary alone."""
    function = Cut(faces.table_files, CUTTERS[out.settings.cutter], out.settings.beta)
    return Stage("cut", _whole(out.grid), function, tables=out.graph, reads=("faces",))


def _heard_stages(out: Outputs, fragments: Labels, faces: Stage, witness: Witness | None) -> list[Stage]:
    """What is asked, the answers, and the cut that hears them; sections are blocks where somebody looks at them."""
    recipe, whole = out.settings.prompts, _whole(out.grid)
    weigh = Stage(
        "weigh",
        whole,
        Weigh(faces.table_files, out.settings.beta, recipe.ask),
        tables=out.scratch("weighed") / "graph.safetensors",
        reads=("faces",),
        scratch=True,
    )
    contacts = Stage(
        "contacts",
        Blocks(out.grid.shape, out.settings.block),
        CollectContacts(fragments, weigh.table_of(0)),
        tables=out.scratch("contacts"),
        reads=("fragments", "weigh"),
        scratch=True,
    )
    choose = Stage(
        "choose",
        whole,
        Choose(weigh.table_of(0), contacts.table_files, recipe.ask),
        tables=out.scratch("chosen") / "plan.safetensors",
        reads=("weigh", "contacts"),
        scratch=True,
    )
    vectors, ask = _witness_stages(out, fragments, choose, witness)
    function = CutHeard(weigh.table_of(0), ask.table_files, vectors.table_files, CUTTERS[out.settings.solver], recipe)
    cut = Stage("cut", whole, function, tables=out.graph, reads=("weigh", "vectors", "ask"))
    return [weigh, contacts, choose, vectors, ask, cut]


def _witness_stages(out: Outputs, fragments: Labels, choose: Stage, witness: Witness | None) -> tuple[Stage, Stage]:
    """Feature vectors of the fragments, and answers; where nobody is named, stages that are there but cannot be done.

    Neural networks compute here, whose last bits may depend on what they see at once: so a block is a section of the
    volume, whatever the blocks of the run.
    """
    recipe, chosen = out.settings.prompts, choose.table_of(0)
    look: BlockFunction = _nobody
    answer: BlockFunction = _nobody
    if witness is not None:
        sums = SumVectors(witness.image, fragments, witness.teacher, witness.intensity)
        look = SumSections(sums, None if recipe.weighs_features else chosen)
        answer = Ask(witness, fragments, chosen, recipe.ask)
    sections = Blocks(out.grid.shape, (1, *out.grid.shape[1:]))
    reads = ("fragments", "choose")
    vectors = Stage("vectors", sections, look, tables=out.scratch("vectors"), reads=reads, scratch=True)
    ask = Stage("ask", sections, answer, tables=out.scratch("answers"), reads=reads, scratch=True)
    return vectors, ask


def _nobody(tile: Tile) -> Product:
    raise AssertionError("a witness must be named before prompts can be asked")


def coarser(name: str, finest: str, pyramid: PyramidFile) -> Iterator[Stage]:
    """A stage for each level of a volume's pyramid but the first, which the stage ``finest`` writes."""
    before, levels = finest, pyramid.levels
    for i, factor in enumerate(pyramid.factors, start=1):
        coarsen: BlockFunction = Coarsen(levels[i - 1].voxels, factor, pyramid.method)
        tiles = Blocks(levels[i].shape, pyramid.block)
        stage = Stage(f"{name} level {i}", tiles, coarsen, {"voxels": levels[i]}, reads=(before,))
        before = stage.name
        yield stage


def _whole(grid: Grid) -> Blocks:
    return Blocks(grid.shape, grid.shape)
