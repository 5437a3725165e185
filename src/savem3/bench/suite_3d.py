"""The 3D table: boundary maps × ways to cut them, and what other tools left, scored on the same voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from savem3 import __version__
from savem3.bench.baselines import cut_pieces, link_sections, stack
from savem3.bench.cells import Cells
from savem3.bench.cutting import BETAS, choose, errors_of
from savem3.bench.manifest import digest_of_file
from savem3.bench.peers import open_peer, read_peers
from savem3.bench.published import TABLE_3
from savem3.bench.request import Bench
from savem3.bench.sheet import Sheet
from savem3.bench.sources import Seen, Source, raw_grey, students_of, teachers_of
from savem3.bench.tables import Table, grid_of
from savem3.bench.volumes import Truth, files_of, here, read_calibration, read_truth, volumes_in
from savem3.evaluate import join_by_truth, score, score_table
from savem3.graphcut import agglomerate_by_waterz
from savem3.store.location import find
from savem3.volume import Labels
from savem3.watch import Watch

CUTTERS = ("quantile", "multicut", "mean", "gasp_mean", "gasp_sum", "mutex")
LINKERS = ("iou", "confidence")
HERE: Mapping[str, Mapping[str, str]] = {
    "FIB-25": {
        "FFN, its published result": "fib25_training_sample2.h5:ffn_result",
        "NeuroProof, its fragments": "fib25_training_sample2.h5:neuroproof_overseg",
    }
}
"""Results of other tools that lie beside the data."""
SAYS = (
    "VoI in bits / ARand error, scikit-image's convention; voxels of truth 0 are ignored, unsegmented voxels of ours "
    "do not exist, those of other tools count as one segment (`results.csv` has CREMI's convention, and what is left "
    "where they are left out). β is chosen without labels, on the volume's own boundary map, for each cutter."
)


def run_3d(bench: Bench, *, watch: Watch) -> Sheet:
    """Every method on every volume that is here."""
    cells = Cells(bench.out / "cells-3d", bench.renew, bench.only_tables)
    inputs: list[Path] = []
    for name, named in here(volumes_in(bench.data), bench.data).items():
        inputs += files_of(named.card, bench.data)
        _run_volume(read_truth(name, bench.data, quick=bench.quick), bench, cells, watch=watch)
    sources = [*students_of(bench), *teachers_of(bench, planes=1)]
    inputs += [source.file for source in sources if source.file]
    pictures = {"voi": "VoI, bits", "arand_skimage": "ARand error"}
    return Sheet("3d", "Volumes", SAYS, _tables(cells, bench), cells.results, inputs, pictures)


def _run_volume(truth: Truth, bench: Bench, cells: Cells, *, watch: Watch) -> None:
    rows = _Rows(truth, bench, cells, watch)
    for source in [raw_grey(), *students_of(bench), *teachers_of(bench, planes=3)]:
        if source.name.endswith("three planes") and not truth.image.grid.is_isotropic:
            continue
        seen = rows.seen(source, truth.labels)
        rows.cut(seen, CUTTERS if source.card else ("quantile", "multicut"))
        rows.limits(seen)
        if source.card:
            rows.waterz(seen)
    for source in [*students_of(bench), *teachers_of(bench, planes=1)]:
        rows.link(rows.seen(source, truth.labels))
    rows.peers()


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of one column."""

    truth: Truth
    bench: Bench
    cells: Cells
    watch: Watch

    def seen(self, source: Source, labels: Labels) -> Seen:
        return Seen(source, self.truth.image, labels, self.bench.out / "maps", False, self.bench.threads)

    def cut(self, seen: Seen, cutters: Sequence[str]) -> None:
        """Each cutter at the β that it chooses without labels, and beside it at the one that calibration chose."""
        calibration = read_calibration(self.truth.name, self.bench.data, quick=self.bench.quick)
        tuned = None
        if calibration is not None:
            image, labels = calibration
            tuned = Seen(seen.source, image, labels, seen.kept, False, seen.threads)
        for cutter in cutters:
            self.do(f"{seen.source.name}, {cutter}", seen.source, partial(_cut, seen, tuned, self.truth, cutter))
        if seen.source.card:
            cutter, beta = seen.source.card
            row = f"{seen.source.name}, as its card says"
            self.do(row, seen.source, partial(_cut_at, seen, self.truth, cutter, beta))

    def limits(self, seen: Seen) -> None:
        """Fragments as they are, and the best that any joining of them could reach."""
        name = seen.source.name
        self.do(f"{name}, fragments alone", seen.source, lambda: _scored(seen.pieces[0].fragments, self.truth))
        self.do(f"{name}, fragments joined by the truth", seen.source, partial(_oracle, seen))

    def waterz(self, seen: Seen) -> None:
        """WaterZ itself, at the β of `quantile`."""
        self.do(f"{seen.source.name}, WaterZ", seen.source, partial(_waterz, seen, self.truth))

    def link(self, seen: Seen) -> None:
        """Sections cut one by one, their objects linked from section to section."""
        for linker in LINKERS:
            row = f"{seen.source.name}, sections linked by {linker}"
            self.do(row, seen.source, partial(_link, seen, self.truth, linker))

    def peers(self) -> None:
        """What other tools left."""
        name = self.truth.name
        beside = {row: str(self.bench.data / place) for row, place in HERE.get(name, {}).items()}
        for row, place in {**beside, **read_peers(self.bench.peers, volume=name)}.items():
            of = {"peer": digest_of_file(find(place).file), "place": Path(place).name}
            self._do(row, 0, of, lambda place=place: _scored_peer(open_peer(place, self.truth), self.truth))

    def do(self, row: str, source: Source, make: Any) -> None:
        self._do(row, source.seed, {"source": source.digest}, make)

    def _do(self, row: str, seed: int, of: Mapping[str, Any], make: Any) -> None:
        made_of = {"savem3": __version__, "volume": self.truth.of, **of}
        result = self.cells.do(row, self.truth.name, of=made_of, make=make, seed=seed)
        found = f"VoI {result.values['voi']:.3f}" if result.was_run else f"not run: {result.says['not run']}"
        self.watch.say(f"{self.truth.name}: {row}: {found}", row=row, column=self.truth.name, values=result.values)


