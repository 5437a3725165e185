"""Tables of objects and contacts, in µm, as CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.export.bodies import Bodies, Contacts
from savem3.grid import Grid

COLUMNS: Mapping[str, str] = {
    "id": "number of the object",
    "voxels": "its voxels",
    "volume_um3": "their volume, µm³",
    "surface_um2": "area of the voxel faces where it ends within the volume, µm²; for oblique surfaces an upper bound",
    "z_start_nm": "where its bounding box starts along z, nm; likewise y, x",
    "z_stop_nm": "where its bounding box stops along z, nm; likewise y, x",
    "z_um": "its centre of mass along z, µm; likewise y, x",
    "length_um": "length of its skeleton, µm; empty where none was made",
    "fragments": "fragments that were joined to it; empty where they are not known",
    "touches_border": "1 where it touches the volume's border, so that it may go on beyond it",
    "u": "the smaller number of the two objects",
    "v": "the larger one",
    "area_um2": "area of the voxel faces that they share, µm²",
    "z_faces": "voxel faces that they share across z; likewise y, x",
    "mean_boundary": "mean membrane value of these faces, 0 to 255; empty without a boundary map",
}
"""What each column holds, with its unit."""


def body_columns(
    bodies: Bodies,
    grid: Grid,
    *,
    lengths_um: Mapping[int, float] | None = None,
    fragments: Mapping[int, int] | None = None,
) -> dict[str, NDArray[Any]]:
    """The table of objects, by column.

    Parameters
    ----------
    bodies
        From `measure`.
    grid
        Of the labels.
    lengths_um
        Skeleton length of some objects.
    fragments
        Fragments of each object.
    """
    size, origin = np.array(grid.voxel_size), np.array(grid.origin)
    start, stop = bodies.lowest * size + origin, (bodies.highest + 1) * size + origin
    centre = ((bodies.sums / bodies.voxels[:, None] + 0.5) * size + origin) / 1000
    columns: dict[str, NDArray[Any]] = {
        "id": bodies.ids,
        "voxels": bodies.voxels,
        "volume_um3": bodies.voxels * size.prod() / 1e9,
        "surface_um2": bodies.faces @ _face_areas(grid),
    }
    columns |= {f"{axis}_start_nm": start[:, i] for i, axis in enumerate("zyx")}
    columns |= {f"{axis}_stop_nm": stop[:, i] for i, axis in enumerate("zyx")}
    columns |= {f"{axis}_um": centre[:, i] for i, axis in enumerate("zyx")}
    columns["touches_border"] = bodies.at_border.astype(np.int64)
    if lengths_um is not None:
        columns["length_um"] = np.array([lengths_um.get(int(i), np.nan) for i in bodies.ids], np.float64)
    if fragments is not None:
        columns["fragments"] = np.array([fragments.get(int(i), 0) for i in bodies.ids], np.int64)
    return columns


def contact_columns(contacts: Contacts, grid: Grid, *, with_boundary: bool) -> dict[str, NDArray[Any]]:
    """The table of contacts, by column; ``with_boundary`` where boundary values were summed."""
    columns: dict[str, NDArray[Any]] = {
        "u": contacts.pairs[:, 0],
        "v": contacts.pairs[:, 1],
        "area_um2": contacts.faces @ _face_areas(grid),
    }
    columns |= {f"{axis}_faces": contacts.faces[:, i] for i, axis in enumerate("zyx")}
    if with_boundary:
        columns["mean_boundary"] = contacts.total / contacts.faces.sum(1)
    return columns


def write_csv(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write a table as CSV; numbers with all their digits, NaN as nothing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*([_text(value) for value in values.tolist()] for values in columns.values()), strict=True))


def write_parquet(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write a table as Parquet; each column carries its description.

    Raises
    ------
    ImportError
        If pyarrow is missing.
    """
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install 'savem3[export]'") from error
    fields = [
        pyarrow.field(name, pyarrow.array(values).type, metadata={"description": _described(name)})
        for name, values in columns.items()
    ]
    parquet.write_table(pyarrow.table(list(columns.values()), schema=pyarrow.schema(fields)), path)


def _described(name: str) -> str:
    """What a column holds; y and x are told of under z."""
    return COLUMNS.get(name) or COLUMNS["z" + name[1:]]


def _text(value: float | int) -> str:
    return "" if value != value else repr(value)


def _face_areas(grid: Grid) -> NDArray[np.float64]:
    """Area of a voxel's face across z, y, x, in µm²."""
    z, y, x = grid.voxel_size
    return np.array([y * x, z * x, z * y]) / 1e6
