"""How well calibrated probabilities hold, in tables and a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trust_truth import Judged, body_truth, read_cases

from savem3.bench.manifest import load_of_machine, sentence_of
from savem3.quality.bodies import BORDER_COLUMNS, SEAM_COLUMNS, body_evidence
from savem3.quality.calibration import Calibration
from savem3.quality.doubts import find_doubts
from savem3.quality.edges import wrongness
from savem3.quality.estimate import estimate_voi
from savem3.quality.odds import chance

BINS = 15
"""Of equal mass, for the expected calibration error."""

FIRST = (20, 50, 100)
"""So many of the first places of a list are looked at."""

DRAWS = 20
"""Random orders."""

TESTED = ("FIB-25 z 130–249", "VNC 16–19", "ISBI 20–29")
NAMES = {
    "joined": "joined contacts",
    "parted": "parted contacts",
    "merge": "bodies: a merge",
    "missing": "bodies: a part is missing",
}
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Probability, whether it was so, and how much that is to be trusted."""


def tell_places(calibration: Calibration, work: Path, *, out: Path) -> str:
    """All tables, for the cut that ships; kept in the folder."""
    cases = {place: [j for j in read_cases(work, (place,)) if is_shipped(j)] for place in TESTED}
    cases = {place: found for place, found in cases.items() if found}
    rows = [row for place, found in cases.items() for row in held_rows(place, calibration, found)]
    lists = [row for place, found in cases.items() for row in list_rows(place, calibration, found[0])]
    vois = [row for place, found in cases.items() for row in voi_rows(place, calibration, found)]
    gains = [row for place, found in cases.items() for row in gain_rows(place, calibration, found[0])]
    tables = {
        "Probabilities": rows,
        "Estimates of VoI": vois,
        "Precision of the first places": lists,
        "VoI after the first places are mended": gains,
    }
    draw({place: four(calibration, found[0]) for place, found in cases.items()}, out / "reliability.png")
    write_tables(tables, out / "results.csv")
    text = f"# How well probabilities of error hold\n\n`experiments/trust.py test`, {sentence_of(load_of_machine())}\n"
    text += "".join(f"\n## {name}\n\n{markdown(table)}" for name, table in tables.items())
    (out / "results.md").write_text(text, encoding="utf-8")
    return text