Made = tuple[dict[str, float], dict[str, Any]]


def _scored(labels: Labels, truth: Truth, **says: Any) -> Made:
    numbers = score(labels, truth.labels).to_dict()
    return {name: value for name, value in numbers.items() if isinstance(value, int | float)}, says


def _scored_peer(labels: Labels, truth: Truth) -> Made:
    """Also with the unsegmented voxels left out, where there are any."""
    values, says = _scored(labels, truth, unsegmented="one segment")
    if values["unsegmented_share"] > 0:
        rest = score(labels, truth.labels, unsegmented="ignore")
        values |= {"voi_ignoring": rest.voi, "arand_ignoring": rest.arand_skimage}
    return values, says


def _cut_at(seen: Seen, truth: Truth, cutter: str, beta: float) -> Made:
    return _scored(cut_pieces(seen.pieces, cutter, beta=beta), truth, beta=beta)


def _cut(seen: Seen, tuned: Seen | None, truth: Truth, cutter: str) -> Made:
    beta = choose(seen.pieces, cutter)
    values, says = _cut_at(seen, truth, cutter, beta)
    if tuned is not None:
        best = min(BETAS, key=lambda b: sum(errors_of(tuned.pieces, cutter, b)[:2]))
        other, _ = _cut_at(seen, truth, cutter, best)
        values |= {"calibrated_voi": other["voi"], "calibrated_arand_skimage": other["arand_skimage"]}
        says["beta_by_labels"] = best
    return values, says


def _oracle(seen: Seen) -> Made:
    scores = score_table(join_by_truth(seen.pieces[0].pairs), unsegmented="segment").to_dict()
    return {name: value for name, value in scores.items() if isinstance(value, int | float)}, {"is": "a limit"}


def _waterz(seen: Seen, truth: Truth) -> Made:
    beta = choose(seen.pieces, "quantile")
    labels = agglomerate_by_waterz(seen.boundary, seen.pieces[0].fragments, 1 - beta)
    return _scored(labels, truth, beta=beta)


def _link(seen: Seen, truth: Truth, linker: str) -> Made:
    beta = choose(seen.sections, "quantile")
    flat = cut_pieces(seen.sections, "quantile", beta=beta)
    return _scored(link_sections(stack([flat]), seen.boundary, linker=linker, beta=beta), truth, beta=beta)


def _tables(cells: Cells, bench: Bench) -> list[Table]:
    columns = list(volumes_in(bench.data))
    told = " ".join(f"{name}: {named.says}." for name, named in volumes_in(bench.data).items())
    trained = "Several weights of one name are its seeds; a row without ± has one training."
    metrics = ("voi", "arand_skimage")
    rows = cells.results
    tuned = [r for r in rows if "calibrated_voi" in r.values]
    return [
        grid_of(rows, metrics, title="Volumes: VoI / ARand", says=f"{told} {trained}", columns=columns),
        grid_of([], metrics, title="Published", says="Other people's, on their data.", published=TABLE_3),
        grid_of(rows, ("voi_split", "voi_merge"), title="Split / merge", says="Bits.", columns=columns),
        grid_of(
            tuned,
            ("calibrated_voi", "calibrated_arand_skimage"),
            title="The same with β by labels: VoI / ARand",
            says="β of least VoI on sections 100–119 of FIB-25 sample 2, which are not scored.",
            columns=["FIB-25"],
        ),
    ]
