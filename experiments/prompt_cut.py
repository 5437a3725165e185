"""What prompts add to the graph-cut, beside the boundary alone and beside a prompter that knows the truth.

    python experiments/prompt_cut.py --data DIR --work FOLDER [--prompts 2500] [--threads 2]

The shipped student draws the membranes, the shipped teacher gives features and answers prompts. β and the weights λ
are chosen on sections 100–119 of FIB-25 sample 2 (by their truth), and once more without labels (by stability). Scored
are its sections 130–249 and, section by section, VNC 16–19, each for three fragmentations. Maps and answers are kept in
the work folder, section by section, so an interrupted run goes on. The result is a table in Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from savem3 import bank, shipped
from savem3.blocks import collect_faces
from savem3.evaluate import relabel_components, score
from savem3.graphcut import CUTTERS, lifted_energy_of, region_graph, relabel, weigh_edges
from savem3.graphcut.asking import AskSections
from savem3.graphcut.calibrate import BETAS, calibrate_beta, calibrate_weights
from savem3.graphcut.clusters import costs_of
from savem3.graphcut.contacts import find_contacts, find_pairs
from savem3.graphcut.energy import EnergyRecipe, add_evidence, add_published
from savem3.graphcut.evidence import Evidence, join_evidence, trust_of
from savem3.graphcut.overlay import overlay
from savem3.graphcut.prompting import AskRecipe, Plan, doubtful, plan_prompts
from savem3.graphcut.reading import Reading, learn_reading
from savem3.graphcut.vectors import centre_likeness, likenesses, node_vectors, touch_in_section
from savem3.grid import Box
from savem3.oversegment import STANDARD
from savem3.pipeline import draw_boundary, make_fragments, settings_for
from savem3.prompt import Answer, MaskPrompt, PointPrompt, Prompt, Prompter
from savem3.regions import RegionGraph
from savem3.store import open_boundary, write_boundary
from savem3.store.tables import TableFile, write_table
from savem3.tiles import split
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels, intensity_of

CONSOLE = Console(highlight=False, width=160)
DYNAMICS = (1000, 2000, 4000)
CHOSEN_ON = 2000
GRID_OF_WEIGHTS = tuple(
    EnergyRecipe(f, s, w) for f in (0.0, 0.25, 0.5) for s in (0.0, 0.5, 1.0, 2.0) for w in (0.0, 0.5, 1.0) if s or not w
)
Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A volume to cut: ``linked`` truth counts in 3D, other truth section by section."""

    name: str
    image: Image
    truth: Labels
    boundary: BoundaryMap
    intensity: IntensityMap
    linked: bool
    ask: AskRecipe


@dataclass(frozen=True, slots=True)
class Cut:
    """A case with one fragmentation: its graph with features, and what two prompters said."""

    case: Case
    fragments: Labels
    graph: RegionGraph
    likeness: Reading
    tables: Sequence[Table]
    truths: Sequence[Table]
    per_second: float


class Oracle:
    """Answers with the connected piece of the true body under most of a prompt."""

    def __init__(self, truth: Labels) -> None:
        self.truth = truth

    def ask(self, section: NDArray[np.uint8], prompts: list[Prompt]) -> list[Answer]:
        """One answer for each prompt."""
        labels = self.truth.voxels[prompts[0].z]
        pieces = np.zeros(labels.shape, np.int64)
        for body in np.unique(labels[labels > 0]):
            own, _ = ndimage.label(labels == body)
            pieces += np.where(own > 0, own + pieces.max(), 0)
        return [Answer((pieces == n) & (n > 0), 1.0) for n in (self.under(p, pieces) for p in prompts)]

    @staticmethod
    def under(prompt: Prompt, pieces: NDArray[np.int64]) -> int:
        """The piece under most of a prompt; 0 is none."""
        if isinstance(prompt, MaskPrompt):
            return int(np.bincount(pieces[prompt.mask]).argmax())
        assert isinstance(prompt, PointPrompt)
        at = [pieces[int(y), int(x)] for y, x in zip(prompt.y, prompt.x, strict=True)]
        return int(np.bincount(at).argmax())


