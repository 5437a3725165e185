"""Fit the calibration that ships, and say how well it holds on volumes that did not fit it.

    python experiments/trust_cases.py PLACE ... --data DIR --work CASES     # makes what follows reads
    python experiments/trust.py fit --work CASES [--write CALIBRATION.json]
    python experiments/trust.py test --work CASES --out FOLDER

`fit` fits on `trust_cases.FITTED` alone: no label of these trained the shipped student, and all their licences allow
what is made of them to ship. It tells how each kind of volume is judged by what was fitted on the others.
`test` reads the shipped calibration and fits nothing; FOLDER gets results.md, results.csv and reliability.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.optimize import nnls
from trust_cases import FITTED
from trust_told import tell_places
from trust_truth import Judged, body_truth, kind_of, read_cases

from savem3.quality.bodies import BORDER_COLUMNS, SEAM_COLUMNS, body_evidence
from savem3.quality.calibration import Calibration, VoiScale, read_calibration, write_calibration
from savem3.quality.edges import COLUMNS
from savem3.quality.estimate import Drawn, draw_voi, scale_voi
from savem3.quality.odds import Odds, chance, fit_odds, fit_stretch

CONSOLE = Console(highlight=False, width=170)
PLACE_ROWS = 1000
"""What all edges, or all bodies, of a place count together, so that no volume and no number of cuts dominates."""

SHIPPED_CUT = 3.0
"""How much more the cut that ships counts than each other one."""

COVER = 0.9
"""Share of the cases of volumes left out that the interval of VoI is to hold."""
NO_SCALE = VoiScale(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def weights_of(cases: Sequence[Judged], rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Weights under which each kind of volume counts the same, and the shipped cut more than others."""
    own = [np.asarray(w) * (SHIPPED_CUT if (j.case.cutter, j.case.beta) == ("quantile", 0.9) else 1.0)
           for j, w in zip(cases, rows, strict=True)]  # fmt: skip
    sums: dict[str, float] = {}
    for judged, weight in zip(cases, own, strict=True):
        sums[kind_of(judged.case.place)] = sums.get(kind_of(judged.case.place), 0.0) + float(weight.sum())
    return [w * (PLACE_ROWS / sums[kind_of(j.case.place)]) for j, w in zip(cases, own, strict=True)]


def fit_edges(cases: Sequence[Judged], *, joined: bool, columns: Sequence[str] = COLUMNS) -> Odds:
    """The model of joined, or of parted edges."""
    picked = [j.evidence.joined == joined for j in cases]
    weight = weights_of(cases, [j.weight * own for j, own in zip(cases, picked, strict=True)])
    take = [COLUMNS.index(name) for name in columns]
    return fit_odds(
        np.concatenate([j.evidence.table[own][:, take] for j, own in zip(cases, picked, strict=True)]),
        columns,
        np.concatenate([j.wrong[own] for j, own in zip(cases, picked, strict=True)]),
        np.concatenate([w[own] for w, own in zip(weight, picked, strict=True)]),
    )


