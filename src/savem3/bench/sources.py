"""Who draws the boundary maps that are cut: raw grey, students, teachers; each map is kept in the work folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from savem3.bench.baselines import dark_map
from savem3.bench.cells import digest_of_values
from savem3.bench.cutting import Piece, divide
from savem3.bench.manifest import digest_of_file
from savem3.bench.request import Bench, split_name
from savem3.pipeline import draw_boundary, settings_for
from savem3.predict import look_around
from savem3.shipped import STUDENT, TEACHER, find_model, read_student, read_teacher, scale_of
from savem3.store import open_boundary, write_boundary
from savem3.volume import BoundaryMap, Image, Labels, intensity_of


@dataclass(frozen=True, slots=True)
class Source:
    """Who draws a boundary map.

    Parameters
    ----------
    name
        First part of its rows.
    seed
        Which of several of one name.
    digest
        Of its weights; empty where there are none.
    see
        Draws the map of an image.
    card
        Cutter and β of its card, where it has them.
    file
        Of its weights, where there are any.
    """

    name: str
    seed: int
    digest: str
    see: Callable[[Image], BoundaryMap]
    card: tuple[str, float] | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Seen:
    """A boundary map of a volume, and all that cutters share of it, made when it is first asked for.

    Parameters
    ----------
    source
        Who draws it.
    image, labels
        Of what, with its truth.
    kept
        A folder for maps.
    sectionwise
        Whether each section is cut on its own.
    threads
        For fragments and region graphs.
    """

    source: Source
    image: Image
    labels: Labels
    kept: Path
    sectionwise: bool
    threads: int

    @cached_property
    def boundary(self) -> BoundaryMap:
        """The map, read if it was drawn before."""
        plain = [self.source.digest, list(self.image.grid.shape), list(self.image.grid.origin)]
        name = f"{self.source.name}-{digest_of_values([self.source.name, *plain, intensity_of(self.image).low])[:12]}"
        file = self.kept / f"{name.replace(' ', '-').replace(',', '')}.zarr"
        if not file.exists():
            self.kept.mkdir(parents=True, exist_ok=True)
            write_boundary(self.source.see(self.image), file)
        return open_boundary(file).load()

    @cached_property
    def pieces(self) -> list[Piece]:
        """What is cut on its own."""
        return list(divide(self.boundary, self.labels, sectionwise=self.sectionwise, threads=self.threads))

    @cached_property
    def sections(self) -> list[Piece]:
        """Section by section, whatever the truth."""
        if self.sectionwise:
            return self.pieces
        return list(divide(self.boundary, self.labels, sectionwise=True, threads=self.threads))


def raw_grey() -> Source:
    """Dark is membrane."""
    return Source("raw grey", 0, "", dark_map)


def students_of(bench: Bench) -> list[Source]:
    """Those that were named, or the shipped one; several of one name are seeds."""
    return _with_seeds([_student(*split_name(given), bench) for given in bench.students or (STUDENT,)])


def teachers_of(bench: Bench, *, planes: Literal[1, 3]) -> list[Source]:
    """Those that were named, or the shipped one, looking from one side or from three."""
    return _with_seeds([_teacher(*split_name(given), bench, planes) for given in bench.teachers or (TEACHER,)])


def _student(name: str, place: str, bench: Bench) -> Source:
    student, weights = read_student(place)

    def see(image: Image) -> BoundaryMap:
        scale = scale_of("auto", weights, image.grid)
        settings = settings_for(weights, threads=bench.threads, device="cpu", scale=scale)
        return draw_boundary(image, student, settings=settings)

    own = settings_for(weights, device="cpu")
    file = find_model(place)
    return Source(name, 0, digest_of_file(file), see, (own.cutter, own.beta), file)


def _teacher(name: str, place: str, bench: Bench, planes: Literal[1, 3]) -> Source:
    file = find_model(place)
    says = "along z" if planes == 1 else "three planes"

    def see(image: Image) -> BoundaryMap:
        import torch

        torch.set_num_threads(bench.threads)
        teacher, _ = read_teacher(place)
        return look_around(image, teacher, intensity=intensity_of(image), planes=planes)

    return Source(f"{name} {says}", 0, digest_of_file(file), see, None, file)


def _with_seeds(sources: list[Source]) -> list[Source]:
    """The first of a name is seed 0, the next seed 1."""
    counted: dict[str, int] = {}
    found = []
    for source in sources:
        seed = counted.get(source.name, 0)
        counted[source.name] = seed + 1
        found.append(replace(source, seed=seed))
    return found