def main() -> None:
    """Choose, score, print."""
    options = read_options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    left_out, *cases = make_cases(options)
    coarse = make_cut(left_out, CHOSEN_ON, options)
    fine = make_cut(replace(left_out, ask=replace(left_out.ask, prompts=0)), DYNAMICS[0], options)
    beta, recipe = choose(coarse)
    published_beta = choose_published(coarse)
    free_beta, free_recipe = choose_without_labels(fine, coarse)
    CONSOLE.print(f"\nChosen on sections 100–119: β {beta}, {recipe}; without labels: β {free_beta}, {free_recipe}\n")
    CONSOLE.print("| volume | dynamics | energy | VoI | split, merge |\n|---|---|---|---|---|")
    for case in cases:
        for dynamics in DYNAMICS:
            report(make_cut(case, dynamics, options), dynamics, beta, recipe, published_beta, free_beta, free_recipe)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=2500, help="asked on each volume and fragmentation at most")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def make_cases(options: argparse.Namespace) -> list[Case]:
    """FIB-25 sample 2, sections 100–119 and 130–249, and VNC 16–19, with the student's boundary maps."""
    student, weights = shipped.read_student()
    settings = settings_for(weights, threads=options.threads)
    cases = []
    fib, vnc = (bank.DATASETS[name] for name in ("fib25_training_sample2", "vnc_stack1"))
    for name, card, split_name in (("FIB", fib, "all"), ("VNC 16–19", vnc, "validation")):
        sample, file = bank.load_sample(card, options.data, split_name), options.work / f"{card.name}.zarr"
        if not file.exists():
            write_boundary(draw_boundary(sample.image, student, settings=settings), file)
        boundary, intensity = open_boundary(file).load(), intensity_of(sample.image)
        ask = AskRecipe(contacts=2, reach=0) if sample.linked else AskRecipe(contacts=1, reach=1)
        spans = ((100, 120), (130, 250)) if sample.linked else ((0, 4),)
        for first, after in spans:
            box = Box((first, 0, 0), (after, *boundary.grid.shape[1:]))
            truth = relabel_components(sample.labels.crop(box)) if sample.linked else sample.labels
            own = f"FIB-25 {first}–{after - 1}" if sample.linked else name
            image, drawn = sample.image.crop(box), BoundaryMap(boundary.read(box), sample.image.grid.crop(box))
            cases.append(
                Case(own, image, truth, drawn, intensity, sample.linked, replace(ask, prompts=options.prompts))
            )
    return cases


def make_cut(case: Case, dynamics: int, options: argparse.Namespace) -> Cut:
    """Fragments, graph, features and answers of a case."""
    _, weights = shipped.read_student()
    settings = replace(settings_for(weights), oversegment=replace(STANDARD, dynamics=dynamics))
    fragments = make_fragments(case.boundary, settings=settings)
    tiles = split(case.image.grid.shape, block=(32, 512, 512))
    faces = collect_faces(fragments.voxels, case.boundary.voxels, tiles=tiles, linked=False)
    graph = region_graph(fragments, case.boundary)
    if not case.linked:
        sums = (faces.count, faces.total, faces.minimum, faces.maximum)
        graph = RegionGraph(graph.sizes, faces.pairs.astype(np.uint64), *sums)
    teacher, _ = shipped.read_teacher()
    graph = node_vectors(graph, fragments, case.image, teacher, intensity=case.intensity)
    weighed = weigh_edges(graph, beta=0.5)
    asked = doubtful(weighed, recipe=case.ask)
    contacts = find_contacts(fragments, graph.edges[np.sort(asked)])
    plan = plan_prompts(weighed, contacts, asked, depth=case.image.grid.shape[0], recipe=case.ask)
    folder = options.work / f"{case.name}-{dynamics}-{case.ask.prompts}".replace(" ", "-")
    folder.mkdir(exist_ok=True)
    started = time.process_time()
    tables, fresh = answer(case, fragments, plan, teacher.prompter(case.intensity), folder)
    per_second = fresh / max(1e-9, time.process_time() - started)
    truths, _ = answer(case, fragments, plan, Oracle(case.truth), None)
    likeness = centre_likeness(graph, touch_in_section(graph, faces.pairs))
    return Cut(case, fragments, graph, likeness, tables, truths, per_second)


