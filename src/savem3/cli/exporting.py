"""Commands that hand a result to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from savem3.cli.options import AsJson, On, Out, Overwrite, Read, app, watch_of
from savem3.request import Machine, Source

export = App(name="export", help="Hand a run, or labels alone, to other programs.")
app.command(export)

Run = Annotated[str, Parameter(help="A run directory, or the path of labels.")]
Raw = Annotated[str | None, Parameter(help="The image, to go along.")]
Error = Annotated[float, Parameter(help="How far simplification may move a surface, nm; 0 leaves every triangle.")]
Smallest = Annotated[int, Parameter(help="Voxels below which an object gets no skeleton.")]


@export.command
def precomputed(
    run: Run,
    out: Out,
    *,
    source: Read = Source(),
    raw: Raw = None,
    meshes: Annotated[bool, Parameter(help="Also surfaces.")] = False,
    skeletons: Annotated[bool, Parameter(help="Also skeletons.")] = False,
    error_nm: Error = 20.0,
    smallest: Smallest = 1000,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Neuroglancer volumes: labels with properties, meshes and skeletons, the boundary map, the image."""
    from savem3.runs.export import Exported, run_precomputed

    run_precomputed(
        Exported(run, source, raw),
        out,
        meshes=meshes,
        skeletons=skeletons,
        error_nm=error_nm,
        smallest=smallest,
        machine=machine,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@export.command
def webknossos(
    run: Run,
    out: Out,
    *,
    source: Read = Source(),
    name: Annotated[str, Parameter(help="Of the agglomeration.")] = "agglomerate_view_savem3",
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Fragments and the agglomeration that joins them, to proofread in WEBKNOSSOS."""
    from savem3.runs.export import Exported, run_webknossos

    what = Exported(run, source)
    run_webknossos(what, out, name=name, machine=machine, overwrite=overwrite, watch=watch_of(json))


@export.command
def volume(
    run: Run,
    out: Annotated[Path, Parameter(help="Its ending names the format: .zarr, .v2.zarr, .h5, .tif.")],
    *,
    source: Read = Source(),
    what: Annotated[
        Literal["labels", "fragments", "boundary", "image"], Parameter(help="Which volume; image needs --raw.")
    ] = "labels",
    raw: Raw = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """One volume as OME-NGFF 0.5 or 0.4, HDF5 or TIFF."""
    from savem3.runs.export import Exported, run_volume

    run_volume(Exported(run, source, raw), out, kind=what, overwrite=overwrite, watch=watch_of(json))


@export.command
def meshes(
    run: Run,
    out: Out,
    *,
    ids: Annotated[list[int], Parameter(help="Numbers of objects.", consume_multiple=True)],
    source: Read = Source(),
    form: Annotated[Literal["obj", "ply"], Parameter(name="--format", help="Of the files.")] = "ply",
    error_nm: Error = 20.0,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Surfaces of some objects, one file each."""
    from savem3.runs.export import Exported, run_meshes

    what = Exported(run, source)
    run_meshes(
        what,
        out,
        ids=ids,
        form=form,
        error_nm=error_nm,
        machine=machine,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@export.command
def skeletons(
    run: Run,
    out: Out,
    *,
    ids: Annotated[list[int] | None, Parameter(help="Numbers of objects; all.", consume_multiple=True)] = None,
    source: Read = Source(),
    smallest: Smallest = 1000,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Skeletons as SWC files, x, y, z and radius in nm."""
    from savem3.runs.export import Exported, run_skeletons

    run_skeletons(
        Exported(run, source),
        out,
        ids=ids or [],
        smallest=smallest,
        machine=machine,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@export.command
def tables(
    run: Run,
    out: Out,
    *,
    source: Read = Source(),
    form: Annotated[Literal["csv", "parquet"], Parameter(name="--format", help="Of the tables.")] = "csv",
    skeletons: Annotated[bool, Parameter(help="Also the length of skeletons; takes longer.")] = False,
    smallest: Smallest = 1000,
    machine: On = Machine(),
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Objects and contacts with their volumes, areas and places."""
    from savem3.runs.export import Exported, run_tables

    run_tables(
        Exported(run, source),
        out,
        form=form,
        skeletons=skeletons,
        smallest=smallest,
        machine=machine,
        overwrite=overwrite,
        watch=watch_of(json),
    )


@export.command
def bioimageio(
    student: Annotated[str, Parameter(help="A shipped student, or the path of a .safetensors file.")],
    out: Annotated[Path, Parameter(help="A new .zip.")],
    *,
    name: Annotated[str | None, Parameter(help="Of the model; made of the student's by default.")] = None,
    author: Annotated[str | None, Parameter(help="Who made the model; nobody is named otherwise.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """A student for the programs of the BioImage Model Zoo, as ONNX."""
    from savem3.runs.export import run_bioimageio

    run_bioimageio(student, out, name=name, author=author, overwrite=overwrite, watch=watch_of(json))
