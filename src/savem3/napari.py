"""For napari: opens what the store opens and whole run directories, saves labels, and brings the bundled crop.

The manifest is ``napari.yaml``. Neither napari nor Qt is imported here, so none of them is needed. Lengths are µm in
napari: scale, translation and units of each layer say so. Voxels are read when napari looks at them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Grid
from savem3.store import READERS, UnreadableVolume, open_stored, write_labels
from savem3.store.location import readings
from savem3.store.stored import Stored
from savem3.store.units import nanometres_of
from savem3.view.contents import RECORD, contents_of
from savem3.view.pyramid import Pyramid
from savem3.volume import Labels, VoxelArray

NM_PER_UM = 1000
IN_MEMORY = 2**25
"""Labels of at most so many voxels are read into memory, so that they can be painted on."""

LABELS_ARE_CALLED = re.compile(r"label|seg|neuron|fragment|truth|instance", re.IGNORECASE)
DATASETS = ("raw", "labels")
"""What is looked for in a file of several volumes; if one is there, all of the file are opened."""

Layer = tuple[Any, dict[str, Any], Literal["image", "labels"]]
Read = Callable[[str | Sequence[str]], list[Layer]]


@dataclass(frozen=True, slots=True)
class LazyArray:
    """Lazy voxels with all that napari asks of an array.

    Parameters
    ----------
    voxels
        Read when they are indexed.
    """

    voxels: VoxelArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along z, y, x."""
        return tuple(self.voxels.shape)

    @property
    def dtype(self) -> Any:
        """The numpy type of a voxel."""
        return np.dtype(self.voxels.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> Any:
        """Voxels as a numpy array."""
        return self.voxels[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole volume in memory."""
        return np.asarray(self.voxels[...], dtype=dtype)


def get_reader(path: str | Sequence[str]) -> Read | None:
    """What opens a path; ``None`` for a path that is neither a volume nor a run directory, and for several at once."""
    if not isinstance(path, str):
        return get_reader(path[0]) if len(path) == 1 else None
    places = (location.file for location in readings(path))
    known = any(reader.recognises(place) for place in places if place.exists() for reader in READERS.values())
    return read if known or (Path(path) / RECORD).is_file() else None


def read(path: str | Sequence[str]) -> list[Layer]:
    """The layers of a volume or of a run directory, what lies below first."""
    place = path if isinstance(path, str) else path[0]
    if (Path(place) / RECORD).is_file():
        return [_layer_of(pyramid) for pyramid in contents_of(Path(place)).pyramids]
    try:
        return [_layer_of_stored(open_stored(place))]
    except UnreadableVolume:
        volumes = _volumes_in(place)
        if not volumes:
            raise
        layers = [_layer_of_stored(open_stored(f"{place}:{name}")) for name in volumes]
        return sorted(layers, key=lambda layer: layer[2] == "labels")


def save_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a layer of labels, with a pyramid; the path is named once it is complete.

    Raises
    ------
    ValueError
        If the layer is not three-dimensional, has negative labels, or its scale has no unit of length.
    FileExistsError
        If the path exists.
    """
    finest = data[0] if isinstance(data, list | tuple) else data
    voxels = np.asarray(finest)
    if voxels.ndim != 3 or voxels.dtype.kind not in "biu":
        raise ValueError(f"labels must be integers along z, y, x, got {voxels.dtype} of {voxels.shape}")
    if voxels.dtype.kind == "i" and voxels.size and voxels.min() < 0:
        raise ValueError(f"labels must be at least 0, got {voxels.min()}")
    write_labels(Labels(voxels.astype(np.uint64), _grid_of(voxels, attributes)), path)
    return [path]


def open_crop() -> list[Layer]:
    """The crop of real tissue that comes with the package, and its truth."""
    from savem3.shipped import EXAMPLE

    return read(str(EXAMPLE))


def _layer_of(pyramid: Pyramid) -> Layer:
    """A volume of a run."""
    grids = [level.grid for level in pyramid.levels]
    kind: Literal["image", "labels"] = "labels" if pyramid.is_labels else "image"
    facts = _facts(pyramid.name, kind, grids[0].voxel_size, grids[0].origin)
    facts["visible"] = pyramid.name in ("image", "labels")
    whole = pyramid.levels[0]
    if kind == "labels" and whole.grid.voxels <= IN_MEMORY:
        return whole.read(whole.grid.box), facts, kind
    if len(grids) == 1 or grids[0].voxels <= IN_MEMORY:
        return LazyArray(whole.voxels), facts, kind
    return [LazyArray(level.voxels) for level in pyramid.levels], {**facts, "multiscale": True}, kind


def _layer_of_stored(stored: Stored) -> Layer:
    """A volume with the numbers that it is stored with."""
    is_wide = stored.voxels.dtype.kind in "iu" and stored.voxels.dtype.itemsize > 2
    called = stored.voxels.dtype.kind in "biu" and LABELS_ARE_CALLED.search(Path(stored.name).name)
    kind: Literal["image", "labels"] = "labels" if is_wide or called else "image"
    facts = _facts(Path(stored.name).name, kind, stored.voxel_size, stored.origin)
    small = kind == "labels" and np.prod(stored.voxels.shape, dtype=np.int64) <= IN_MEMORY
    return stored.voxels[...] if small else LazyArray(stored.voxels), facts, kind


def _facts(name: str, kind: str, voxel_size: Sequence[float] | None, origin: Sequence[float]) -> dict[str, Any]:
    """Name and place of a layer; in voxels where the file does not say how large they are."""
    facts: dict[str, Any] = {"name": name}
    if voxel_size is not None:
        facts["scale"] = [edge / NM_PER_UM for edge in voxel_size]
        facts["translate"] = [(start + edge / 2) / NM_PER_UM for start, edge in zip(origin, voxel_size, strict=True)]
        facts["units"] = ["um"] * 3
    return facts | ({"opacity": 0.5} if kind == "labels" else {"colormap": "gray"})


def _volumes_in(place: str) -> tuple[str, ...]:
    """The names of the volumes of a file that holds several, where one has a usual name."""
    for name in DATASETS:
        try:
            return open_stored(f"{place}:{name}").header.volumes
        except UnreadableVolume:
            continue
    return ()


def _grid_of(voxels: NDArray[Any], attributes: Mapping[str, Any]) -> Grid:
    """Where a layer's voxels are, in nm; napari places their middles, a grid places the corner of the first."""
    scale = [float(edge) for edge in attributes.get("scale", ())]
    named = [str(unit) for unit in attributes.get("units") or ()]
    nm = [nanometres_of(unit) for unit in named]
    if len(scale) != 3 or len(nm) != 3 or None in nm:
        raise ValueError(
            f"units must be lengths along z, y, x, got {named or 'none'}: "
            "set layer.scale to the voxel size in µm and layer.units to 'um'"
        )
    z, y, x = (edge * (unit or 0) for edge, unit in zip(scale, nm, strict=True))
    middles = [float(at) for at in attributes.get("translate", (0.0, 0.0, 0.0))]
    starts = [at * (unit or 0) - edge / 2 for at, unit, edge in zip(middles, nm, (z, y, x), strict=True)]
    return Grid((voxels.shape[0], voxels.shape[1], voxels.shape[2]), (z, y, x), (starts[0], starts[1], starts[2]))