def answer(
    case: Case, fragments: Labels, plan: Plan, prompter: Prompter, folder: Path | None
) -> tuple[list[Table], int]:
    """The table of each section, from its file where it has one; and how many prompts were answered now."""
    ask, tables, fresh = AskSections(case.image, fragments, lambda: prompter, plan, case.ask), [], 0
    for z, tile in enumerate(split(case.image.grid.shape, block=(1, *case.image.grid.shape[1:]))):
        file = folder / f"{z}.safetensors" if folder else None
        if file is None or not file.exists():
            table = ask(tile).tables
            fresh += plan.take(np.flatnonzero(plan.shown == z)).prompts
            if file is not None:
                write_table(file, table)
        tables.append(TableFile(file).load() if file is not None else table)
    return tables, fresh


def choose(cut: Cut) -> tuple[float, EnergyRecipe]:
    """β for the boundary alone, then the weights at this β, with the least VoI."""
    errors = {beta: voi_of(cut, weigh_edges(cut.graph, beta=beta))[0] for beta in BETAS}
    CONSOLE.print("VoI by β: " + ", ".join(f"{b} {e:.3f}" for b, e in errors.items()))
    beta = min(errors, key=lambda b: errors[b])
    evidence = join_evidence(cut.tables)
    trials = {r: voi_of(cut, energy(cut, evidence, beta, r))[0] for r in GRID_OF_WEIGHTS}
    for recipe, error in sorted(trials.items(), key=lambda item: item[1])[:5]:
        CONSOLE.print(f"VoI {error:.3f}  λ {recipe}")
    return beta, min(trials, key=lambda r: trials[r])


def choose_published(cut: Cut) -> float:
    """β for the published sums, which call for a larger one, with the least VoI."""
    evidence = join_evidence(cut.tables)
    errors = {
        b: voi_of(cut, add_published(weigh_edges(cut.graph, beta=b), evidence))[0] for b in (0.9, 0.8, 0.7, *BETAS)
    }
    CONSOLE.print("VoI of the published sums by β: " + ", ".join(f"{b} {e:.3f}" for b, e in errors.items()))
    return min(errors, key=lambda b: errors[b])


def choose_without_labels(fine: Cut, coarse: Cut) -> tuple[float, EnergyRecipe]:
    """The same by stability: β between two fragmentations, the weights between halves of the answers."""
    cells = overlay(fine.fragments, coarse.fragments)
    betas = calibrate_beta((fine.graph, coarse.graph), cells, cutter=solve)
    CONSOLE.print("instability by β: " + ", ".join(f"{b} {e:.3f}" for b, e in betas.curve))
    reading = read_overlap(weigh_edges(coarse.graph, beta=betas.choice), join_evidence(coarse.tables))
    weights = calibrate_weights(
        coarse.graph, coarse.tables, beta=betas.choice, cutter=solve, overlap=reading, repeats=4
    )
    said = (f"λ_s {r.prompts}, lifted {r.lifted}: {e:.3f}" for r, e in weights.curve)
    CONSOLE.print("instability by weights: " + "; ".join(said))
    return betas.choice, weights.choice


