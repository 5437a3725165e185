"""A check of one volume: what it is, what is wrong with it, and the same check at the door of other commands."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from savem3.check import Checked, bridge, check_image, draw_finding, find_bad_values
from savem3.grid import Grid, Nanometres, Shape
from savem3.plan import size_text
from savem3.request import Source, lengths_of
from savem3.runs.output import refuse_existing
from savem3.store import MissingVoxelSize, Stored, completed, open_stored
from savem3.volume import Image
from savem3.watch import Watch

PICTURES = 50
"""Findings that get a picture at most."""

HOLLOW = 1000
"""A file that declares so many times more bytes than it has is mostly empty, or cut off."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself.

    Parameters
    ----------
    path, format
        As the user wrote it, and who reads it.
    axes
        In the file's order, as they were understood.
    shape, dtype
        Voxels along z, y, x, and the number type.
    voxel_size, said_by
        Along z, y, x, nm, and where it is from.
    size_um
        Along z, y, x.
    volumes
        What else could be named in the file.
    declared_bytes, file_bytes
        Of the voxels, and on the disk where that is known.
    """

    path: str
    format: str
    axes: tuple[str, ...]
    shape: Shape
    dtype: str
    voxel_size: Nanometres
    said_by: str | None
    size_um: Nanometres
    volumes: tuple[str, ...]
    declared_bytes: int
    file_bytes: int | None


def open_checked(path: str, *, source: Source, watch: Watch) -> tuple[Image, Checked]:
    """Open an image, check it and mend it: what every command that sees a volume does at its door.

    What is found is warned of. Where bright membranes are found and the user said nothing of them, the image is read
    inverted; lost sections are bridged, where so few are lost in a row that this is safe.

    Parameters
    ----------
    path, source
        Which volume, and how it is to be read.
    watch
        Shows and times the stage ``check``.
    """
    image = source.open_image(path)
    with watch.stage("check") as counter:
        checked = check_image(image, progress=counter)
    for sentence in (*checked.warnings, *_of_invert(checked.inverted, source.invert)):
        warnings.warn(sentence, stacklevel=2)
    if checked.inverted and source.invert == "auto":
        image = source.open_image(path, inverted=True)
    return bridge(image, checked.lost), checked


def facts_of_check(checked: Checked) -> dict[str, object]:
    """What was found, for the record of a run."""
    return {
        "inverted": checked.inverted,
        "lost": [int(z) for z in checked.lost.nonzero()[0]],
        "findings": [asdict(finding) for finding in checked.findings],
    }


def run_check(
    path: str,
    *,
    source: Source,
    full: bool,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    watch: Watch,
) -> int:
    """Tell what a volume is and what is wrong with it.

    Parameters
    ----------
    path
        Of the volume.
    source
        How it is to be read.
    full
        See `check_image`.
    out, overwrite
        A folder for ``check.json``, ``sections.csv`` and a picture of each finding.
    as_json, watch
        How it is shown.

    Returns
    -------
    code
        0, with warnings too.

    Raises
    ------
    UnreadableVolume, MissingVoxelSize
        If a run would be refused as well.
    """
    if out is not None:
        refuse_existing(out, overwrite=overwrite)
    stored = open_stored(path, channel=source.channel)
    facts = facts_of(path, stored, lengths_of(source.voxel_size))
    said = [*_of_bytes(facts), *_of_bad_values(stored, source, watch=watch)]
    image = source.open_image(path)
    with watch.stage("check") as counter:
        checked = check_image(image, full=full, progress=counter)
    said += [*checked.warnings, *_of_invert(checked.inverted, source.invert)]
    if as_json:
        Console().out(json.dumps(_record(facts, checked, said)), highlight=False)
    else:
        show(facts, checked, said, console=Console(highlight=False))
    if out is not None:
        _keep(out, image, facts, checked, said, overwrite=overwrite)
    return 0


def facts_of(path: str, stored: Stored, voxel_size: Nanometres | None) -> Facts:
    """What a file says of itself.

    Raises
    ------
    MissingVoxelSize
        If neither the file nor the caller gives a voxel size.
    """
    size = voxel_size or stored.voxel_size
    if size is None:
        raise MissingVoxelSize(stored.name)
    edges = (float(size[0]), float(size[1]), float(size[2]))
    header, voxels = stored.header, stored.voxels
    return Facts(
        path=path,
        format=header.format,
        axes=header.axes,
        shape=voxels.shape,
        dtype=str(voxels.dtype),
        voxel_size=edges,
        said_by="--voxel-size" if voxel_size else header.size_from,
        size_um=Grid(voxels.shape, edges).size_um,
        volumes=header.volumes,
        declared_bytes=stored.declared_bytes,
        file_bytes=stored.file_bytes,
    )


def _of_bytes(facts: Facts) -> list[str]:
    """What the file declares, against what it has."""
    if facts.file_bytes is None or facts.declared_bytes <= HOLLOW * facts.file_bytes:
        return []
    return [
        f"the file declares {size_text(facts.declared_bytes)} and has {size_text(facts.file_bytes)}: most of it is "
        "empty, or parts are missing"
    ]


def _of_bad_values(stored: Stored, source: Source, *, watch: Watch) -> list[str]:
    """What is masked; what is not masked is refused when the image is opened."""
    if source.nan == "refuse":
        return []
    with watch.stage("values") as counter:
        bad = find_bad_values(stored, progress=counter)
    if bad.first is None:
        return []
    return [f"{bad.count} values are NaN or infinite, the first at z, y, x {bad.first}: they count as padding"]


def _of_invert(inverted: bool | None, invert: Literal["auto", "yes", "no"]) -> list[str]:
    """What the contrast says, against what the user says."""
    if not inverted:
        return []
    if invert == "yes":
        return ["with --invert yes membranes look bright: the volume is not inverted, leave --invert out"]
    if invert == "no":
        return ["membranes are bright in this volume: leave --invert no out, or pass --invert yes"]
    return ["membranes are bright in this volume: it is read inverted; pass --invert no if they are not"]


def show(facts: Facts, checked: Checked, said: list[str], *, console: Console) -> None:
    """The table for people."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, value in (
        ("volume", f"{facts.path} ({facts.format})"),
        ("axes", f"{', '.join(facts.axes)} in the file, read as z, y, x"),
        ("voxels", f"{' × '.join(map(str, facts.shape))}, {facts.dtype}, {size_text(facts.declared_bytes)}"),
        ("voxel size", f"{' × '.join(f'{edge:g}' for edge in facts.voxel_size)} nm, from {facts.said_by}"),
        ("size", f"{' × '.join(f'{edge:.3g}' for edge in facts.size_um)} µm"),
        ("membranes", {None: "cannot be told", True: "bright", False: "dark"}[checked.inverted]),
        ("lost sections", f"{int(checked.lost.sum())} of {facts.shape[0]}"),
    ):
        table.add_row(name, value)
    console.print(table)
    for sentence in said:
        console.print(f"[yellow]•[/] {sentence}", soft_wrap=True, markup=True)
    if not said:
        console.print("nothing found that stands in the way", soft_wrap=True)


def _record(facts: Facts, checked: Checked, said: list[str]) -> dict[str, object]:
    return {
        **asdict(facts),
        "inverted": checked.inverted,
        "lost": [int(z) for z in checked.lost.nonzero()[0]],
        "findings": [asdict(finding) for finding in checked.findings],
        "warnings": said,
        "voxels_read_per_section": checked.sampling.voxels,
    }


def _keep(out: Path, image: Image, facts: Facts, checked: Checked, said: list[str], *, overwrite: bool) -> None:
    """The record, a table of findings, and pictures."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir(parents=True)
        (folder / "check.json").write_text(json.dumps(_record(facts, checked, said), indent=1), encoding="utf-8")
        with (folder / "sections.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("section", "kind", "value", "limit", "lost"))
            rows.writerows((f.section, f.kind, f.value, f.limit, int(f.is_lost)) for f in checked.findings)
        for finding in checked.findings[:PICTURES]:
            draw_finding(image, finding).save(folder / f"section_{finding.section:06d}_{finding.kind}.png")
