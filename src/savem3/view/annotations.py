"""Points that a person should look at, in Neuroglancer's words. Like `precomputed`, this turns z, y, x into x, y, z.

Source: the precomputed annotation format that Neuroglancer documents (annotations by number, by segment, and all in one
cell of space), and its JSON state with annotations of its own. The page of `savem3 view` shows the latter: it needs no
code that is made on the page, which that page forbids, and has room for a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from savem3.grid import Grid

ANNOTATIONS = "neuroglancer_annotations_v1"

NAME = "look here first"
"""Of the layer."""

SHADER = (
    '#uicontrol vec3 color color(default="#ffd23c")\nvoid main() {\n  setColor(color);\n  setPointMarkerSize(9.0);\n}\n'
)


@dataclass(frozen=True, slots=True)
class Point:
    """One annotation.

    Parameters
    ----------
    at
        Voxels along z, y, x; the middle of a voxel is its number.
    kind
        One of the kinds that the whole set knows.
    labels
        Segments that it is about.
    probability, impact
        That something is wrong there, nan where unknown; and voxels that change hands then.
    text
        What to look for.
    """

    at: tuple[float, float, float]
    kind: str
    labels: tuple[int, ...]
    probability: float
    impact: float
    text: str


def write_annotations(points: Sequence[Point], folder: Path, *, grid: Grid, kinds: Sequence[str]) -> None:
    """Write a folder of annotations that Neuroglancer reads; the number of a point is its place in the list, from 1.

    Parameters
    ----------
    points
        In the order in which a person should look.
    folder
        A new folder.
    grid
        Of the volume; positions are voxels, moved by its origin.
    kinds
        All kinds there are.
    """
    for inner in ("by_id", "by_segment", "spatial0"):
        (folder / inner).mkdir(parents=True)
    (folder / "info").write_text(json.dumps(_info(points, grid, kinds)), encoding="utf-8")
    encoded = [_encode(number, point, grid, kinds) for number, point in enumerate(points, start=1)]
    numbers = list(range(1, len(points) + 1))
    (folder / "spatial0" / "0_0_0").write_bytes(_together(encoded, numbers))
    about: dict[int, list[int]] = {}
    for number, point in zip(numbers, points, strict=True):
        labels = np.array(point.labels, "<u8").tobytes()
        one = encoded[number - 1] + np.array([len(point.labels)], "<u4").tobytes() + labels
        (folder / "by_id" / str(number)).write_bytes(one)
        for label in set(point.labels):
            about.setdefault(label, []).append(number)
    for label, own in about.items():
        (folder / "by_segment" / str(label)).write_bytes(_together([encoded[number - 1] for number in own], own))


def state_of_points(points: Sequence[Point], *, grid: Grid) -> dict[str, Any]:
    """A state to paste into any Neuroglancer: one layer of annotations, each with its sentence.

    Parameters
    ----------
    points
        In their order.
    grid
        Of the volume.
    """
    listed = [
        {
            "type": "point",
            "id": str(number),
            "point": _position(point.at, grid),
            "description": f"{number}. {point.kind}: {point.text}",
            "segments": [[str(label) for label in point.labels]],
        }
        for number, point in enumerate(points, start=1)
    ]
    where = {"position": listed[0]["point"]} if listed else {}
    return {"dimensions": _dimensions(grid), **where, "layers": [annotation_layer(listed, grid)], "layout": "4panel"}


def read_points(path: Path) -> list[dict[str, Any]]:
    """The annotations of a file with such a state, and nothing else of it: a state could name any address.

    Raises
    ------
    ValueError
        If there are none in the file.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["layers"][0]["annotations"]
        return [_checked(one) for one in listed]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path} must hold annotations that 'savem3 quality' wrote, got: {error!r}") from error


def annotation_layer(listed: Sequence[Mapping[str, Any]], grid: Grid, *, linked: str | None = None) -> dict[str, Any]:
    """The layer of some annotations; with ``linked``, they are tied to segments of the layer of that name."""
    layer: dict[str, Any] = {
        "type": "annotation",
        "name": NAME,
        "source": {"url": "local://annotations", "transform": {"outputDimensions": _dimensions(grid)}},
        "annotationRelationships": ["segments"],
        "annotations": list(listed),
        "shader": SHADER,
    }
    return layer if linked is None else {**layer, "linkedSegmentationLayer": {"segments": linked}}


def _checked(one: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation of three numbers, a sentence and some labels."""
    x, y, z = (float(place) for place in one["point"])
    if not np.isfinite([x, y, z]).all():
        raise ValueError(f"point must be finite, got {x}, {y}, {z}")
    segments = [[str(int(label)) for label in labels] for labels in one["segments"]]
    said = {"id": str(one["id"]), "description": str(one["description"])}
    return {"type": "point", **said, "point": [x, y, z], "segments": segments}


def _info(points: Sequence[Point], grid: Grid, kinds: Sequence[str]) -> dict[str, Any]:
    first = [o / s for o, s in zip(grid.origin, grid.voxel_size, strict=True)][::-1]
    extent = list(reversed(grid.shape))
    chosen = {"enum_values": list(range(len(kinds))), "enum_labels": list(kinds)}
    return {
        "@type": ANNOTATIONS,
        "dimensions": _dimensions(grid),
        "lower_bound": first,
        "upper_bound": [a + n for a, n in zip(first, extent, strict=True)],
        "annotation_type": "point",
        "properties": [
            {"id": "rank", "type": "int32", "description": "place in the list, from 1"},
            {"id": "probability", "type": "float32", "description": "that something is wrong; -1: not calibrated"},
            {"id": "impact", "type": "float32", "description": "voxels that change hands if it is"},
            {"id": "kind", "type": "uint8", "description": "what may be wrong", **chosen},
        ],
        "relationships": [{"id": "segments", "key": "by_segment"}],
        "by_id": {"key": "by_id"},
        "spatial": [{"key": "spatial0", "grid_shape": [1, 1, 1], "chunk_size": extent, "limit": max(1, len(points))}],
    }


def _encode(number: int, point: Point, grid: Grid, kinds: Sequence[str]) -> bytes:
    """Position, then properties from the widest to the narrowest, filled up to four bytes."""
    probability = -1.0 if np.isnan(point.probability) else point.probability
    wide = np.array([number], "<i4").tobytes() + np.array([probability, point.impact], "<f4").tobytes()
    return np.array(_position(point.at, grid), "<f4").tobytes() + wide + bytes([kinds.index(point.kind), 0, 0, 0])


def _together(encoded: Sequence[bytes], numbers: Sequence[int]) -> bytes:
    """How many, all of them, their numbers."""
    return np.array([len(numbers)], "<u8").tobytes() + b"".join(encoded) + np.array(numbers, "<u8").tobytes()


def _position(at: tuple[float, float, float], grid: Grid) -> list[float]:
    """x, y, z in voxels of the volume's space; the middle of the first voxel is half a voxel from its corner."""
    return [a + 0.5 + o / s for a, o, s in zip(at, grid.origin, grid.voxel_size, strict=True)][::-1]


def _dimensions(grid: Grid) -> dict[str, list[Any]]:
    return {axis: [edge * 1e-9, "m"] for axis, edge in zip("xyz", reversed(grid.voxel_size), strict=True)}
