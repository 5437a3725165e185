"""Exporting: a run directory or a volume → a folder or file that another program reads, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from savem3 import __version__
from savem3.directory import read_record
from savem3.export import (
    COLUMNS,
    LAYER,
    Measured,
    agglomeration_of,
    body_columns,
    central_voxels,
    contact_columns,
    join_meshes,
    link,
    measure,
    mesh_tiles,
    prepare,
    skeletonise,
    write_agglomeration,
    write_bioimageio,
    write_csv,
    write_data_source,
    write_meshes,
    write_obj,
    write_parquet,
    write_ply,
    write_precomputed,
    write_properties,
    write_skeletons,
    write_swc,
)
from savem3.export.meshes import Mesh
from savem3.graphcut import graph_in
from savem3.grid import Shape
from savem3.request import Machine, Source
from savem3.runs.output import refuse_existing
from savem3.store import completed, write_boundary, write_image, write_labels
from savem3.store.location import destination
from savem3.store.tables import TableFile
from savem3.volume import BoundaryMap, Image, Labels
from savem3.watch import Watch

ORIGIN = "export.json"
"""Beside what is exported: what it was made from."""

SHOWN = ("volume_um3", "surface_um2", "length_um", "fragments", "touches_border")
"""Columns that Neuroglancer lists."""


SHOWN_CROP = (24, 128, 128)
"""Voxels of the bundled crop that a package's test has."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What is exported: a run directory, or labels alone.

    Parameters
    ----------
    path
        As the user wrote it.
    source
        How to read it.
    raw
        The image, where it is to go along.
    """

    path: str
    source: Source = Source()
    raw: str | None = None

    @property
    def is_run(self) -> bool:
        """Whether it is a run directory."""
        return (Path(self.path) / "run.json").is_file()

    def labels(self) -> Labels:
        """The objects."""
        return self.source.open_labels(f"{self.path}/labels.zarr" if self.is_run else self.path)

    def fragments(self) -> Labels:
        """The fragments of a run."""
        self._must_be_run("fragments")
        return self.source.open_labels(f"{self.path}/fragments.zarr")

    def boundary(self) -> BoundaryMap | None:
        """The boundary map, if there is one."""
        path = Path(self.path) / "boundary.zarr"
        return self.source.open_boundary(str(path)) if self.is_run and path.is_dir() else None

    def image(self) -> Image | None:
        """The image, if it was named."""
        return None if self.raw is None else self.source.open_image(self.raw)

    def graph(self) -> TableFile:
        """The region graph of a run, with its clusters."""
        self._must_be_run("a region graph")
        return TableFile(Path(self.path) / "graph.safetensors")

    def fragment_counts(self) -> dict[int, int] | None:
        """Fragments of each object, where the whole run is exported."""
        if not self.is_run or self.source.sections is not None or not (Path(self.path) / "graph.safetensors").is_file():
            return None
        ids, counts = np.unique(np.asarray(self.graph()["clusters"][...]), return_counts=True)
        return dict(zip(ids.tolist(), counts.tolist(), strict=True))

    def origin(self, kind: str, **options: object) -> dict[str, Any]:
        """What is recorded beside an export."""
        run = read_record(Path(self.path)).get("identity") if self.is_run else None
        what = {"export": kind, "from": Path(self.path).name, "savem3": __version__, "options": options}
        return {**what, "source": asdict(self.source), "raw": self.raw and Path(self.raw).name, "run": run}

    def _must_be_run(self, wanted: str) -> None:
        if not self.is_run:
            raise ValueError(f"path must be a run directory to have {wanted}, got '{self.path}'")


def run_precomputed(
    what: Exported,
    out: Path,
    *,
    meshes: bool,
    skeletons: bool,
    error_nm: float,
    smallest: int,
    machine: Machine,
    overwrite: bool,
    watch: Watch,
    block: Shape = (128, 128, 128),
) -> None:
    """A folder of Neuroglancer volumes: ``labels`` with properties, meshes and skeletons; ``boundary``; ``image``."""
    refuse_existing(out, overwrite=overwrite)
    labels = what.labels()
    volumes = {"labels": labels, "boundary": what.boundary(), "image": what.image()}
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir()
        for name, volume in volumes.items():
            if volume is not None:
                with watch.stage(name) as counter:
                    write_precomputed(volume, folder / name, block=block, progress=counter)
        home = folder / "labels"
        measured = _measured(what, labels, machine=machine, watch=watch)
        if meshes:
            with watch.stage("meshes") as counter:
                write_meshes(labels, home / "mesh", error_nm=error_nm, workers=machine.workers, progress=counter)
            link(home, mesh="mesh")
        lengths = None
        if skeletons:
            with watch.stage("skeletons") as counter:
                made = skeletonise(labels, measured.bodies, smallest=smallest, progress=counter)
                written = write_skeletons(made, home / "skeletons")
            lengths = {body: skeleton.length_um for body, skeleton in written.items()}
            link(home, skeletons="skeletons")
        columns = body_columns(measured.bodies, labels.grid, lengths_um=lengths, fragments=what.fragment_counts())
        shown = {name: np.nan_to_num(columns[name]) for name in SHOWN if name in columns}
        write_properties(measured.bodies.ids.tolist(), shown, home / "segment_properties", described=COLUMNS)
        link(home, segment_properties="segment_properties")
        _record(folder, what.origin("precomputed", meshes=meshes, skeletons=skeletons, error_nm=error_nm))


def run_webknossos(what: Exported, out: Path, *, name: str, machine: Machine, overwrite: bool, watch: Watch) -> None:
    """A data set of WEBKNOSSOS: fragments as OME-NGFF, and the agglomeration that joins them."""
    refuse_existing(out, overwrite=overwrite)
    if what.source.sections is not None:
        raise ValueError(
            f"--sections must be left out, since the graph is of the whole run, got {what.source.sections}"
        )
    fragments, table = what.fragments(), what.graph()
    graph = graph_in(table, columns=("sizes", "edges", "count", "total", "minimum", "maximum"))
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir()
        with watch.stage("fragments") as counter:
            write_labels(fragments, folder / f"{LAYER}.zarr", progress=counter)
        (folder / f"{LAYER}.zarr").rename(folder / LAYER)
        with watch.stage("measure") as counter:
            bodies = measure(fragments, workers=machine.workers, progress=counter).bodies
        if not np.array_equal(bodies.ids, np.arange(1, len(graph.sizes) + 1)):
            raise ValueError(f"fragments must be numbered 1 to {len(graph.sizes)}, got {len(bodies.ids)} others")
        with watch.stage("positions") as counter:
            places = central_voxels(fragments, bodies, workers=machine.workers, progress=counter)
        agglomeration = agglomeration_of(graph, np.asarray(table["clusters"][...]), places)
        write_agglomeration(agglomeration, folder / LAYER / "agglomerates" / name)
        write_data_source(folder, name=out.name, grid=fragments.grid, largest=len(graph.sizes), agglomeration=name)
        _record(folder, what.origin("webknossos", name=name))


def run_volume(
    what: Exported,
    out: Path,
    *,
    kind: Literal["labels", "fragments", "boundary", "image"],
    overwrite: bool,
    watch: Watch,
) -> None:
    """One volume in the format that the ending of ``out`` names; ids that do not fit are refused."""
    refuse_existing(out, overwrite=overwrite)
    volume = {"labels": what.labels, "fragments": what.fragments, "boundary": what.boundary, "image": what.image}[
        kind
    ]()
    if volume is None:
        raise ValueError(f"path must have a volume '{kind}' (--raw names an image), got '{what.path}'")
    with watch.stage("write") as counter:
        if isinstance(volume, Labels):
            write_labels(volume, out, overwrite=overwrite, progress=counter)
        elif isinstance(volume, BoundaryMap):
            write_boundary(volume, out, overwrite=overwrite, progress=counter)
        else:
            write_image(volume, out, overwrite=overwrite, progress=counter)
    file = destination(out).file
    _write_json(file.with_name(f"{file.name}.{ORIGIN}"), what.origin("volume", what=kind))


def run_meshes(
    what: Exported,
    out: Path,
    *,
    ids: Sequence[int],
    form: Literal["obj", "ply"],
    error_nm: float,
    machine: Machine,
    overwrite: bool,
    watch: Watch,
) -> None:
    """The surfaces of some objects, one file each."""
    refuse_existing(out, overwrite=overwrite)
    parts: dict[int, dict[int, Mesh]] = {}
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir()
        with watch.stage("meshes") as counter:
            made = mesh_tiles(what.labels(), ids=set(ids), error_nm=error_nm, workers=machine.workers, progress=counter)
            for tile, body, mesh in made:
                parts.setdefault(body, {})[tile] = mesh
        _refuse_absent(set(ids) - set(parts))
        for body, meshes in parts.items():
            write = write_obj if form == "obj" else write_ply
            write(join_meshes(meshes[tile] for tile in sorted(meshes)), folder / f"{body}.{form}")
        _record(folder, what.origin("meshes", ids=list(ids), form=form, error_nm=error_nm))


def run_skeletons(
    what: Exported, out: Path, *, ids: Sequence[int], smallest: int, machine: Machine, overwrite: bool, watch: Watch
) -> None:
    """The skeletons of all objects, or of some, as SWC files."""
    refuse_existing(out, overwrite=overwrite)
    labels = what.labels()
    bodies = _measured(what, labels, machine=machine, watch=watch).bodies
    _refuse_absent(set(ids) - set(bodies.ids.tolist()))
    if ids:
        chosen = np.isin(bodies.ids, np.array(ids, np.uint64))
        bodies = replace(bodies, **{name: getattr(bodies, name)[chosen] for name in asdict(bodies)})
    factors = {}
    with completed(out, overwrite=overwrite) as folder, watch.stage("skeletons") as counter:
        folder.mkdir()
        for skeleton in skeletonise(labels, bodies, smallest=1 if ids else smallest, progress=counter):
            write_swc(skeleton, folder / f"{skeleton.body}.swc")
            factors[skeleton.body] = skeleton.factor
        joined = {str(body): factor for body, factor in factors.items() if factor != (1, 1, 1)}
        _record(folder, what.origin("skeletons", ids=list(ids), smallest=smallest, joined_voxels=joined))


def run_tables(
    what: Exported,
    out: Path,
    *,
    form: Literal["csv", "parquet"],
    skeletons: bool,
    smallest: int,
    machine: Machine,
    overwrite: bool,
    watch: Watch,
    block: Shape = (128, 256, 256),
) -> None:
    """Tables of objects and of contacts, with columns.json that says what they hold."""
    refuse_existing(out, overwrite=overwrite)
    labels, boundary = what.labels(), what.boundary()
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir()
        measured = _measured(what, labels, machine=machine, watch=watch, block=block)
        lengths = None
        if skeletons:
            with watch.stage("skeletons") as counter:
                made = skeletonise(labels, measured.bodies, smallest=smallest, progress=counter)
                lengths = {skeleton.body: skeleton.length_um for skeleton in made}
        bodies = body_columns(measured.bodies, labels.grid, lengths_um=lengths, fragments=what.fragment_counts())
        contacts = contact_columns(measured.contacts, labels.grid, with_boundary=boundary is not None)
        write = write_csv if form == "csv" else write_parquet
        write(bodies, folder / f"bodies.{form}")
        write(contacts, folder / f"contacts.{form}")
        (folder / "columns.json").write_text(json.dumps(dict(COLUMNS), indent=1, ensure_ascii=False), encoding="utf-8")
        _record(folder, what.origin("tables", form=form, skeletons=skeletons, smallest=smallest))


def run_bioimageio(
    student: str, out: Path, *, name: str | None, author: str | None, overwrite: bool, watch: Watch
) -> None:
    """A student as a package of the BioImage Model Zoo, with the bundled crop as its test."""
    if out.suffix != ".zip":
        raise ValueError(f"out must end in .zip, got '{out}'")
    refuse_existing(out, overwrite=overwrite)
    import torch

    from savem3.shipped import find_model, read_example, read_student

    network, _ = read_student(student)
    raw = read_example()[0].voxels[: SHOWN_CROP[0], : SHOWN_CROP[1], : SHOWN_CROP[2]][None, None]
    with watch.stage("student"), torch.inference_mode():
        boundary = network(torch.from_numpy(prepare(raw))).sigmoid().numpy()
    with completed(out, overwrite=overwrite) as unfinished:
        called = name or f"savem3 student {Path(student).stem}"
        write_bioimageio(find_model(student), unfinished, name=called, raw=raw, boundary=boundary, author=author)


def _measured(
    what: Exported, labels: Labels, *, machine: Machine, watch: Watch, block: Shape = (128, 256, 256)
) -> Measured:
    with watch.stage("measure") as counter:
        return measure(labels, what.boundary(), block=block, workers=machine.workers, progress=counter)


def _refuse_absent(absent: set[int]) -> None:
    if absent:
        raise ValueError(f"ids must be objects of the volume, got {', '.join(map(str, sorted(absent)[:5]))}")


def _record(folder: Path, origin: dict[str, Any]) -> None:
    _write_json(folder / ORIGIN, origin)


def _write_json(path: Path, origin: dict[str, Any]) -> None:
    path.write_text(json.dumps(origin, indent=1, sort_keys=True), encoding="utf-8")
