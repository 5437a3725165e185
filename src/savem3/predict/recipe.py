"""How to predict: one recipe, a few named ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from savem3.grid import Grid, Shape

Precision = Literal["float32", "bfloat16"]
"""What products are taken in. Sums, and all that is handed on, stay float32."""


@dataclass(frozen=True, slots=True)
class PredictRecipe:
    """Settings that decide the boundary map; the same recipe gives the same bytes on one machine.

    Parameters
    ----------
    patch
        Voxels that the student sees at once along z, y, x; y and x multiples of 8. Memory grows with it.
    overlap
        Voxels that two neighbouring patches share; z even, y and x multiples of 8, at most half of ``patch``. Around
        a voxel at least half of this is seen, save at the volume's faces. Work that is done twice grows with it.
    batch
        Patches a network call; the last call is filled up with zeros. Changes no value on a CPU.
    views
        Directions to look along and average: 1 (along z), 3 (along z, y and x), or "auto": 3 where the grid is
        isotropic, else 1. Time grows with it.
    mirrors
        Mirrorings to average: 1 (none), 2 (x), 4 (x, y) or 8 (x, y, z). Time grows with it.
    precision
        "bfloat16" is about twice as fast on CPUs that have it (AVX-512 suffices); it changed 7 % of FIB-25's voxels by
        one level of 255, none by more than 3.
    """

    patch: Shape
    overlap: Shape
    batch: int = 1
    views: int | Literal["auto"] = "auto"
    mirrors: int = 1
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")
        if self.views not in ("auto", 1, 3):
            raise ValueError(f"views must be 'auto', 1 or 3, got {self.views!r}")
        if self.mirrors not in (1, 2, 4, 8):
            raise ValueError(f"mirrors must be 1, 2, 4 or 8, got {self.mirrors!r}")

    def axes_of(self, grid: Grid) -> tuple[int, ...]:
        """The axes that a volume is looked at along: 0 is z, 1 is y, 2 is x.

        Source: the paper's volumes are anisotropic and seen along z; averaging three directions over isotropic ones,
        which a student that pools in y and x only sees differently, is our choice.
        """
        views = (3 if grid.is_isotropic else 1) if self.views == "auto" else self.views
        return tuple(range(views))


def fast_cpu() -> PredictRecipe:
    """For the `fast` student on a CPU: 0.9 Mvox/s a core of 2024 with OpenVINO and one view, 1.8 in bfloat16; 0.9 GB.

    An early student on FIB-25, against one patch without seams: overlap 6 along z moved 0.002 % of voxels by more than
    8 levels of 255, 4 moved 0.1 %, 2 moved 1.4 %; along y and x 48 moved 0.2 %, 32 0.8 %, 16 3 % (in patches of 112 to
    128). So 6 and 48, and large patches, which have few seams.
    """
    return PredictRecipe(patch=(38, 304, 304), overlap=(6, 48, 48))


def superhuman_cpu() -> PredictRecipe:
    """For the `superhuman` student on a CPU; chosen by its memory, not by a measurement."""
    return PredictRecipe(patch=(24, 160, 160), overlap=(8, 32, 32))
