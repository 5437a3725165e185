"""Runs with truth that calibrated probabilities are fitted and tested on: volumes, students, damage, cuts.

    python experiments/trust_cases.py PLACE ... --data DIR --work FOLDER [--student NAME=FILE ...] [--damage NAME ...]

A look is a volume seen by one student, as it is or damaged; it is kept as a region graph and the table of fragments and
bodies. A case is a look that was cut by one cutter at one β, with the margins of that cut.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.ndimage import gaussian_filter

from savem3 import bank
from savem3.bench.cutting import keep_sections
from savem3.distill import Student
from savem3.evaluate import Contingency, Scores, compare, relabel_components, score_table
from savem3.evaluate.contingency import rename_segments
from savem3.graphcut import CUTTERS, region_graph, weigh_edges, with_margins
from savem3.grid import Grid
from savem3.pipeline import Settings, draw_boundary, make_fragments, settings_for
from savem3.regions import RegionGraph
from savem3.shipped import STUDENT, read_student
from savem3.volume import Image, Labels

CONSOLE = Console(highlight=False, width=150)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a truth comes from: a card and its sections, or the seed and grid of a drawn volume.

    Parameters
    ----------
    card, sections
        First and last section of a dataset.
    seed, grid
        Of a drawn volume.
    sectionwise
        Whether the truth does not link sections, so that each is a volume of its own.
    """

    card: str = ""
    sections: tuple[int, int] = (0, 0)
    seed: int = 0
    grid: Grid = Grid((1, 1, 1), (1.0, 1.0, 1.0))
    sectionwise: bool = False


FINE, LONG = Grid((80, 140, 150), (10.0, 10.0, 10.0)), Grid((110, 180, 200), (10.0, 10.0, 10.0))
PLACES = {
    "FIB-25 z 100–119": Place("fib25_training_sample2", (100, 119)),
    "gala example": Place("gala_fib_example", (0, 49)),
    "drawn 901": Place(seed=901, grid=LONG),
    "drawn 902": Place(seed=902, grid=FINE),
    "drawn 903": Place(seed=903, grid=FINE),
    "FIB-25 z 0–99": Place("fib25_training_sample2", (0, 99)),
    "FIB-25 z 130–249": Place("fib25_training_sample2", (130, 249)),
    "VNC 16–19": Place("vnc_stack1", (16, 19), sectionwise=True),
    "ISBI 20–29": Place("isbi2012_train", (20, 29), sectionwise=True),
}
FITTED = tuple(PLACES)[:5]
"""No label of these trained the shipped student; all may be used for what is shipped."""

LAST = "FIB-25 z 130–249"
"""Only ever tested on."""

CUTS = (("quantile", 0.9), ("quantile", 0.7), ("multicut", 0.9), ("multicut", 0.6), ("mean", 0.8))
"""The first is what the shipped student does."""


@dataclass(frozen=True, slots=True)
class Look:
    """A volume as one student sees it.

    Parameters
    ----------
    graph
        Not weighed.
    pairs
        Fragments and bodies of the truth.
    """

    graph: RegionGraph
    pairs: Contingency


@dataclass(frozen=True, slots=True)
class Case:
    """A look that was cut.

    Parameters
    ----------
    name, place, student, damage, cutter, beta
        What it is.
    graph
        Weighed, with margins.
    segment_of
        The segment of each fragment.
    pairs
        Fragments and bodies of the truth.
    """

    name: str
    place: str
    student: str
    damage: str
    cutter: str
    beta: float
    graph: RegionGraph
    segment_of: np.ndarray
    pairs: Contingency

    def scores(self, segment_of: np.ndarray | None = None) -> Scores:
        """Against the truth, of these segments or of others."""
        named = np.concatenate([[0], self.segment_of if segment_of is None else segment_of]).astype(np.uint64)
        return score_table(rename_segments(self.pairs, named[self.pairs.segments]), unsegmented="segment")


def unharmed(voxels: np.ndarray) -> np.ndarray:
    """As it is."""
    return voxels


def noisy(voxels: np.ndarray, *, deviation: float) -> np.ndarray:
    """With normal noise on grey values."""
    rng = np.random.default_rng(0)
    return np.clip(voxels + rng.normal(0, deviation, voxels.shape), 0, 255).astype(np.uint8)


def blurred(voxels: np.ndarray, *, sigma: float) -> np.ndarray:
    """Out of focus in each section."""
    return gaussian_filter(voxels.astype(np.float32), (0, sigma, sigma)).round().astype(np.uint8)


DAMAGE = {
    "none": unharmed,
    "noise 12": partial(noisy, deviation=12.0),
    "noise 25": partial(noisy, deviation=25.0),
    "blur 1.5": partial(blurred, sigma=1.5),
}


def read_place(place: Place, folder: Path) -> tuple[Image, Labels]:
    """Image and truth; where sections are linked the truth is numbered by 6-connected components."""
    if place.seed:
        sample = bank.make_synthetic(place.seed, grid=place.grid)
        return sample.image, relabel_components(sample.labels)
    sample = bank.load_sample(bank.DATASETS[place.card], folder, "all")
    image, labels = keep_sections(sample.image, place.sections), keep_sections(sample.labels, place.sections)
    return image, labels if place.sectionwise else relabel_components(labels)


