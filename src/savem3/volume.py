"""The volumes that rooms hand to each other: image, boundary, distance, labels, all in z, y, x."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64, Num, UInt8
from numpy.typing import NDArray

from savem3.grid import Box, Grid


@runtime_checkable
class VoxelArray(Protocol):
    """What a volume's voxels must be able to do: a numpy array, or a lazy one that gives numpy arrays when indexed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along z, y, x."""
        ...

    @property
    def dtype(self) -> Any:
        """The numpy type of a voxel."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """Voxels as a numpy array."""
        ...


Kind = TypeVar("Kind", bound="_Volume")


@dataclass(frozen=True, slots=True)
class Window:
    """A box of other voxels, indexed by slices of step 1 that count from its own start."""

    voxels: VoxelArray
    box: Box

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along z, y, x."""
        return self.box.shape

    @property
    def dtype(self) -> Any:
        """The numpy type of a voxel."""
        return self.voxels.dtype

    def __getitem__(self, index: Any, /) -> Any:
        """Voxels as a numpy array."""
        whole = [range(a, b) for a, b in zip(self.box.start, self.box.stop, strict=True)]
        parts = index if isinstance(index, tuple) else (index,)
        if Ellipsis in parts:
            return np.asarray(self.voxels[self.box.slices])[index]
        wanted = [axis[part] for axis, part in zip(whole, parts, strict=False)] + whole[len(parts) :]
        return self.voxels[tuple(slice(w.start, w.stop, w.step) if isinstance(w, range) else w for w in wanted)]


@dataclass(frozen=True, slots=True)
class _Volume:
    """Voxels on a grid. Voxels may be lazy; `load` makes them a numpy array."""

    dtype: ClassVar[type[np.generic]]
    voxels: VoxelArray
    grid: Grid

    def __post_init__(self) -> None:
        name = type(self).__name__
        if tuple(self.voxels.shape) != self.grid.shape:
            raise ValueError(f"{name} must have the shape of its grid {self.grid.shape}, got {self.voxels.shape}")
        if np.dtype(self.voxels.dtype) != self.dtype:
            raise TypeError(f"{name} must hold {np.dtype(self.dtype)} voxels, got {self.voxels.dtype}")

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of a box, as a numpy array in z, y, x."""
        return np.asarray(self.voxels[box.slices])

    def crop(self: Kind, box: Box) -> Kind:
        """A box of this volume, in memory, with the same values."""
        return replace(self, voxels=self.read(box), grid=self.grid.crop(box))

    def window(self: Kind, box: Box) -> Kind:
        """A box of this volume, read when it is asked for."""
        if box.grow((0, 0, 0), within=self.grid.shape) != box:
            raise ValueError(f"box must lie inside the volume of {self.grid.shape} voxels, got {box}")
        return replace(self, voxels=Window(self.voxels, box), grid=self.grid.crop(box))

    def load(self: Kind) -> Kind:
        """The whole volume in memory."""
        return self.crop(self.grid.box)


@dataclass(frozen=True, slots=True)
class Image(_Volume):
    """Grey values, uint8; membranes dark, as in electron micrographs of stained tissue."""

    dtype: ClassVar[type[np.generic]] = np.uint8


@dataclass(frozen=True, slots=True)
class BoundaryMap(_Volume):
    """Membrane probability, uint8: 255 is certainly membrane."""

    dtype: ClassVar[type[np.generic]] = np.uint8


DISTANCE_CUT_NM = 64.0
"""Distance to a boundary beyond which voxels are alike, nm; networks learn shares of it (METHOD, Choice 6)."""


@dataclass(frozen=True, slots=True)
class DistanceMap(_Volume):
    """Distance to the nearest boundary in nm, float32."""

    dtype: ClassVar[type[np.generic]] = np.float32


@dataclass(frozen=True, slots=True)
class Labels(_Volume):
    """Object numbers, uint64; 0 is background."""

    dtype: ClassVar[type[np.generic]] = np.uint64


@dataclass(frozen=True, slots=True)
class Sample:
    """An annotated volume to learn from.

    Parameters
    ----------
    name
        Name of the dataset and split it comes from.
    image
        Grey values.
    labels
        Instances; may be valid per section only (see ``linked``).
    boundary
        Membrane target: 255 membrane, 0 inside.
    distance
        Distance to the nearest boundary, nm, truncated.
    linked
        Whether a number means the same cell in every section (a 3D truth).
    licence
        Licence of the data, as its card states it.
    """

    name: str
    image: Image
    labels: Labels
    boundary: BoundaryMap
    distance: DistanceMap
    linked: bool
    licence: str


@dataclass(frozen=True, slots=True)
class IntensityMap:
    """The one map from a volume's grey values to what networks see: ``low`` goes to −1, ``high`` to 1, linearly.

    Source: the paper normalises per dataset; one map per volume, taken from integer counts, is our choice, since
    anything computed per block makes labels depend on the blocks.

    Parameters
    ----------
    low, high
        Grey values of the volume's 1st and 99th percentile; ``high`` above ``low``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise ValueError(f"high must lie above low {self.low}, got {self.high}")

    def to_unit(self, voxels: Num[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """Grey values as float32, −1 at ``low`` and 1 at ``high``, clipped a fifth of the range beyond both."""
        scaled = (voxels.astype(np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        return (np.clip(scaled, -0.2, 1.2) * 2 - 1).astype(np.float32)

    def to_uint8(self, voxels: Num[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
        """Grey values as uint8, 0 at ``low`` and 255 at ``high``, rounded and clipped."""
        scaled = (voxels.astype(np.float64) - self.low) / (self.high - self.low)
        return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def intensity_of(image: Image, *, percentiles: tuple[float, float] = (1.0, 99.0)) -> IntensityMap:
    """The intensity map of a whole image, from the counts of its 256 grey values.

    Pure black and pure white (padding, saturation) are left out of the counts while anything else is there.

    Parameters
    ----------
    image
        The image; read section by section.
    percentiles
        Per cent of voxels below ``low`` and below ``high``.
    """
    counts = np.zeros(256, np.int64)
    for z in range(image.grid.shape[0]):
        counts += np.bincount(np.asarray(image.voxels[z]).ravel(), minlength=256)
    return intensity_from_counts(counts, percentiles=percentiles)


def intensity_from_counts(
    counts: Int64[np.ndarray, "256"], *, percentiles: tuple[float, float] = (1.0, 99.0)
) -> IntensityMap:
    """The intensity map of an image whose grey values are counted; see `intensity_of`."""
    seen = counts.copy()
    if seen[1:255].any():
        seen[[0, 255]] = 0
    below = np.cumsum(seen)
    low, high = (int(np.searchsorted(below, below[-1] * p / 100)) for p in percentiles)
    return IntensityMap(float(low), float(max(high, low + 1)))
