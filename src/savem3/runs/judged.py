"""What a quality report is about: a finished run directory, or labels of any tool with their raw volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from savem3.directory import read_record
from savem3.grid import Box, Grid
from savem3.oversegment import OversegmentRecipe
from savem3.pipeline import Settings, middle_of
from savem3.predict import PredictRecipe
from savem3.request import Machine, Source
from savem3.resample import Scale
from savem3.store.tables import TableFile
from savem3.volume import BoundaryMap, Image, Labels

LOOKED_AT = 2**30
"""Of a larger volume the middle is looked at: this many voxels."""

Planes = tuple[list[int], list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged, lazy, cropped to the box that is looked at.

    Parameters
    ----------
    name
        As people call it.
    labels
        The objects.
    box
        Which part of the whole volume they are.
    whole
        Grid of the whole volume.
    image, boundary, fragments
        Of the same box, where there are any.
    graph
        The table of the region graph and its clusters, of the whole volume.
    folder, record
        The run directory and its run.json, where it is a run.
    """

    name: str
    labels: Labels
    box: Box
    whole: Grid
    image: Image | None = None
    boundary: BoundaryMap | None = None
    fragments: Labels | None = None
    graph: TableFile | None = None
    folder: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all of the volume is looked at."""
        return self.box == self.whole.box

    def within(self, at: tuple[float, float, float]) -> tuple[float, float, float]:
        """A place of the whole volume, counted from the start of the box."""
        z, y, x = (a - first for a, first in zip(at, self.box.start, strict=True))
        return z, y, x

    def settings(self, machine: Machine) -> Settings | None:
        """How the run was computed; ``None`` where that is not known."""
        kept = self.record.get("settings")
        return None if kept is None else settings_in(kept, machine=machine)


def open_judged(path: str, *, raw: str | None, source: Source) -> Judged:
    """Open a finished run directory, or labels of any tool.

    Parameters
    ----------
    path
        A run directory, or a volume of labels.
    raw
        The raw volume; a run's own record names it too.
    source
        How the volumes are read; of a run, as its record says.

    Raises
    ------
    ValueError
        If the run is not finished, or the raw volume has another shape.
    """
    folder = Path(path)
    if not (folder / "run.json").is_file():
        labels = source.open_labels(path)
        return _cropped(Judged(folder.name, labels, labels.grid.box, labels.grid, _image(raw, source, labels, {})))
    record = read_record(folder)
    if record.get("state") != "finished":
        raise ValueError(f"run must be finished, got '{path}', which is {record.get('state')}")
    labels = source.open_labels(f"{path}/labels.zarr")
    own = replace(source, **_told(record.get("source") or {}))
    named = raw or record.get("raw")
    image = _image(named, own, labels, record) if raw or (named and _is_there(str(named))) else None
    return _cropped(
        Judged(
            folder.name,
            labels,
            labels.grid.box,
            labels.grid,
            image,
            source.open_boundary(f"{path}/boundary.zarr"),
            source.open_labels(f"{path}/fragments.zarr"),
            TableFile(folder / "graph.safetensors"),
            folder,
            record,
        )
    )


def _told(kept: Mapping[str, Any]) -> dict[str, Any]:
    """How a run read its raw volume."""
    return {name: kept[name] for name in ("sections", "channel", "invert", "nan") if name in kept}


def settings_in(kept: Mapping[str, Any], *, machine: Machine) -> Settings:
    """The settings that a record holds, on this machine; without prompts."""
    predict = {
        **kept["predict"],
        "patch": tuple(kept["predict"]["patch"]),
        "overlap": tuple(kept["predict"]["overlap"]),
    }
    scale = kept.get("scale") or {}
    block = kept["block"]
    return Settings(
        float(kept["beta"]),
        cutter=str(kept["cutter"]),
        predict=PredictRecipe(**predict),
        oversegment=OversegmentRecipe(**kept["oversegment"]),
        device=machine.device,
        threads=machine.workers,
        block=(block[0], block[1], block[2]),
        scale=Scale(**{name: tuple(factors) for name, factors in scale.items()}),
    )


def planes_of(judged: Judged, settings: Settings | None) -> dict[str, Planes]:
    """The planes on which blocks and patches of a run meet, counted from the box that is looked at."""
    if settings is None:
        return {}
    planes = {"blocks": _every(settings.block, judged.box)}
    if settings.scale.is_identity:
        planes["patches"] = _patch_planes(judged, settings)
    return planes


def _patch_planes(judged: Judged, settings: Settings) -> Planes:
    """Where the patch that answers for a voxel changes, whichever direction it looks along."""
    from savem3.predict.patches import lay_patches
    from savem3.predict.views import turn_box, turn_shape

    found: tuple[set[int], set[int], set[int]] = (set(), set(), set())
    for axis in settings.predict.axes_of(judged.whole):
        shape = turn_shape(judged.whole.shape, axis=axis)
        patches = lay_patches(shape, patch=settings.predict.patch, overlap=settings.predict.overlap)
        for tile in patches.tiles_of(turn_box(judged.box, axis=axis)):
            start = turn_box(tile.write, axis=axis).start
            for own, place, first in zip(found, start, judged.box.start, strict=True):
                own.add(place - first)
    z, y, x = (sorted(own - {0}) for own in found)
    return z, y, x


def _every(block: tuple[int, int, int], box: Box) -> Planes:
    """Multiples of a block's edges within a box."""
    z, y, x = (
        [plane - first for plane in range(edge, stop, edge) if plane > first]
        for edge, first, stop in zip(block, box.start, box.stop, strict=True)
    )
    return z, y, x


def block_planes(judged: Judged, edges: tuple[int, int, int] | None) -> dict[str, Planes]:
    """The planes of the blocks that another tool worked in, where the user says which."""
    if edges is None:
        return {}
    return {f"blocks of {', '.join(map(str, edges))}": _every(edges, judged.box)}


def _image(raw: str | None, source: Source, labels: Labels, record: Mapping[str, Any]) -> Image | None:
    """The raw volume, of the labels' shape; dark membranes if the run's check found bright ones."""
    if raw is None:
        return None
    image = source.open_image(raw, inverted=bool((record.get("check") or {}).get("inverted")))
    if image.grid.shape != labels.grid.shape:
        raise ValueError(f"raw must have the shape of the labels {labels.grid.shape}, got {image.grid.shape}")
    return image


def _is_there(raw: str) -> bool:
    """Whether a recorded path still leads to something; a path within a file follows a colon."""
    return Path(raw).exists() or Path(raw.rpartition(":")[0] or raw).exists()


def _cropped(judged: Judged) -> Judged:
    """The middle of what is too large."""
    box = middle_of(judged.whole, LOOKED_AT)
    if box == judged.whole.box:
        return judged
    volumes = {name: getattr(judged, name) for name in ("labels", "image", "boundary", "fragments")}
    return replace(judged, box=box, **{name: volume and volume.window(box) for name, volume in volumes.items()})