def report(
    cut: Cut,
    dynamics: int,
    beta: float,
    recipe: EnergyRecipe,
    published_beta: float,
    free_beta: float,
    free_recipe: EnergyRecipe,
) -> None:
    """The rows of one fragmentation."""
    evidence, truths = join_evidence(cut.tables), join_evidence(cut.truths)
    plain, flat = weigh_edges(cut.graph, beta=beta), replace(recipe, lifted=0.0)
    full = EnergyRecipe(recipe.features, 1.0, 0.0)
    rows = {
        f"boundary alone, β {beta}": plain,
        "chosen λ without lifted edges": energy(cut, evidence, beta, flat),
        "chosen λ": energy(cut, evidence, beta, recipe),
        "λ_s = 1": energy(cut, evidence, beta, full),
        "λ_s = 1, lifted 0.5": energy(cut, evidence, beta, replace(full, lifted=0.5)),
        "λ_s = 1, overlap centred at 0.5": centred(cut, evidence, beta, full),
        "λ_s = 1, lifted 0.5, overlap centred at 0.5": centred(cut, evidence, beta, replace(full, lifted=0.5)),
        f"published sums, β {published_beta}": add_published(weigh_edges(cut.graph, beta=published_beta), evidence),
        f"no labels, boundary alone, β {free_beta}": weigh_edges(cut.graph, beta=free_beta),
        "no labels, with prompts": energy(cut, evidence, free_beta, free_recipe),
        "true answers, λ_s = 1": centred(cut, truths, beta, EnergyRecipe()),
        "true answers, λ_s = 1, lifted 0.5": centred(cut, truths, beta, EnergyRecipe(lifted=0.5)),
    }
    for name, graph in rows.items():
        voi, parts, merges = voi_of(cut, graph)
        CONSOLE.print(f"| {cut.case.name} | {dynamics} | {name} | {voi:.3f} | {parts:.3f}, {merges:.3f} |")
    asked = find_pairs(evidence.pairs, cut.graph.edges)
    share = (asked >= 0).sum() / len(cut.graph.edges)
    reading = read_overlap(plain, evidence)
    said = f"{len(cut.graph.sizes)} fragments, {share:.0%} of {len(cut.graph.edges)} edges asked"
    said += f", {(asked < 0).sum()} lifted"
    said += f", {cut.per_second:.0f} prompts per CPU-second" if cut.per_second else ""
    said += f", trust {trust_of(evidence):.2f}, reading {reading.middle:.3f} × {reading.slope:.2f}"
    CONSOLE.print(f"| {cut.case.name} | {dynamics} | fragments joined by truth | {oracle_of(cut):.3f} | ({said}) |")


def energy(cut: Cut, evidence: Evidence, beta: float, recipe: EnergyRecipe) -> RegionGraph:
    """Our energy, with readings learned from the boundary."""
    graph = weigh_edges(cut.graph, beta=beta)
    likeness = learn_reading(likenesses(graph, graph.edges), costs_of(graph))
    overlap = read_overlap(graph, evidence)
    return add_evidence(graph, evidence, recipe=recipe, trust=trust_of(evidence), overlap=overlap, likeness=likeness)


def centred(cut: Cut, evidence: Evidence, beta: float, recipe: EnergyRecipe) -> RegionGraph:
    """Our energy, with overlap centred at one half and likeness at its median."""
    graph = weigh_edges(cut.graph, beta=beta)
    return add_evidence(graph, evidence, recipe=recipe, trust=trust_of(evidence), likeness=cut.likeness)


def read_overlap(graph: RegionGraph, evidence: Evidence) -> Reading:
    """How overlaps are read, learned from the boundary's votes."""
    return learn_reading(evidence.of_pairs(graph.edges).overlap, costs_of(graph))


def voi_of(cut: Cut, graph: RegionGraph) -> tuple[float, float, float]:
    """VoI and its two halves, of the volume or in the mean of its sections."""
    objects = relabel(cut.fragments, solve(graph))
    scores = [score(labels, truth) for labels, truth in parts_of(cut, objects)]
    split_bits, merge_bits = (
        float(np.mean(v)) for v in zip(*((s.voi_split, s.voi_merge) for s in scores), strict=True)
    )
    return split_bits + merge_bits, split_bits, merge_bits


def solve(graph: RegionGraph) -> NDArray[np.int64]:
    """The cheaper cut of two solvers, so that rows differ by their energy and less by how well it was minimised."""
    ends = np.array([[1, len(graph.sizes)]], np.uint64)
    silent = replace(graph, lifted_edges=ends, lifted_costs=np.zeros(1))
    heard = silent if graph.lifted_edges is None else graph
    cuts = [CUTTERS[name](heard) for name in ("lifted", "multicut")]
    return min(cuts, key=lambda clusters: lifted_energy_of(heard, clusters))


def oracle_of(cut: Cut) -> float:
    """The VoI that the fragments allow."""
    oracles = [score(f, t, fragments=f).oracle for f, t in parts_of(cut, cut.fragments)]
    return float(np.mean([each.voi for each in oracles if each is not None]))


def parts_of(cut: Cut, labels: Labels) -> list[tuple[Labels, Labels]]:
    """Labels and truth of the volume, or of each section."""
    if cut.case.linked:
        return [(labels, cut.case.truth)]
    tiles = split(labels.grid.shape, block=(1, *labels.grid.shape[1:]))
    return [(labels.crop(tile.write), cut.case.truth.crop(tile.write)) for tile in tiles]


if __name__ == "__main__":
    main()
