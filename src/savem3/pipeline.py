"""The way from a raw volume to neurons: the only place that composes rooms, top to bottom like the method's figure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import partial
from math import prod

from savem3.blocks import Progress
from savem3.distill import Student
from savem3.graphcut import (
    CUTTERS,
    Calibration,
    PromptRecipe,
    TwoLooks,
    Witness,
    ask_sections,
    cut,
    hear,
    join_evidence,
    node_vectors,
    overlay,
    region_graph,
    steadiest_beta,
    weigh_edges,
)
from savem3.grid import Box, Grid, Shape
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.predict import PredictRecipe, fast_cpu, fastest_precision, predict, superhuman_cpu
from savem3.regions import RegionGraph
from savem3.resample import Scale, bring_back, look
from savem3.store.weights import Weights
from savem3.volume import BoundaryMap, Image, Labels, intensity_of
from savem3.watch import Watch

CALIBRATED = 200**3
"""Where to cut is chosen in the middle of a volume, on at most this many voxels: some 15 s of one core."""
FINENESS = (1.0, 0.5, 2.0)
"""Factors of the dynamics: the first fragmentation is compared with each of the others."""

HEARS_LIFTED = {"lifted": "lifted", "multicut": "lifted", "mutex": "mutex"}
"""Cutters that know what to do with pairs that do not touch, and which of `CUTTERS` does it for each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a volume is reconstructed.

    Parameters
    ----------
    beta
        Where to cut, 0–1: a contact speaks for cutting where its mean boundary probability is above 1 − β, so lower
        joins more. Each student's card states its own.
    cutter
        A key of `CUTTERS`.
    predict, oversegment
        Recipes of those rooms.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads
        CPU threads.
    block
        Voxels along z, y, x that a worker of the integer stages holds; never changes the result.
    prompts
        Whether and how the cut hears prompts; by default it hears none.
    scale
        How the student looks at the volume; by default as it is. All else is on the volume's own grid.
    """

    beta: float
    cutter: str = "multicut"
    predict: PredictRecipe = fast_cpu()
    oversegment: OversegmentRecipe = OversegmentRecipe()
    device: str = "auto"
    threads: int = 2
    block: Shape = (128, 256, 256)
    prompts: PromptRecipe = PromptRecipe()
    scale: Scale = Scale()

    def __post_init__(self) -> None:
        if not 0 < self.beta < 1:
            raise ValueError(f"beta must lie between 0 and 1, got {self.beta}")
        if self.cutter not in CUTTERS:
            raise ValueError(f"cutter must be one of {', '.join(CUTTERS)}, got {self.cutter}")
        if self.prompts.is_lifted and self.cutter not in HEARS_LIFTED:
            raise ValueError(f"cutter must be one of {', '.join(HEARS_LIFTED)} to hear lifted edges, got {self.cutter}")

    @property
    def solver(self) -> str:
        """The key of `CUTTERS` that cuts: the cutter, or its kin that hears lifted edges where there are some."""
        return HEARS_LIFTED[self.cutter] if self.prompts.is_lifted else self.cutter


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """All that a reconstruction makes, on the image's grid."""

    boundary: BoundaryMap
    fragments: Labels
    graph: RegionGraph
    labels: Labels


def reconstruct(
    image: Image,
    student: Student,
    *,
    settings: Settings,
    witness: Witness | None = None,
    watch: Watch | None = None,
) -> Reconstruction:
    """Neurons from an image: predict → oversegment → region graph → cut.

    Parameters
    ----------
    image
        Grey values, membranes dark.
    student
        Shipped, distilled or adapted.
    settings
        All choices.
    witness
        Who is asked, where the settings want prompts.
    watch
        Shows and times the stages.
    """
    watch = watch or Watch()
    with watch.stage("predict") as counter:
        boundary = draw_boundary(image, student, settings=settings, progress=counter)
    with watch.stage("oversegment") as counter:
        fragments = make_fragments(boundary, settings=settings, progress=counter)
    with watch.stage("cut") as counter:
        graph, labels = cut_fragments(fragments, boundary, settings=settings, witness=witness, progress=counter)
    return Reconstruction(boundary, fragments, graph, labels)


def draw_boundary(
    image: Image, student: Student, *, settings: Settings, progress: Progress | None = None
) -> BoundaryMap:
    """The student's boundary map of an image, on the image's own grid."""
    drawn = predict(
        look(image, scale=settings.scale),
        student,
        intensity=intensity_of(image),
        recipe=settings.predict,
        device=settings.device,
        threads=settings.threads,
        progress=progress,
    )
    return bring_back(drawn, image.grid, scale=settings.scale).load()


def make_fragments(boundary: BoundaryMap, *, settings: Settings, progress: Progress | None = None) -> Labels:
    """Fragments of a boundary map."""
    return oversegment(
        boundary, recipe=settings.oversegment, block=settings.block, workers=settings.threads, progress=progress
    )


