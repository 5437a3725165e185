"""Where voxels are: shape, voxel size and origin, in z, y, x and nanometres."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, int, int]
Nanometres = tuple[float, float, float]

ISOTROPIC_UP_TO = 1.5
"""A grid counts as isotropic while its longest voxel edge is at most this many times its shortest."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of voxels, ``start`` inclusive to ``stop`` exclusive, in z, y, x.

    Raises
    ------
    ValueError
        If a start lies beyond its stop.
    """

    start: Shape
    stop: Shape

    def __post_init__(self) -> None:
        if any(a > b for a, b in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"stop must not lie before start {self.start}, got {self.stop}")

    @property
    def shape(self) -> Shape:
        """Number of voxels along z, y, x."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index for an array in z, y, x."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def grow(self, halo: Shape, *, within: Shape) -> Box:
        """The box with ``halo`` voxels more on every side, cut at a volume of shape ``within``."""
        start = tuple(max(0, a - h) for a, h in zip(self.start, halo, strict=True))
        stop = tuple(min(n, b + h) for b, h, n in zip(self.stop, halo, within, strict=True))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def relative_to(self, outer: Box) -> Box:
        """The same voxels counted from the start of ``outer``."""
        start = tuple(a - o for a, o in zip(self.start, outer.start, strict=True))
        stop = tuple(b - o for b, o in zip(self.stop, outer.start, strict=True))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def intersect(self, other: Box) -> Box | None:
        """The voxels in both boxes; ``None`` where they share none."""
        start = tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        if any(a >= b for a, b in zip(start, stop, strict=True)):
            return None
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


@dataclass(frozen=True, slots=True)
class Grid:
    """The geometry of a volume.

    Parameters
    ----------
    shape
        Voxels along z, y, x; each at least 1.
    voxel_size
        Edge lengths of one voxel along z, y, x, in nm; finite and above 0.
    origin
        Position of the first voxel's corner along z, y, x, in nm.

    Raises
    ------
    ValueError
        If a length is not positive or an axis is missing.
    """

    shape: Shape
    voxel_size: Nanometres
    origin: Nanometres = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(n < 1 for n in self.shape):
            raise ValueError(f"shape must be three numbers (z, y, x) of at least 1, got {self.shape}")
        if len(self.voxel_size) != 3 or not all(0 < s < float("inf") for s in self.voxel_size):
            raise ValueError(f"voxel_size must be three lengths in nm (z, y, x) above 0, got {self.voxel_size}")
        if len(self.origin) != 3:
            raise ValueError(f"origin must be three positions in nm (z, y, x), got {self.origin}")

    @property
    def voxels(self) -> int:
        """Number of voxels in the volume."""
        z, y, x = self.shape
        return z * y * x

    @property
    def size_um(self) -> Nanometres:
        """Physical size along z, y, x, in µm."""
        z, y, x = (n * s / 1000 for n, s in zip(self.shape, self.voxel_size, strict=True))
        return z, y, x

    @property
    def is_isotropic(self) -> bool:
        """Whether the axes may be exchanged: the longest voxel edge is at most 1.5 times the shortest."""
        return max(self.voxel_size) <= ISOTROPIC_UP_TO * min(self.voxel_size)

    @property
    def box(self) -> Box:
        """All voxels."""
        return Box((0, 0, 0), self.shape)

    def crop(self, box: Box) -> Grid:
        """The grid of a box of this volume, its origin moved along."""
        z, y, x = (o + a * s for o, a, s in zip(self.origin, box.start, self.voxel_size, strict=True))
        return Grid(box.shape, self.voxel_size, (z, y, x))

    def coarsen(self, factor: Shape) -> Grid:
        """The grid of a pyramid level that joins ``factor`` voxels along z, y, x into one (sizes rounded up)."""
        z, y, x = (-(-n // f) for n, f in zip(self.shape, factor, strict=True))
        sz, sy, sx = (s * f for s, f in zip(self.voxel_size, factor, strict=True))
        return Grid((z, y, x), (sz, sy, sx), self.origin)
