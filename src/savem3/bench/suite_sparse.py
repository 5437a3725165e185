"""Sparse truth: labelled sections, a few labelled bodies, skeletons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from savem3 import __version__
from savem3.bench.baselines import cut_pieces
from savem3.bench.cells import Cells
from savem3.bench.cutting import Piece, choose, errors_of
from savem3.bench.peers import open_peer, read_peers
from savem3.bench.published import TABLE_4
from savem3.bench.request import Bench
from savem3.bench.sheet import Sheet
from savem3.bench.skeletons import TOLD, digest_of, skeletons_of, trace
from savem3.bench.sources import Seen, Source, raw_grey, students_of, teachers_of
from savem3.bench.suite_3d import HERE
from savem3.bench.tables import Table, grid_of
from savem3.bench.volumes import Truth, files_of, here, read_truth, sections_in, volumes_in
from savem3.evaluate import join_by_truth, score, score_table
from savem3.volume import Labels
from savem3.watch import Watch

CUTTERS = ("quantile", "multicut")
BODIES, LEAST_VOXELS = 20, 5000
"""Bodies of the truth that are kept of a volume, and how large each must be."""
SAYS = (
    "Scored is what little truth there is: single sections, 20 bodies of a volume, or skeletons. "
    "β is chosen without labels, on the volume's own boundary map."
)
Made = tuple[dict[str, float], dict[str, Any]]


def run_sparse(bench: Bench, *, watch: Watch) -> Sheet:
    """Every method on every kind of sparse truth that is here."""
    kinds = ("sections", "bodies", "skeletons")
    cells = {kind: Cells(bench.out / f"cells-{kind}", bench.renew, bench.only_tables) for kind in kinds}
    inputs: list[Path] = []
    columns = {**sections_in(bench.data), **volumes_in(bench.data)}
    for name, named in here(columns, bench.data).items():
        inputs += files_of(named.card, bench.data)
        truth = read_truth(name, bench.data, quick=bench.quick)
        if named.sectionwise:
            _run_sections(truth, bench, cells["sections"], watch=watch)
        else:
            _run_volume(truth, bench, cells, watch=watch)
    inputs += [source.file for source in [*students_of(bench), *teachers_of(bench, planes=1)] if source.file]
    results = [result for kind in kinds for result in cells[kind].results]
    pictures = {"voi": "VoI, bits", "erl_um": "ERL, µm"}
    return Sheet("sparse", "Sparse truth", SAYS, _tables(cells, bench), results, inputs, pictures)


def _run_sections(truth: Truth, bench: Bench, cells: Cells, *, watch: Watch) -> None:
    """Each section cut on its own."""
    for source in [raw_grey(), *students_of(bench), *teachers_of(bench, planes=1)]:
        seen = Seen(source, truth.image, truth.labels, bench.out / "maps", True, bench.threads)
        for cutter in CUTTERS:
            row = f"{source.name}, {cutter}"
            _do(cells, truth, row, source, partial(_mean_of_sections, seen, cutter), watch=watch)
        row = f"{source.name}, fragments joined by the truth"
        _do(cells, truth, row, source, partial(_limit_of_sections, seen), watch=watch)


def _mean_of_sections(seen: Seen, cutter: str) -> Made:
    beta = choose(seen.pieces, cutter)
    split, merge, arand = errors_of(seen.pieces, cutter, beta)
    values = {"voi_split": split, "voi_merge": merge, "voi": split + merge, "arand_skimage": arand}
    return values, {"beta": beta, "sections": len(seen.pieces)}


def _limit_of_sections(seen: Seen) -> Made:
    return _mean([_limit(piece) for piece in seen.pieces]), {"is": "a limit"}


def _limit(piece: Piece) -> dict[str, float]:
    scores = score_table(join_by_truth(piece.pairs), unsegmented="segment")
    return {name: getattr(scores, name) for name in ("voi_split", "voi_merge", "voi", "arand_skimage")}


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _run_volume(truth: Truth, bench: Bench, cells: Mapping[str, Cells], *, watch: Watch) -> None:
    """A few bodies, drawn anew for each seed, and skeletons."""
    skeletons = skeletons_of(truth.labels)
    for source in [raw_grey(), *students_of(bench), *teachers_of(bench, planes=3)]:
        if source.name.endswith("three planes") and not truth.image.grid.is_isotropic:
            continue
        seen = Seen(source, truth.image, truth.labels, bench.out / "maps", False, bench.threads)
        made = {cutter: cache(partial(_cut, seen, cutter)) for cutter in CUTTERS}
        for cutter, cut in made.items():
            row = f"{source.name}, {cutter}"
            for seed in range(bench.seeds):
                few = replace(source, seed=seed)
                _do(cells["bodies"], truth, row, few, partial(_score_few, cut, truth, seed), watch=watch)
            of = {"skeletons": digest_of(skeletons)}
            _do(cells["skeletons"], truth, row, source, partial(trace, cut, skeletons), watch=watch, of=of)
    beside = {row: str(bench.data / place) for row, place in HERE.get(truth.name, {}).items()}
    for row, place in {**beside, **read_peers(bench.peers, volume=truth.name)}.items():
        cut, source = cache(partial(open_peer, place, truth)), Source(row, 0, Path(place).name, lambda _: seen.boundary)
        for seed in range(bench.seeds):
            few = replace(source, seed=seed)
            _do(cells["bodies"], truth, row, few, partial(_score_few, cut, truth, seed), watch=watch)
        of = {"skeletons": digest_of(skeletons)}
        _do(cells["skeletons"], truth, row, source, partial(trace, cut, skeletons), watch=watch, of=of)


def _cut(seen: Seen, cutter: str) -> Labels:
    return cut_pieces(seen.pieces, cutter, beta=choose(seen.pieces, cutter))


def _score_few(cut: Callable[[], Labels], truth: Truth, seed: int) -> Made:
    """Against a few large bodies alone, as if nobody had drawn the others."""
    scores = score(cut(), few_bodies(truth.labels, seed=seed))
    return {"voi_split": scores.voi_split, "voi_merge": scores.voi_merge, "voi": scores.voi}, {"bodies": scores.bodies}


def few_bodies(truth: Labels, *, seed: int, number: int = BODIES, least: int = LEAST_VOXELS) -> Labels:
    """The truth with only so many of its larger bodies, drawn at random; all else is unknown.

    Parameters
    ----------
    truth
        Dense.
    seed
        Of the draw.
    number, least
        How many, and from how many voxels on; where none is so large, any.
    """
    voxels = np.asarray(truth.voxels[...])
    names, sizes = np.unique(voxels[voxels > 0], return_counts=True)
    large = names[sizes >= least] if (sizes >= least).any() else names
    kept = np.random.default_rng(seed).permutation(large)[:number]
    return replace(truth, voxels=np.where(np.isin(voxels, kept), voxels, np.uint64(0)))


def _do(
    cells: Cells,
    truth: Truth,
    row: str,
    source: Source,
    make: Any,
    *,
    watch: Watch,
    of: Mapping[str, Any] | None = None,
) -> None:
    made_of = {"savem3": __version__, "volume": truth.of, "source": source.digest, **(of or {})}
    result = cells.do(row, truth.name, of=made_of, make=make, seed=source.seed)
    watch.say(f"{truth.name}: {row}: {dict(result.values)}", row=row, column=truth.name, values=result.values)


def _tables(cells: Mapping[str, Cells], bench: Bench) -> list[Table]:
    told = " ".join(f"{name}: {named.says}." for name, named in sections_in(bench.data).items())
    sections, bodies, skeletons = (cells[kind].results for kind in ("sections", "bodies", "skeletons"))
    return [
        grid_of(
            sections,
            ("voi", "arand_skimage"),
            title="Labelled sections: VoI / ARand",
            says=f"Each section cut and scored on its own, the mean over sections. {told}",
            columns=list(sections_in(bench.data)),
        ),
        grid_of(
            bodies,
            ("voi_split", "voi_merge"),
            title="Labelled bodies: VoI split / merge",
            says=f"{BODIES} bodies of at least {LEAST_VOXELS} voxels, drawn anew for each seed; ± over draws.",
            columns=list(volumes_in(bench.data)),
        ),
        grid_of(
            skeletons,
            ("erl_um", "forgiving_erl_um"),
            title="Skeletons: ERL in µm, strict / forgiving",
            says=TOLD,
            columns=list(volumes_in(bench.data)),
        ),
        grid_of([], (), title="Published: ERL, nm", says="Other people's, on their data.", published=TABLE_4),
    ]