def cut_fragments(
    fragments: Labels,
    boundary: BoundaryMap,
    *,
    settings: Settings,
    witness: Witness | None = None,
    progress: Progress | None = None,
) -> tuple[RegionGraph, Labels]:
    """The weighed region graph, with what prompts said where the settings want any, and the neurons of its cut."""
    graph = region_graph(fragments, boundary, block=settings.block, workers=settings.threads, progress=progress)
    graph = weigh_edges(graph, beta=settings.beta)
    if settings.prompts.is_wanted:
        graph = hear_witness(graph, fragments, witness, settings=settings)
    return graph, cut(fragments, graph, cutter=settings.solver)


def choose_beta(
    boundary: BoundaryMap, *, settings: Settings, sectionwise: bool = False, progress: Progress | None = None
) -> Calibration[float]:
    """Where to cut a boundary map, without labels: where a finer and a coarser fragmentation give the same neurons.

    Parameters
    ----------
    boundary
        Only its middle is read, see `CALIBRATED`.
    settings
        Its β does not matter.
    sectionwise
        Whether each section is cut on its own.
    progress
        Told of each finished fragmentation.

    Raises
    ------
    ValueError
        If fragments are not joined by dynamics, so that there is no finer fragmentation.
    """
    if not settings.oversegment.dynamics:
        raise ValueError("dynamics must be above 0 to choose beta by, got 0")
    middle = boundary.crop(middle_of(boundary.grid, CALIBRATED))
    parts = split_volume(middle.grid, sectionwise=sectionwise)
    looks: list[TwoLooks] = []
    for n, part in enumerate(parts):
        counter = None if progress is None else partial(_count_on, progress, n, len(parts))
        looks += _look_twice(middle.crop(part), settings=settings, progress=counter)
    return steadiest_beta(looks, cutter=CUTTERS[settings.cutter])


def split_volume(grid: Grid, *, sectionwise: bool) -> list[Box]:
    """What is cut on its own: each section, or all of them together."""
    depth, height, width = grid.shape
    step = 1 if sectionwise else depth
    return [Box((z, 0, 0), (z + step, height, width)) for z in range(0, depth, step)]


def _count_on(progress: Progress, part: int, parts: int, done: int, of: int) -> None:
    progress(part * of + done, parts * of)


def _look_twice(boundary: BoundaryMap, *, settings: Settings, progress: Progress | None) -> list[TwoLooks]:
    """A fragmentation beside a finer and beside a coarser one."""
    pieces, graphs = [], []
    for factor in FINENESS:
        recipe = replace(settings.oversegment, dynamics=round(factor * settings.oversegment.dynamics))
        pieces.append(make_fragments(boundary, settings=replace(settings, oversegment=recipe)))
        graphs.append(region_graph(pieces[-1], boundary, block=settings.block, workers=settings.threads))
        if progress is not None:
            progress(len(pieces), len(FINENESS))
    return [
        TwoLooks((graphs[0], graph), overlay(pieces[0], other, block=settings.block, workers=settings.threads))
        for graph, other in zip(graphs[1:], pieces[1:], strict=True)
    ]


def hear_witness(graph: RegionGraph, fragments: Labels, witness: Witness | None, *, settings: Settings) -> RegionGraph:
    """The graph with the evidence of prompts about its doubtful contacts.

    Raises
    ------
    ValueError
        If there is nobody to ask.
    """
    if witness is None:
        raise ValueError("witness must be given where the settings want prompts, got none")
    recipe, image = settings.prompts, witness.image
    answers = ask_sections(image, fragments, graph, witness.prompter(), recipe=recipe.ask, workers=settings.threads)
    if recipe.weighs_features:
        graph = node_vectors(graph, fragments, image, witness.teacher(), intensity=witness.intensity)
    return hear(graph, join_evidence(answers), recipe=recipe)


def settings_for(weights: Weights, **changes: object) -> Settings:
    """Settings with a student's own patches, cutter and β, the machine's own precision, and what the caller wants."""
    card = weights.card
    patches = superhuman_cpu() if weights.architecture == "superhuman" else fast_cpu()
    patches = replace(patches, precision=fastest_precision(device=str(changes.get("device") or "auto")))
    wanted = {name: value for name, value in changes.items() if value is not None}
    own = Settings(float(str(card.get("beta", 0.5))), cutter=str(card.get("cutter", "multicut")), predict=patches)
    return replace(own, **wanted)  # type: ignore[arg-type]


def middle_of(grid: Grid, voxels: int) -> Box:
    """The middle of a volume, at most so many voxels: as near to a cube of voxels as its shape allows."""
    edges = range(1, max(grid.shape) + 1)
    edge = bisect_right(edges, voxels, key=lambda n: prod(min(n, size) for size in grid.shape)) or 1
    start = tuple(max(0, (n - edge) // 2) for n in grid.shape)
    stop = tuple(min(n, a + edge) for a, n in zip(start, grid.shape, strict=True))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
