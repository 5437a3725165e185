"""The numbers of the oversegmentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OversegmentRecipe:
    """How a boundary map becomes fragments.

    Parameters
    ----------
    membrane_from
        Boundary value, 0–255, from which a voxel counts as membrane for the distance.
    distance_cap_nm
        Distances to the membrane are cut here, in nm; deeper inside a cell the height is flat. Blocks must overlap by
        this much, so it is also what makes them exact.
    dynamics
        Basins shallower than this are joined across their lowest pass; heights run from 0 to 65535.
    min_size
        Fragments of fewer voxels are joined across their lowest pass.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    membrane_from: int = 128
    distance_cap_nm: float = 240.0
    dynamics: int = 2000
    min_size: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.membrane_from <= 255:
            raise ValueError(f"membrane_from must lie between 0 and 255, got {self.membrane_from}")
        if not 0 < self.distance_cap_nm <= 2000:
            raise ValueError(f"distance_cap_nm must lie above 0 and up to 2000 nm, got {self.distance_cap_nm}")
        if self.dynamics < 0 or self.min_size < 0:
            raise ValueError(f"dynamics and min_size must be at least 0, got {self.dynamics} and {self.min_size}")


STANDARD = OversegmentRecipe()
"""The defaults, for isotropic volumes and for sections alike."""
