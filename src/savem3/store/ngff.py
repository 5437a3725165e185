"""OME-NGFF metadata: which arrays form a pyramid, and where their voxels lie.

Read: 0.1 to 0.5. Written: 0.5 and 0.4.
Source: the OME-NGFF 0.4 and 0.5 specifications, which agree on all that is used here. Their translation places the
centre of the first voxel; so a coarser level is shifted by half the difference of the voxel sizes, while a
`Grid.origin` is the same for all levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from savem3.grid import Grid
from savem3.store.units import nanometres_of


@dataclass(frozen=True, slots=True)
class Level:
    """One array of a pyramid.

    Parameters
    ----------
    path
        Of the array, relative to its group.
    axes
        Names of the array's axes.
    scale
        Voxel edge along each axis, nm for z, y, x; ``None`` where the unit or the scale is not given.
    translation
        Position of the first voxel's corner along each axis, nm for z, y, x.
    unit
        The unit that the file uses for x; ``None`` where it names none.
    """

    path: str
    axes: tuple[str, ...]
    scale: tuple[float, ...] | None
    translation: tuple[float, ...]
    unit: str | None = None


def levels_of(attributes: Mapping[str, Any]) -> list[Level]:
    """The levels of a group's first pyramid, finest first; empty where the group has none."""
    pyramids = dict(attributes.get("ome", attributes)).get("multiscales") or []
    if not pyramids:
        return []
    axes = pyramids[0].get("axes") or list("tczyx")
    named = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
    shared = pyramids[0].get("coordinateTransformations", [])
    placed = [
        _place(dataset["path"], named, [*dataset.get("coordinateTransformations", []), *shared])
        for dataset in pyramids[0]["datasets"]
    ]
    return [_corner(level, placed[0]) for level in placed]


def _place(path: str, axes: Sequence[Mapping[str, Any]], transformations: Sequence[Mapping[str, Any]]) -> Level:
    """A level with its transformations applied one after the other, and its centre-based translation."""
    space = [axis["name"] in ("z", "y", "x") for axis in axes]
    units = [nanometres_of(axis.get("unit")) if is_space else 1.0 for axis, is_space in zip(axes, space, strict=True)]
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for step in transformations:
        if step.get("type") == "scale":
            scale = [a * float(b) for a, b in zip(scale, step["scale"], strict=True)]
            translation = [a * float(b) for a, b in zip(translation, step["scale"], strict=True)]
        if step.get("type") == "translation":
            translation = [a + float(b) for a, b in zip(translation, step["translation"], strict=True)]
    names = tuple(str(axis["name"]) for axis in axes)
    known = all(units) and any(step.get("type") == "scale" for step in transformations)
    nm = [unit or 1.0 for unit in units]
    return Level(
        path,
        names,
        tuple(s * u for s, u in zip(scale, nm, strict=True)) if known else None,
        tuple(t * u for t, u in zip(translation, nm, strict=True)) if known else (0.0,) * len(axes),
        next((str(axis["unit"]) for axis in reversed(axes) if "unit" in axis), None),
    )


def _corner(level: Level, finest: Level) -> Level:
    """The level with the corner of its first voxel, seen from the finest level's."""
    if level.scale is None or finest.scale is None:
        return level
    corner = tuple(t - (s - f) / 2 for t, s, f in zip(level.translation, level.scale, finest.scale, strict=True))
    return replace(level, translation=corner)


def group_attributes(
    grids: Sequence[Grid], *, name: str, method: str, is_labels: bool, version: str = "0.5"
) -> dict[str, Any]:
    """The attributes of a group that holds a pyramid.

    Parameters
    ----------
    grids
        The grid of each level, finest first; level ``i`` is the array ``str(i)``.
    name
        Name of the pyramid.
    method
        How a level is made from the finer one.
    is_labels
        Whether the voxels are object numbers.
    version
        Of OME-NGFF, 0.5 or 0.4; 0.4 has a version in each part and no ``ome`` around them.
    """
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    datasets = [
        {"path": str(i), "coordinateTransformations": _transformations(grid, grids[0])} for i, grid in enumerate(grids)
    ]
    pyramid = {"name": name, "axes": axes, "datasets": datasets, "type": method}
    if version == "0.4":
        labelled = {"image-label": {"version": version}} if is_labels else {}
        return {"multiscales": [{"version": version, **pyramid}], **labelled}
    return {"ome": {"version": version, "multiscales": [pyramid], **({"image-label": {}} if is_labels else {})}}


def _transformations(grid: Grid, finest: Grid) -> list[dict[str, Any]]:
    centres = [o + (s - f) / 2 for o, s, f in zip(grid.origin, grid.voxel_size, finest.voxel_size, strict=True)]
    return [{"type": "scale", "scale": list(grid.voxel_size)}, {"type": "translation", "translation": centres}]