def make_looks(image: Image, truth: Labels, student: Student, settings: Settings, *, sectionwise: bool) -> Look:
    """Fragments, their graph and their bodies; sections apart from each other if truth does not link them."""
    boundary = draw_boundary(image, student, settings=settings)
    depth = image.grid.shape[0]
    step = 1 if sectionwise else depth
    looks = []
    for first in range(0, depth, step):
        part, true = (keep_sections(volume, (first, first + step - 1)) for volume in (boundary, truth))
        fragments = make_fragments(part, settings=settings)
        looks.append(Look(region_graph(fragments, part, block=settings.block, workers=1), compare(fragments, true)))
    return looks[0] if len(looks) == 1 else side_by_side(looks)


def side_by_side(looks: list[Look]) -> Look:
    """Several looks as one, nothing of which touches anything of another."""
    firsts = np.cumsum([0, *(len(look.graph.sizes) for look in looks)]).tolist()
    bodies = np.cumsum([0, *(int(look.pairs.bodies.max(initial=0)) for look in looks)]).tolist()
    columns = ("sizes", "count", "total", "minimum", "maximum")
    graph = RegionGraph(
        edges=np.concatenate([g.graph.edges + np.uint64(n) for g, n in zip(looks, firsts[:-1], strict=True)]),
        **{name: np.concatenate([getattr(look.graph, name) for look in looks]) for name in columns},
    )
    moved = [
        look.pairs.segments + np.uint64(n) * (look.pairs.segments > 0)
        for look, n in zip(looks, firsts[:-1], strict=True)
    ]
    named = [look.pairs.bodies + np.uint64(n) for look, n in zip(looks, bodies[:-1], strict=True)]
    counts = np.concatenate([look.pairs.counts for look in looks])
    segments, owners = np.concatenate(moved), np.concatenate(named)
    order = np.lexsort((owners, segments))
    return Look(graph, Contingency(segments[order], owners[order], counts[order]))


def cases_of(
    look: Look, *, place: str, student: str, damage: str, cuts: tuple[tuple[str, float], ...]
) -> Iterator[Case]:
    """The look cut in several ways."""
    for cutter, beta in cuts:
        weighed = weigh_edges(look.graph, beta=beta)
        clusters = CUTTERS[cutter](weighed)
        name = f"{place} | {student} | {damage} | {cutter} {beta}"
        yield Case(
            name, place, student, damage, cutter, beta,
            with_margins(weighed, clusters), clusters.astype(np.uint64), look.pairs,
        )  # fmt: skip


def keep_case(case: Case, path: Path) -> None:
    """As a plain file of arrays."""
    graph, pairs = case.graph, case.pairs
    assert graph.costs is not None
    assert graph.margin is not None
    np.savez_compressed(
        path,
        what=np.array([case.name, case.place, case.student, case.damage, case.cutter, str(case.beta)]),
        **{name: getattr(graph, name) for name in GRAPH},
        segment_of=case.segment_of,
        **{name: getattr(pairs, name) for name in PAIRS},
    )


GRAPH = ("sizes", "edges", "count", "total", "minimum", "maximum", "costs", "margin")
PAIRS = ("segments", "bodies", "counts")


def read_case(path: Path) -> Case:
    """What `keep_case` kept."""
    with np.load(path, allow_pickle=False) as kept:
        *what, beta = kept["what"].tolist()
        graph = RegionGraph(**{name: kept[name] for name in GRAPH})
        pairs = Contingency(**{name: kept[name] for name in PAIRS})
        return Case(*what, float(beta), graph, kept["segment_of"], pairs)


def make_cases(
    place: str, students: dict[str, str], *, data: Path, work: Path, damages: tuple[str, ...], threads: int
) -> None:
    """All cases of a place that are not there yet."""
    image, truth = read_place(PLACES[place], data)
    for (student, path), damage in product(students.items(), damages):
        base = f"{place}__{student}__{damage}".replace(" ", "_")
        if (work / f"{base}__{len(CUTS) - 1}.npz").exists():
            continue
        network, weights = read_student(path)
        settings = settings_for(weights, threads=threads, device="cpu")
        seen = Image(DAMAGE[damage](np.asarray(image.read(image.grid.box))), image.grid)
        look = make_looks(seen, truth, network, settings, sectionwise=PLACES[place].sectionwise)
        for n, case in enumerate(cases_of(look, place=place, student=student, damage=damage, cuts=CUTS)):
            found = case.scores()
            CONSOLE.print(
                f"{case.name}: edges {len(case.graph.edges)}, VoI {found.voi_split:.3f} + {found.voi_merge:.3f}"
            )
            keep_case(case, work / f"{base}__{n}.npz")


def main() -> None:
    """Make the cases of places."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", choices=PLACES)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True, help="folder where cases are kept")
    parser.add_argument("--student", nargs="*", default=[f"shipped={STUDENT}"], help="NAME=FILE of each student")
    parser.add_argument("--damage", nargs="*", default=list(DAMAGE), choices=DAMAGE)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    students = dict(one.split("=", 1) for one in options.student)
    for place in options.places:
        make_cases(
            place,
            students,
            data=options.data,
            work=options.work,
            damages=tuple(options.damage),
            threads=options.threads,
        )


if __name__ == "__main__":
    main()
