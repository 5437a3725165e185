"""How a block of a dataset lies on the disk, and the voxels of it that belong together.

A published volume is often larger than its annotation. Where that begins is what the files say of their origins, or
the padding that the card states; shape, voxel size and registration are verified before a voxel is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt64
from numpy.typing import NDArray

from savem3.grid import Box, Nanometres, Shape
from savem3.store import Stored, image_of, open_stored
from savem3.store.grey import label_voxels

NOBODY = np.uint64(2**64 - 3)
"""The three largest numbers are no cells: transparent, invalid and outside, as annotation programs write them.

Source: published training scripts take 2⁶⁴ − 3 in HemiBrain's labels for background.
"""

TOLERANCE = 1e-3
"""How far a voxel edge may be off, as a fraction, and an origin, in voxels."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a block lies on the disk: places relative to the folder of datasets.

    A place is a file or folder that `savem3.store` reads, a dataset inside it behind a colon; a ``*`` stands for part
    of a name and must match once.

    Parameters
    ----------
    image
        Grey values.
    labels
        Instances; absent for raw data.
    membranes
        Nonzero on membrane; absent where cells touch each other.
    mask
        0 where nobody annotated.
    padding
        Sections, rows and columns that stand around the annotation on either side, in whatever is larger than it and
        says no origin.
    mapping
        Name of the table in the labels' HDF5 file that says what each stored number means: pairs of stored and meant.
    """

    image: str
    labels: str | None = None
    membranes: str | None = None
    mask: str | None = None
    padding: Shape = (0, 0, 0)
    mapping: str | None = None

    @property
    def places(self) -> dict[str, str]:
        """All places by what lies there."""
        named = {"image": self.image, "labels": self.labels, "membranes": self.membranes, "mask": self.mask}
        return {what: place for what, place in named.items() if place is not None}


@dataclass(frozen=True, slots=True)
class Layer:
    """A volume of a block: what is stored, and the voxel of it at which the block begins."""

    stored: Stored
    start: Shape
    shape: Shape

    def box(self, sections: range) -> Box:
        """The voxels of some sections of the block, counted in what is stored."""
        z, y, x = self.start
        _, height, width = self.shape
        return Box((z + sections.start, y, x), (z + sections.stop, y + height, x + width))

    def read(self, sections: range) -> NDArray[Any]:
        """Some sections of the block, as they are stored; nothing else is read."""
        return np.asarray(self.stored.voxels[self.box(sections).slices])


def find_file(folder: Path, place: str) -> Path | None:
    """The file or folder of a place; ``None`` where there is none.

    Raises
    ------
    ValueError
        If a pattern matches several.
    """
    pattern = place.partition(":")[0]
    found = sorted(Path(folder).glob(pattern)) if "*" in pattern else [Path(folder) / pattern]
    if len(found) > 1:
        raise ValueError(f"{pattern} must match one file in {folder}, got {', '.join(f.name for f in found[:4])}")
    return found[0] if found and found[0].exists() else None


def missing_in(folder: Path, layout: Layout) -> list[str]:
    """The files of a layout that are not there, relative to the folder."""
    files = dict.fromkeys(place.partition(":")[0] for place in layout.places.values())
    return [file for file in files if find_file(folder, file) is None]


def open_layers(folder: Path, layout: Layout, *, shape: Shape, voxel_size: Nanometres) -> dict[str, Layer]:
    """Open all volumes of a block and find where it begins in each.

    Parameters
    ----------
    folder, layout
        Where they lie; all of it is there.
    shape, voxel_size
        Of the block.

    Raises
    ------
    ValueError
        If a volume has another voxel size or shape, or an origin that leaves the block outside it; or the table of what
        the labels mean is missing.
    """
    stored = {what: _open(folder, place) for what, place in layout.places.items()}
    for one in stored.values():
        _refuse_voxel_size(one, voxel_size)
    annotated = stored.get("labels", stored["image"])
    if layout.mapping is not None:
        _table(annotated, layout.mapping)
    begins = {
        what: _start(one, shape=shape, layout=layout, beside=annotated, voxel_size=voxel_size)
        for what, one in stored.items()
    }
    return {what: Layer(one, begins[what], shape) for what, one in stored.items()}


def shape_of(folder: Path, place: str) -> Shape:
    """Voxels of a volume along z, y, x."""
    return _open(folder, place).voxels.shape


def _open(folder: Path, place: str) -> Stored:
    file, inside = find_file(folder, place), place.partition(":")[2]
    assert file is not None
    return open_stored(f"{file}:{inside}" if inside else file)


def _refuse_voxel_size(stored: Stored, voxel_size: Nanometres) -> None:
    said = stored.voxel_size
    if said is not None and not np.allclose(said, voxel_size, rtol=TOLERANCE, atol=0):
        raise ValueError(f"{_short(stored)} must have voxels of {voxel_size} nm (z, y, x), got {said}")


def _start(stored: Stored, *, shape: Shape, layout: Layout, beside: Stored, voxel_size: Nanometres) -> Shape:
    """The voxel at which the block begins: by what the files say of their origins, else by the stated padding."""
    got = stored.voxels.shape
    shift = [(b - a) / s for a, b, s in zip(stored.origin, beside.origin, voxel_size, strict=True)]
    moved = any(abs(steps) > TOLERANCE for steps in shift)
    z, y, x = (round(steps) for steps in shift) if moved else layout.padding if got != shape else (0, 0, 0)
    if moved and any(abs(steps - round(steps)) > TOLERANCE for steps in shift):
        raise ValueError(f"{_short(stored)} must lie a whole number of voxels from its labels, got {tuple(shift)}")
    ends = tuple(start + n for start, n in zip((z, y, x), shape, strict=True))
    if moved and (min(z, y, x) < 0 or any(end > n for end, n in zip(ends, got, strict=True))):
        raise ValueError(
            f"{_short(stored)} must hold all of its labels, which span {shape} from {(z, y, x)}, got {got}"
        )
    if not moved and got != tuple(n + 2 * p for n, p in zip(shape, (z, y, x), strict=True)):
        padded = tuple(n + 2 * p for n, p in zip(shape, layout.padding, strict=True))
        allowed = str(shape) if padded == shape else f"{shape}, or {padded} with its padding,"
        raise ValueError(f"{_short(stored)} must have {allowed} voxels (z, y, x), got {got}{_swapped(got, shape)}")
    return z, y, x


def _swapped(got: Shape, shape: Shape) -> str:
    return ": its axes are swapped" if got != shape and sorted(got) == sorted(shape) else ""


def _short(stored: Stored) -> str:
    """The file and dataset without the folders around them."""
    return str(stored.name).replace("\\", "/").rpartition("/")[2] if ":" not in stored.name else stored.name


def read_grey(layer: Layer, sections: range, *, voxel_size: Nanometres) -> NDArray[Any]:
    """Grey values of some sections as uint8; other types pass one intensity map of the whole volume."""
    if layer.stored.voxels.dtype == np.uint8:
        return layer.read(sections)
    image = image_of(layer.stored, voxel_size=voxel_size)
    return np.asarray(image.voxels[layer.box(sections).slices])


def read_labels(layer: Layer, sections: range, *, mapping: str | None) -> UInt64[np.ndarray, "z y x"]:
    """Instances of some sections: what the stored numbers mean, 0 for those that are no cells."""
    labels: UInt64[np.ndarray, "z y x"] = np.asarray(label_voxels(layer.stored)[layer.box(sections).slices])
    labels = np.where(labels >= NOBODY, np.uint64(0), labels)
    return labels if mapping is None else apply_mapping(labels, _table(layer.stored, mapping))


def apply_mapping(
    labels: UInt64[np.ndarray, "z y x"], pairs: Integer[np.ndarray, "n 2"]
) -> UInt64[np.ndarray, "z y x"]:
    """Each number replaced by what it means; a number without a pair stays.

    Parameters
    ----------
    labels
        Stored numbers.
    pairs
        Stored and meant, a row each.

    Raises
    ------
    ValueError
        If a number means two things.
    """
    stored, meant = np.unique(pairs, axis=0).T.astype(np.uint64)
    if len(np.unique(stored)) != len(stored):
        raise ValueError("mapping must say one meaning of each number, got several")
    if not len(stored):
        return labels
    at = np.minimum(np.searchsorted(stored, labels), len(stored) - 1)
    return np.where(stored[at] == labels, meant[at], labels)


def _table(stored: Stored, name: str) -> NDArray[Any]:
    """A table of pairs in an HDF5 file; the store knows volumes only."""
    import h5py

    file = stored.header.file
    assert file is not None
    with h5py.File(file, "r") as opened:
        table = opened.get(name)
        if (
            not isinstance(table, h5py.Dataset)
            or table.ndim != 2
            or table.shape[1] != 2
            or table.dtype.kind not in "iu"
        ):
            raise ValueError(f"{file.name}:{name} must be a table of pairs of numbers, got {table or 'none'}")
        pairs: NDArray[Any] = np.asarray(table)
    return pairs
