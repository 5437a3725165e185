"""What the browser shows first: four panels, layers over each other, the largest neurons in three dimensions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from savem3.grid import Grid
from savem3.view.annotations import annotation_layer
from savem3.view.colours import colours_of
from savem3.view.lattice import keep_largest, sample_evenly
from savem3.view.pyramid import Pyramid
from savem3.volume import Labels

NEURONS = 20
"""So many are in colour at first."""

COUNTED = 2**22
"""Voxels of the level on which neurons are measured, about."""

PANEL_PIXELS = 480
"""A section fills about so many pixels at first."""

TISSUE = "#uicontrol invlerp normalized\nvoid main() {\n  emitGrayscale(normalized());\n}\n"
MEMBRANE = (
    "#uicontrol invlerp normalized(range=[64, 255])\n"
    '#uicontrol vec3 color color(default="#ff9a3c")\n'
    "void main() {\n  emitRGBA(vec4(color, normalized()));\n}\n"
)
"""Grey tissue, and membranes in colour that grow opaque with their probability."""


def state_of(
    pyramids: list[Pyramid],
    *,
    urls: Mapping[str, str],
    surfaces: Sequence[str] = (),
    skeletons: Sequence[str] = (),
    points: Sequence[Mapping[str, Any]] = (),
    among: Collection[int] | None = None,
) -> dict[str, Any]:
    """What Neuroglancer shows when the page opens.

    Parameters
    ----------
    pyramids
        Volumes of one grid, what lies below first.
    urls
        Where each is served, by name.
    surfaces, skeletons
        Where exported folders are served; surfaces replace those that are made on demand.
    points
        Places to look at, as annotations.
    among
        The neurons that all these folders know; a picture would wait for the others forever.
    """
    grid = pyramids[0].levels[0].grid
    layers = [
        _layer(pyramid, urls[pyramid.name], grid, is_last=pyramid is pyramids[-1], among=among) for pyramid in pyramids
    ]
    chosen = next((layer for layer in layers if layer["name"] == "neurons"), layers[-1])
    if surfaces or skeletons:
        own = {**chosen["source"], "subsources": {"mesh": not surfaces}}
        chosen["source"] = [own, *(f"precomputed://{place}" for place in (*surfaces, *skeletons))]
    linked = "neurons" if chosen["name"] == "neurons" else None
    layers += [annotation_layer(points, grid, linked=linked)] if points else []
    finest = min(grid.voxel_size)
    extent = max(n * s for n, s in zip(grid.shape, grid.voxel_size, strict=True)) / finest
    return {
        "dimensions": _dimensions(grid),
        "position": [o / s + n / 2 for o, s, n in zip(grid.origin, grid.voxel_size, grid.shape, strict=True)][::-1],
        "crossSectionScale": extent / PANEL_PIXELS,
        "projectionScale": extent * 1.75,
        "projectionOrientation": [0.33, -0.28, -0.08, 0.9],
        "layers": layers,
        "selectedLayer": {"layer": chosen["name"], "visible": False},
        "layout": "4panel",
        "crossSectionBackgroundColor": "#101114",
        "projectionBackgroundColor": "#101114",
        "showSlices": False,
        "showAxisLines": False,
    }


def largest_of(labels: Pyramid, *, count: int = NEURONS, among: Collection[int] | None = None) -> list[int]:
    """The largest objects of the middle of a volume, measured on a coarse level; of none that fills the volume."""
    level = labels.at_most(COUNTED)
    assert isinstance(level, Labels)
    lattice = sample_evenly(level)
    if among is not None:
        lattice = np.where(np.isin(lattice, np.array(sorted(among), np.uint64)), lattice, np.uint64(0))
    names, _ = keep_largest(lattice, count=count)
    return [int(name) for name in names]


def _layer(pyramid: Pyramid, url: str, grid: Grid, *, is_last: bool, among: Collection[int] | None) -> dict[str, Any]:
    """One volume as a layer; tissue and the last one are seen at first."""
    source = {"url": f"precomputed://{url}", "transform": _transform(grid)}
    if not pyramid.is_labels:
        tissue = pyramid.name == "image"
        shown = {"shader": TISSUE if tissue else MEMBRANE, "opacity": 1.0 if tissue else 0.6, "blend": "default"}
        return {
            "type": "image",
            "name": "raw" if tissue else pyramid.name,
            "source": source,
            **shown,
            "visible": tissue,
        }
    segments = largest_of(pyramid, among=among if pyramid.name == "labels" else None)
    return {
        "type": "segmentation",
        "name": "neurons" if pyramid.name == "labels" else pyramid.name,
        "source": source,
        "segments": [str(segment) for segment in segments],
        "segmentColors": _colours(segments),
        "selectedAlpha": 0.5,
        "notSelectedAlpha": 0.12,
        "visible": is_last,
    }


def _colours(segments: list[int]) -> dict[str, str]:
    """The colours that these labels have in every other picture."""
    colours = colours_of(np.array(segments, np.uint64).reshape(-1))
    return {str(segment): "#" + bytes(colour[:3]).hex() for segment, colour in zip(segments, colours, strict=True)}


def _dimensions(grid: Grid) -> dict[str, list[Any]]:
    """Axes and the edge of a voxel along each, in metres."""
    return {axis: [edge * 1e-9, "m"] for axis, edge in zip("xyz", reversed(grid.voxel_size), strict=True)}


def _transform(grid: Grid) -> dict[str, Any]:
    """Where the first voxel lies, in voxels; positions on the screen then are those of the file."""
    shifts = [o / s for o, s in zip(reversed(grid.origin), reversed(grid.voxel_size), strict=True)]
    matrix = [[float(row == column) for column in range(3)] + [shifts[row]] for row in range(3)]
    return {"matrix": matrix, "outputDimensions": _dimensions(grid)}
