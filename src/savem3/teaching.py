"""What a student is taught on a volume without labels: a teacher's map made to agree with itself, and drawn volumes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from savem3.bank import boundary_target, make_synthetic
from savem3.bank.named import DRAWN
from savem3.blocks import Progress
from savem3.distill import Lesson
from savem3.graphcut import cut, region_graph, weigh_edges
from savem3.grid import Grid
from savem3.pipeline import Settings, choose_beta, make_fragments, split_volume
from savem3.predict import look_around
from savem3.teacher import Teacher
from savem3.volume import BoundaryMap, Image, intensity_of

Lost = Bool[np.ndarray, " z"]
"""Whether a section is not to be believed, as `savem3.check` finds it."""

AGREES = "quantile"
"""The cutter by which a map is made to agree with itself."""

FIRST_DRAWN = 100
"""The seed of the first drawn volume; none that the shipped teacher learned from."""


DRAWN_WITH = 16
"""Drawn volumes that go with an isotropic one; each takes a second to draw."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a student learns besides the terms of its recipe.

    Parameters
    ----------
    agreed
        Whether the teacher's boundary map is cut, without labels, and drawn again as the borders of its own segments:
        a membrane that does not close is no border, and one that closes is drawn in full.
    drawn
        How many synthetic volumes, with their true membranes, are learned from as well, in half of all crops. If not
        given, `DRAWN_WITH` on isotropic volumes and none on others, where they did no good.

    Notes
    -----
    Source: both are ours; the paper teaches the teacher's map as it is. What they bring is in docs/experiments.md.
    """

    agreed: bool = True
    drawn: int | None = None

    def __post_init__(self) -> None:
        if self.drawn is not None and self.drawn < 0:
            raise ValueError(f"drawn must be at least 0 volumes, got {self.drawn}")

    def drawn_for(self, grid: Grid) -> int:
        """How many synthetic volumes go with a volume."""
        if self.drawn is not None:
            return self.drawn
        return DRAWN_WITH if grid.is_isotropic else 0


def teach(
    image: Image,
    teacher: Teacher,
    *,
    teaching: Teaching = Teaching(),
    settings: Settings = Settings(0.5),
    lost: Lost | None = None,
    progress: Progress | None = None,
) -> list[Lesson]:
    """Lessons on an image without labels; the first one is the image itself.

    Parameters
    ----------
    image
        Isotropic ones are looked at along z, y and x (METHOD §4, tri-planar teaching), others along z.
    teacher
        Whose boundary map is learned.
    teaching
        What is made of that map, and what is learned besides.
    settings
        How the map is cut to agree with itself; cutter and β do not matter.
    lost
        Sections that are not to be believed: of them nothing is learned.
    progress
        Told of what was looked at.
    """
    image = image.load()
    boundary = look_around(
        image,
        teacher,
        intensity=intensity_of(image),
        planes=3 if image.grid.is_isotropic else 1,
        progress=progress,
    )
    if teaching.agreed:
        boundary = agree_with_itself(boundary, settings=settings)
    lesson = Lesson(image, boundary)
    if lost is not None and lost.any():
        lesson = replace(lesson, mask=np.broadcast_to(~lost[:, None, None], image.grid.shape))
    return [lesson, *draw_lessons(image.grid, teaching.drawn_for(image.grid))]


def agree_with_itself(boundary: BoundaryMap, *, settings: Settings = Settings(0.5)) -> BoundaryMap:
    """A boundary map cut where it is steadiest, and drawn again as the borders of its own segments.

    Sections of anisotropic volumes are cut one by one, as their borders are drawn.

    Parameters
    ----------
    boundary
        Of the whole volume.
    settings
        Of the cut; cutter and β do not matter.
    """
    sectionwise = not boundary.grid.is_isotropic
    settings = replace(settings, cutter=AGREES)
    beta = choose_beta(boundary, settings=settings, sectionwise=sectionwise).choice
    parts = split_volume(boundary.grid, sectionwise=sectionwise)
    borders = [_borders_of(boundary.crop(box), beta, settings=settings) for box in parts]
    return replace(boundary, voxels=np.concatenate(borders))


def draw_lessons(grid: Grid, count: int) -> list[Lesson]:
    """So many synthetic volumes that look as a grid's sections do, isotropic or thick; always the same ones."""
    look = DRAWN[0] if grid.is_isotropic else DRAWN[1]
    samples = (make_synthetic(FIRST_DRAWN + n, grid=look) for n in range(count))
    return [Lesson(sample.image, sample.boundary, labelled=True) for sample in samples]


def _borders_of(boundary: BoundaryMap, beta: float, *, settings: Settings) -> UInt8[np.ndarray, "z y x"]:
    fragments = make_fragments(boundary, settings=settings)
    graph = region_graph(fragments, boundary, block=settings.block, workers=settings.threads)
    labels = cut(fragments, weigh_edges(graph, beta=beta), cutter=AGREES)
    borders = boundary_target(labels, sectionwise=not boundary.grid.is_isotropic, fragment_voxels=0)
    return borders.read(borders.grid.box)
