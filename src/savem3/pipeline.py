"""The way from a raw volume to neurons: the only place that composes rooms, top to bottom like the method's figure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from savem3.blocks import Progress
from savem3.distill import DistillRecipe, Lesson, Student, distill
from savem3.distill import Progress as Learned
from savem3.graphcut import CUTTERS, cut, region_graph, weigh_edges
from savem3.grid import Shape
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.predict import PredictRecipe, fast_cpu, fastest_precision, look_around, predict, superhuman_cpu
from savem3.regions import RegionGraph
from savem3.saem2 import Saem2Teacher
from savem3.store.weights import Weights
from savem3.volume import BoundaryMap, Image, Labels, intensity_of
from savem3.watch import Watch


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
    """

    beta: float
    cutter: str = "multicut"
    predict: PredictRecipe = fast_cpu()
    oversegment: OversegmentRecipe = OversegmentRecipe()
    device: str = "auto"
    threads: int = 2
    block: Shape = (128, 256, 256)

    def __post_init__(self) -> None:
        if not 0 < self.beta < 1:
            raise ValueError(f"beta must lie between 0 and 1, got {self.beta}")
        if self.cutter not in CUTTERS:
            raise ValueError(f"cutter must be one of {', '.join(CUTTERS)}, got {self.cutter}")


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """All that a reconstruction makes, on the image's grid."""

    boundary: BoundaryMap
    fragments: Labels
    graph: RegionGraph
    labels: Labels


def reconstruct(image: Image, student: Student, *, settings: Settings, watch: Watch | None = None) -> Reconstruction:
    """Neurons from an image: predict → oversegment → region graph → cut.

    Parameters
    ----------
    image
        Grey values, membranes dark.
    student
        Shipped, distilled or adapted.
    settings
        All choices.
    watch
        Shows and times the stages.
    """
    watch = watch or Watch()
    with watch.stage("predict") as counter:
        boundary = draw_boundary(image, student, settings=settings, progress=counter)
    with watch.stage("oversegment") as counter:
        fragments = make_fragments(boundary, settings=settings, progress=counter)
    with watch.stage("cut") as counter:
        graph, labels = cut_fragments(fragments, boundary, settings=settings, progress=counter)
    return Reconstruction(boundary, fragments, graph, labels)


def draw_boundary(
    image: Image, student: Student, *, settings: Settings, progress: Progress | None = None
) -> BoundaryMap:
    """The student's boundary map of an image."""
    return predict(
        image,
        student,
        intensity=intensity_of(image),
        recipe=settings.predict,
        device=settings.device,
        threads=settings.threads,
        progress=progress,
    )


def make_fragments(boundary: BoundaryMap, *, settings: Settings, progress: Progress | None = None) -> Labels:
    """Fragments of a boundary map."""
    return oversegment(
        boundary, recipe=settings.oversegment, block=settings.block, workers=settings.threads, progress=progress
    )


def cut_fragments(
    fragments: Labels, boundary: BoundaryMap, *, settings: Settings, progress: Progress | None = None
) -> tuple[RegionGraph, Labels]:
    """The weighed region graph and the neurons that its cut leaves."""
    graph = region_graph(fragments, boundary, block=settings.block, workers=settings.threads, progress=progress)
    graph = weigh_edges(graph, beta=settings.beta)
    return graph, cut(fragments, graph, cutter=settings.cutter)


def adapt(
    image: Image,
    student: Student,
    teacher: Saem2Teacher,
    *,
    recipe: DistillRecipe,
    device: str = "cpu",
    watch: Watch | None = None,
) -> Student:
    """Distil a teacher into a student on one unlabelled image.

    Parameters
    ----------
    image
        The volume to learn from.
    student
        Fresh, or trained before; it is changed.
    teacher
        Looks along z, y and x at isotropic volumes (METHOD §4, tri-planar teaching), along z at others.
    recipe
        Settings of the training.
    device
        Where torch computes.
    watch
        Shows and times the two stages.
    """
    watch = watch or Watch()
    with watch.stage("teach") as counter:
        lesson = teach(image, teacher, progress=counter)
    with watch.stage("distill") as counter:

        def report(learned: Learned, _: object) -> None:
            counter(learned.step, recipe.steps)

        return distill(student, [lesson], recipe=recipe, teacher=teacher, device=device, on_progress=report)


def teach(image: Image, teacher: Saem2Teacher, *, progress: Progress | None = None) -> Lesson:
    """The teacher's boundary map of an image, as a lesson for a student."""
    image = image.load()
    boundary = look_around(
        image,
        teacher,
        intensity=intensity_of(image),
        planes=3 if image.grid.is_isotropic else 1,
        progress=progress,
    )
    return Lesson(image, boundary)


def settings_for(weights: Weights, **changes: object) -> Settings:
    """Settings with a student's own patches, cutter and β, the machine's own precision, and what the caller wants."""
    card = weights.card
    patches = superhuman_cpu() if weights.architecture == "superhuman" else fast_cpu()
    patches = replace(patches, precision=fastest_precision(device=str(changes.get("device") or "auto")))
    wanted = {name: value for name, value in changes.items() if value is not None}
    own = Settings(float(str(card.get("beta", 0.5))), cutter=str(card.get("cutter", "multicut")), predict=patches)
    return replace(own, **wanted)  # type: ignore[arg-type]
