"""Choose settings without labels: those under which two looks at one volume are cut most alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float64, Int64

from savem3.blocks import Tables
from savem3.graphcut.clusters import Cutter
from savem3.graphcut.energy import EnergyRecipe, add_evidence
from savem3.graphcut.evidence import Evidence, join_evidence, trust_of
from savem3.graphcut.overlay import Overlay
from savem3.graphcut.reading import Reading
from savem3.graphcut.weigh import CERTAIN, weigh_edges
from savem3.regions import RegionGraph

Setting = TypeVar("Setting")
Clusters = Int64[np.ndarray, " node"]

CutTwice = Callable[[Setting, np.random.Generator], tuple[Clusters, Clusters]]
"""Two cuts of the same things under one setting, each from a look of its own."""

TOLERANCE = 0.02
"""Instabilities that differ by no more count as equal."""

BETAS = tuple(round(0.05 * n, 2) for n in range(19, 0, -1))
"""0.95 to 0.05. What joins least comes first: false joins spread with the size of a volume and cost more than false
cuts."""

ALL_JOINED = 0.05
"""Cuts whose entropy is below this share of that of what is cut count as all joined."""

WEIGHTS = tuple(
    EnergyRecipe(prompts=p, lifted=w * p) for p in (0.0, 0.25, 0.5, 1.0, 2.0) for w in (0.0, 0.5) if p or not w
)
"""λ of the prompts, without lifted edges and with them at half the weight; the plain multicut comes first."""


@dataclass(frozen=True, slots=True)
class Calibration(Generic[Setting]):
    """What was chosen, and among what.

    Parameters
    ----------
    choice
        The first setting that is as stable as any.
    curve
        Each setting with its mean instability; see `instability`.
    """

    choice: Setting
    curve: tuple[tuple[Setting, float], ...]


@dataclass(frozen=True, slots=True)
class TwoLooks:
    """Two fragmentations of one volume.

    Parameters
    ----------
    graphs
        From `region_graph`, of each.
    cells
        The two laid over each other.
    """

    graphs: tuple[RegionGraph, RegionGraph]
    cells: Overlay

    def cut_at(self, beta: float, cutter: Cutter) -> tuple[Clusters, Clusters]:
        """The cluster that each cell falls into, by the cut of either fragmentation."""
        first, second = (cutter(weigh_edges(graph, beta=beta)) for graph in self.graphs)
        return first[self.cells.cells[:, 0] - 1], second[self.cells.cells[:, 1] - 1]


def calibrate(
    settings: Sequence[Setting],
    cut_twice: CutTwice[Setting],
    *,
    sizes: Int64[np.ndarray, " node"],
    repeats: int = 1,
    seed: int = 0,
) -> Calibration[Setting]:
    """The first setting whose two cuts differ no more than those of any other, but for `TOLERANCE`.

    Parameters
    ----------
    settings
        To choose from, the most cautious first.
    cut_twice
        Gives two cuts for a setting and a generator; all settings see the same generators.
    sizes
        Voxels of what is cut.
    repeats
        Pairs of cuts for each setting.
    seed
        Of the generators.

    Raises
    ------
    ValueError
        If there is nothing to choose from or to compare.
    """
    if not settings or repeats < 1:
        raise ValueError(f"settings and repeats must be at least 1, got {len(settings)} and {repeats}")
    curve = []
    for setting in settings:
        pairs = [cut_twice(setting, np.random.default_rng([seed, turn])) for turn in range(repeats)]
        curve.append((setting, float(np.mean([instability(a, b, sizes=sizes) for a, b in pairs]))))
    least = min(found for _, found in curve)
    return Calibration(next(setting for setting, found in curve if found <= least + TOLERANCE), tuple(curve))


def calibrate_beta(
    graphs: tuple[RegionGraph, RegionGraph], cells: Overlay, *, cutter: Cutter, betas: Sequence[float] = BETAS
) -> Calibration[float]:
    """Where to cut by the boundary alone: two fragmentations of the volume should give the same objects.

    Parameters
    ----------
    graphs
        From `region_graph`, of a finer and of a coarser fragmentation.
    cells
        The two fragmentations laid over each other.
    cutter
        Of `CUTTERS`.
    betas
        To choose from, the largest first.

    Notes
    -----
    Our choice. On FIB-25 sample 2, sections 100–119 (multicut, dynamics 1000 and 2000), instability is 0.34 at β =
    0.05, below 0.042 from 0.1 to 0.35, and rises from 0.06 at 0.4 to 0.16 at 0.6; the VoI to the truth is 2.34, least
    (1.07) from 0.2 to 0.3, 1.11 at 0.35 and 1.31 at 0.6. At the low end stability warns late: VoI is 1.56 at 0.1.
    """

    looks = TwoLooks(graphs, cells)
    return calibrate(betas, lambda beta, _: looks.cut_at(beta, cutter), sizes=cells.voxels)


def steadiest_beta(looks: Sequence[TwoLooks], *, cutter: Cutter, betas: Sequence[float] = BETAS) -> Calibration[float]:
    """Where to cut by the boundary alone: the β whose cuts differ least in the mean of several pairs of looks.

    Parameters
    ----------
    looks
        Pairs of fragmentations; those of one volume at several finenesses serve.
    cutter
        Of `CUTTERS`.
    betas
        To choose from, the largest first; of equally good ones the first is taken.

    Raises
    ------
    ValueError
        If there is nothing to compare.

    Notes
    -----
    Our choice, measured against truth in docs/experiments.md. No tolerance is given, unlike in `calibrate`: with the
    mean of two pairs, taking the cautious end of a plateau was no better there.
    """
    if not looks or not betas:
        raise ValueError(f"looks and betas must be at least 1, got {len(looks)} and {len(betas)}")
    curve = []
    for beta in betas:
        found = [instability(*pair.cut_at(beta, cutter), sizes=pair.cells.voxels) for pair in looks]
        curve.append((beta, float(np.mean(found))))
    return Calibration(min(curve, key=lambda point: point[1])[0], tuple(curve))


def calibrate_weights(
    graph: RegionGraph,
    tables: Tables,
    *,
    beta: float,
    cutter: Cutter,
    recipes: Sequence[EnergyRecipe] = WEIGHTS,
    overlap: Reading = Reading(),
    likeness: Reading = Reading(),
    jitter: float = 1.0,
    repeats: int = 2,
) -> Calibration[EnergyRecipe]:
    """How much prompts should weigh: cuts from a jittered boundary and half the sections' answers should agree.

    Parameters
    ----------
    graph
        From `region_graph`.
    tables
        Prompt evidence of each section.
    beta
        Where to cut.
    cutter
        Of `CUTTERS`; one that hears lifted edges if the recipes have them.
    recipes
        To choose from.
    overlap, likeness
        See `add_evidence`.
    jitter
        See `jitter_boundary`.
    repeats
        Pairs of cuts for each recipe.
    """

    def weigh(recipe: EnergyRecipe, evidence: Evidence, rng: np.random.Generator) -> Clusters:
        weighed = weigh_edges(jitter_boundary(graph, rng=rng, jitter=jitter), beta=beta)
        trust = trust_of(evidence)
        return cutter(add_evidence(weighed, evidence, recipe=recipe, trust=trust, overlap=overlap, likeness=likeness))

    def cut_twice(recipe: EnergyRecipe, rng: np.random.Generator) -> tuple[Clusters, Clusters]:
        halves = halve_evidence(tables, rng=rng)
        return weigh(recipe, halves[0], rng), weigh(recipe, halves[1], rng)

    return calibrate(recipes, cut_twice, sizes=graph.sizes, repeats=repeats)


def instability(a: Clusters, b: Clusters, *, sizes: Int64[np.ndarray, " node"]) -> float:
    """How much two cuts of the same things differ, as a share of how far they are from the trivial ones.

    The variation of information between them, divided by the distance of their mean to the nearer of two cuts that
    every input allows: nothing joined, and all joined. So neither looks stable: where there is no distance, or nearly
    all is joined (`ALL_JOINED`), it is at least 1.

    Source: stability as a criterion without labels is common in clustering; the yardstick is our choice.
    """
    common, nothing = _entropy(sizes, a, b), _entropy(sizes, np.arange(len(sizes)))
    one, other = _entropy(sizes, a), _entropy(sizes, b)
    differ, mean = max(0.0, 2 * common - one - other), (one + other) / 2
    yardstick = min(nothing - mean, mean)
    found = differ / yardstick if yardstick > 1e-9 else 1.0
    return max(1.0, found) if mean < ALL_JOINED * nothing else found


def jitter_boundary(graph: RegionGraph, *, rng: np.random.Generator, jitter: float) -> RegionGraph:
    """The graph with normal noise of this deviation on the log-odds of each edge's mean boundary."""
    p = np.clip(graph.mean / 255, CERTAIN, 1 - CERTAIN)
    odds = np.log(p / (1 - p)) + rng.normal(0, jitter, len(p))
    return replace(graph, total=np.rint(255 * graph.count / (1 + np.exp(-odds))).astype(np.int64))


def halve_evidence(tables: Tables, *, rng: np.random.Generator) -> tuple[Evidence, Evidence]:
    """The evidence of two halves of the sections, drawn by chance."""
    order = rng.permutation(len(tables)).tolist()
    middle = len(order) // 2
    first, second = (join_evidence([tables[i] for i in sorted(half)]) for half in (order[:middle], order[middle:]))
    return first, second


def _entropy(sizes: Int64[np.ndarray, " node"], *cuts: Clusters) -> float:
    """Entropy of what several cuts have in common, in bits; each thing weighs its voxels."""
    part = np.unique(np.stack(cuts, 1), axis=0, return_inverse=True)[1].reshape(-1)
    share: Float64[np.ndarray, " part"] = np.bincount(part, sizes) / max(1, int(sizes.sum()))
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())