def write_tables(tables: Mapping[str, Sequence[dict[str, Any]]], path: Path) -> None:
    """Tables below each other, each with its own head; the first column names the table."""
    rows: list[list[Any]] = []
    for name, table in tables.items():
        rows += [["table", *table[0]], *([name, *row.values()] for row in table)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def is_shipped(judged: Judged) -> bool:
    """Whether a case is what a user gets: the shipped student, its cutter and β, nothing damaged."""
    case = judged.case
    return (case.student, case.damage, case.cutter, case.beta) == ("shipped", "none", "quantile", 0.9)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table with the keys as its head."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def four(calibration: Calibration, judged: Judged) -> dict[str, Columns]:
    """Of joined and parted edges, merges and missing parts of a case."""
    p = wrongness(calibration, judged.evidence)
    joined = judged.evidence.joined
    own = body_evidence(judged.case.graph, judged.case.segment_of, judged.evidence, p)
    merged, missing, known = body_truth(judged)
    merge = chance(calibration.merge.of(own.seams, SEAM_COLUMNS))
    lacking = chance(calibration.missing.of(own.borders, BORDER_COLUMNS))
    return {
        "joined": (p[joined], judged.wrong[joined], judged.weight[joined]),
        "parted": (p[~joined], judged.wrong[~joined], judged.weight[~joined]),
        "merge": (merge, merged, known * (own.seams[:, 0] > -20)),
        "missing": (lacking, missing, known),
    }


def held_rows(place: str, calibration: Calibration, cases: Sequence[Judged]) -> Iterable[dict[str, Any]]:
    """How well each of the four held on a place."""
    found = [four(calibration, judged) for judged in cases]
    for name, said in NAMES.items():
        p, wrong, weight = (np.concatenate([f[name][i] for f in found]) for i in (0, 1, 2))
        rate = float((weight * wrong).sum() / weight.sum())
        yield {
            "volume": place,
            "of": said,
            "n": int((weight > 0).sum()),
            "wrong": f"{rate:.3f}",
            "said": f"{(weight * p).sum() / weight.sum():.3f}",
            "ECE": f"{calibration_error(p, wrong, weight):.3f}",
            "Brier (a constant's)": f"{brier(p, wrong, weight):.3f} ({rate * (1 - rate):.3f})",
            "AUC": f"{area(p, wrong, weight):.3f}",
        }


def voi_rows(place: str, calibration: Calibration, cases: Sequence[Judged]) -> Iterable[dict[str, Any]]:
    """The estimate and the truth."""
    for judged in cases:
        graph, true = judged.case.graph, judged.case.scores()
        found = estimate_voi(calibration, graph, judged.case.segment_of, graph.sizes)
        yield {
            "volume": place,
            "cut": f"{judged.case.cutter} {judged.case.beta}",
            "estimate": f"{found.voi:.2f} ({found.low:.2f}–{found.high:.2f})",
            "true VoI": f"{true.voi:.2f}",
            "inside": "yes" if found.low <= true.voi <= found.high else "no",
            "split: said, true": f"{found.split:.2f}, {true.voi_split:.2f}",
            "merge: said, true": f"{found.merge:.2f}, {true.voi_merge:.2f}",
        }


@dataclass(frozen=True, slots=True)
class Listed:
    """All decisions that a list could name: their edges, whether they are wrong, and what each order sorts by."""

    edge: np.ndarray
    wrong: np.ndarray
    keys: dict[str, np.ndarray]

    def orders(self) -> dict[str, list[np.ndarray]]:
        """Rows in each order; several for the random one."""
        found = {name: [np.argsort(-key, kind="stable")] for name, key in self.keys.items()}
        rng = np.random.default_rng(0)
        return found | {"random": [rng.permutation(len(self.edge)) for _ in range(DRAWS)]}


def listed(calibration: Calibration, judged: Judged) -> Listed:
    """One decision for each seam, and for each two segments that touch; those that the truth does not know left out."""
    graph = judged.case.graph
    p = wrongness(calibration, judged.evidence)
    doubts = find_doubts(graph, judged.case.segment_of, p, most=len(graph.edges))
    known = judged.weight[doubts.edge] > 0
    edge = doubts.edge[known]
    impact, mean = doubts.impact[known].astype(np.float64), graph.mean[edge] / 255
    unsure = -np.abs(mean - cut_at(graph.mean / 255, judged.evidence.joined))
    keys = {
        "probability × √voxels (ours)": p[edge] * np.sqrt(impact),
        "probability × voxels": p[edge] * impact,
        "probability": p[edge],
        "boundary strength": unsure,
        "voxels": impact,
    }
    return Listed(edge, judged.wrong[edge], keys)


def cut_at(mean: np.ndarray, joined: np.ndarray) -> float:
    """The mean boundary value that tells joined from parted edges best."""
    order = np.argsort(mean, kind="stable")
    right = np.cumsum(np.where(joined[order], 1, -1))
    return float(mean[order][int(np.argmax(right))])


def list_rows(place: str, calibration: Calibration, judged: Judged) -> Iterable[dict[str, Any]]:
    """The share of wrong decisions among the first of each order."""
    found = listed(calibration, judged)
    for name, orders in found.orders().items():
        shares = {n: np.mean([found.wrong[o[:n]].mean() for o in orders]) for n in FIRST}
        yield {
            "volume": place,
            "decisions, wrong": f"{len(found.edge)}, {int(found.wrong.sum())}",
            "order": name,
            **{f"first {n}": f"{share:.2f}" for n, share in shares.items()},
        }


def gain_rows(place: str, calibration: Calibration, judged: Judged) -> Iterable[dict[str, Any]]:
    """VoI after a person who knows the truth mended what is wrong among the first places of each order."""
    found, before = listed(calibration, judged), judged.case.scores().voi
    for name, orders in found.orders().items():
        left = {n: np.mean([mended(judged, found.edge[o[:n]]) for o in orders[:3]]) for n in FIRST}
        yield {"volume": place, "order": name, "at first": f"{before:.3f}"} | {
            f"after {n}": f"{voi:.3f}" for n, voi in left.items()
        }


def mended(judged: Judged, edges: np.ndarray) -> float:
    """VoI after wrong decisions were undone: two segments become one; of a merged one, a body's fragments leave."""
    segment_of = judged.case.segment_of.astype(np.int64)
    for edge in edges[judged.wrong[edges]].tolist():
        u, v = (judged.case.graph.edges[edge].astype(np.int64) - 1).tolist()
        if segment_of[u] == segment_of[v]:
            if judged.body_of[u] != judged.body_of[v]:
                leaves = (segment_of == segment_of[u]) & (judged.body_of == judged.body_of[u])
                segment_of[leaves] = segment_of.max() + 1
        elif judged.body_of[u] == judged.body_of[v]:
            segment_of[segment_of == segment_of[v]] = segment_of[u]
    return judged.case.scores(segment_of).voi


def calibration_error(p: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> float:
    """Expected calibration error in `BINS` bins of equal mass."""
    return sum(w * abs(said - was) for w, said, was in reliability(p, wrong, weight))


def reliability(p: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> list[tuple[float, float, float]]:
    """Of each bin: its share of the weight, the mean of what was said, and the share that was so."""
    order = np.argsort(p, kind="stable")
    edges = np.searchsorted(np.cumsum(weight[order]), np.linspace(0, weight.sum(), BINS + 1)[1:-1])
    found = []
    for part in np.split(order, edges):
        mass = weight[part].sum()
        if mass > 0:
            said, was = (float((weight[part] * x[part]).sum() / mass) for x in (p, wrong))
            found.append((float(mass / weight.sum()), said, was))
    return found


def area(p: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> float:
    """Area under the ROC curve: how often something wrong is given the higher probability."""
    names = np.unique(p, return_inverse=True)[1]
    bad, good = np.bincount(names, weight * wrong), np.bincount(names, weight * ~wrong)
    below = np.cumsum(good) - good
    both = bad.sum() * good.sum()
    return float((bad * (below + good / 2)).sum() / both) if both > 0 else float("nan")


def brier(p: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> float:
    """Mean squared error of a probability."""
    return float((weight * (p - wrong) ** 2).sum() / weight.sum())


def draw(found: dict[str, dict[str, Columns]], path: Path) -> None:
    """The reliability diagram: what was said against what was so, a panel for each of the four."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(NAMES), figsize=(13, 3.6), layout="constrained", sharey=True)
    for panel, (name, said) in zip(panels, NAMES.items(), strict=True):
        panel.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for place, columns in found.items():
            _, x, y = np.array(reliability(*columns[name])).T
            panel.plot(x, y, "o-", markersize=4, linewidth=1.2, label=place)
        panel.set(title=said, xlabel="probability that was said", xlim=(0, 1), ylim=(0, 1))
    panels[0].set_ylabel("share that was so")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=80)