def stretched(
    odds: Odds, held_out: Mapping[int, np.ndarray], rows: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> Odds:
    """The model, as sure as it proved to be on kinds of volumes that did not fit it."""
    said = np.concatenate([held_out[n] for n in held_out])
    happened, weight = (np.concatenate([rows[n][i] for n in held_out]) for i in (0, 1))
    slope, offset = fit_stretch(said, happened, weight)
    CONSOLE.print(f"  stretched by {slope:.2f}, moved by {offset:+.2f}")
    return odds.stretched(slope, offset)


def fit(cases: Sequence[Judged]) -> Calibration:
    """Everything, each step on what the steps before say of volumes that did not fit them."""
    kinds = sorted({kind_of(j.case.place) for j in cases})
    left = {kind: [j for j in cases if kind_of(j.case.place) != kind] for kind in kinds} if len(kinds) > 1 else {}
    left = left or {kinds[0]: list(cases)}
    models: dict[str, Odds] = {}
    probability = [np.zeros(len(j.wrong)) for j in cases]
    for name, joined in (("joined", True), ("parted", False)):
        apart = {kind: fit_edges(others, joined=joined) for kind, others in left.items()}
        own = {n: j.evidence.joined == joined for n, j in enumerate(cases)}
        said = {n: apart[kind_of(j.case.place)].of(j.evidence.table[own[n]], COLUMNS) for n, j in enumerate(cases)}
        weight = weights_of(cases, [j.weight * own[n] for n, j in enumerate(cases)])
        rows = {n: (j.wrong[own[n]], weight[n][own[n]]) for n, j in enumerate(cases)}
        CONSOLE.print(name)
        models[name] = stretched(fit_edges(cases, joined=joined), said, rows)
        slope, offset = fit_stretch(
            *(np.concatenate(c) for c in zip(*((said[n], *rows[n]) for n in said), strict=True))
        )
        for n in said:
            probability[n][own[n]] = chance(slope * said[n] + offset)
    models |= fit_bodies(cases, probability, left)
    return Calibration(
        **models, voi=fit_voi(cases, probability), fitted_on=tuple(dict.fromkeys(j.case.place for j in cases))
    )


def fit_bodies(
    cases: Sequence[Judged], probability: Sequence[np.ndarray], left: Mapping[str, Sequence[Judged]]
) -> dict[str, Odds]:
    """The models of merges and of missing parts."""
    evidence = [
        body_evidence(j.case.graph, j.case.segment_of, j.evidence, p) for j, p in zip(cases, probability, strict=True)
    ]
    truth = [body_truth(j) for j in cases]
    models = {}
    for name, columns in (("merge", SEAM_COLUMNS), ("missing", BORDER_COLUMNS)):
        tables = [e.seams if name == "merge" else e.borders for e in evidence]
        happened = [t[0] if name == "merge" else t[1] for t in truth]
        rows = [t[2] * (table[:, 0] > -20) for t, table in zip(truth, tables, strict=True)]
        weight = weights_of(cases, rows)

        def learn(kind: str | None, *, tables=tables, happened=happened, weight=weight, columns=columns) -> Odds:
            own = [n for n, j in enumerate(cases) if kind_of(j.case.place) != kind]
            parts = ([x[n] for n in own] for x in (tables, happened, weight))
            table, wrong, heavy = (np.concatenate(part) for part in parts)
            return fit_odds(table, columns, wrong, heavy)

        apart = {kind: learn(kind if len(left) > 1 else None) for kind in left}
        said = {n: apart[kind_of(j.case.place)].of(tables[n], columns) for n, j in enumerate(cases)}
        CONSOLE.print(name)
        models[name] = stretched(learn(None), said, {n: (happened[n], weight[n]) for n in said})
    return models


def fit_voi(cases: Sequence[Judged], probability: Sequence[np.ndarray]) -> VoiScale:
    """Scale, floor and width, the width on kinds of volumes left out."""
    by_volume, by_segment = spreads(cases, probability)
    scale = replace(NO_SCALE, by_volume=by_volume, by_segment=by_segment)
    drawn = [draw_case(j, p, scale) for j, p in zip(cases, probability, strict=True)]
    true = [j.case.scores() for j in cases]
    split, merge = np.array([t.voi_split for t in true]), np.array([t.voi_merge for t in true])
    weight = weights_of(cases, [np.ones(1) for _ in cases])
    heavy = np.array([w[0] for w in weight])
    kinds = np.array([kind_of(j.case.place) for j in cases])
    misses = np.zeros(len(cases))
    for kind in sorted(set(kinds)):
        own = kinds == kind
        others = ~own if (~own).any() else own
        fitted = scale_of(
            [drawn[n] for n in np.flatnonzero(others)], split[others], merge[others], heavy[others], scale
        )
        for n in np.flatnonzero(own):
            misses[n] = np.log((split[n] + merge[n]) / scale_voi(drawn[n], fitted).voi)
        CONSOLE.print(
            f"VoI, {kind} left out: log of true / estimated {misses[own].mean():+.2f} ± {misses[own].std():.2f}"
        )
    order = np.argsort(np.abs(misses))
    reached = np.searchsorted(np.cumsum(heavy[order]) / heavy.sum(), COVER)
    width = float(np.abs(misses)[order][min(reached, len(order) - 1)])
    fitted = scale_of(drawn, split, merge, heavy, scale)
    return replace(fitted, width=width, held=float((heavy * (np.abs(misses) <= width)).sum() / heavy.sum()))


def draw_case(judged: Judged, probability: np.ndarray, scale: VoiScale, draws: int = 20) -> Drawn:
    """What drawn truths say of a case."""
    graph, segment_of = judged.case.graph, judged.case.segment_of
    return draw_voi(graph, segment_of, graph.sizes, judged.evidence, probability, scale, seed=0, draws=draws)


def scale_of(
    drawn: Sequence[Drawn], split: np.ndarray, merge: np.ndarray, weight: np.ndarray, scale: VoiScale
) -> VoiScale:
    """The factors, none below 0, of the least squared relative error."""
    rough = np.array([d.rough for d in drawn])
    found = []
    for said, true in ((np.array([d.split for d in drawn]), split), (np.array([d.merge for d in drawn]), merge)):
        relative = np.sqrt(weight) / (true + 0.05)
        found.append(nnls(np.stack([said, rough], 1) * relative[:, None], true * relative)[0].tolist())
    (a, a0), (b, b0) = found
    return replace(scale, split=a, split_floor=a0, merge=b, merge_floor=b0)


def spreads(cases: Sequence[Judged], probability: Sequence[np.ndarray]) -> tuple[float, float]:
    """Standard deviations of what errors of a volume, and of a segment, have in common, in log-odds.

    By moments: twice the mean product of two residuals of one group, over the mean product of their variances.
    """
    sums = np.zeros((2, 2))
    for judged, p in zip(cases, probability, strict=True):
        kept = (judged.evidence.seam | ~judged.evidence.joined) & (judged.weight > 0)
        left, variance = (judged.wrong - p)[kept], (p * (1 - p))[kept]
        first = judged.case.graph.edges[kept, 0].astype(np.int64) - 1
        groups = np.unique(judged.case.segment_of[first], return_inverse=True)[1]
        for row, names in enumerate((np.zeros(len(left), np.int64), groups)):
            for column, value in enumerate((left, variance)):
                together = np.bincount(names, value) ** 2 - np.bincount(names, value**2)
                sums[row, column] += together.sum() / max(1, len(left) ** (2 - row))
    common = np.maximum(0.0, sums[:, 0] / np.maximum(1e-12, sums[:, 1]))
    volume, segment = np.sqrt(common[0]), np.sqrt(max(0.0, common[1] - common[0]))
    CONSOLE.print(f"common error in log-odds: of a volume {volume:.2f}, of a segment {segment:.2f}")
    return float(min(volume, 1.5)), float(min(segment, 1.5))


def main() -> None:
    """Fit, or test what was fitted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "test"))
    parser.add_argument("--work", type=Path, required=True, help="folder of the cases")
    parser.add_argument("--write", type=Path, help="where the calibration goes")
    parser.add_argument("--out", type=Path, help="folder of the tables and the picture")
    options = parser.parse_args()
    if options.what == "fit":
        calibration = fit(read_cases(options.work, FITTED))
        CONSOLE.print(calibration.voi)
        if options.write:
            write_calibration(calibration, options.write)
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        CONSOLE.print(tell_places(read_calibration(), options.work, out=options.out))


if __name__ == "__main__":
    main()
