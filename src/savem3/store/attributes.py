"""Voxel size and origin as HDF5 and Zarr attributes write them: in z, y, x, unless ``axis_names`` says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from savem3.grid import Nanometres
from savem3.store.units import nanometres_of

VOXEL_SIZE = {"resolution_nm": 1.0, "resolution": 1.0, "voxel_size": 1.0, "element_size_um": 1000.0}
"""Attributes that hold a voxel size, the first found counts, and the nm of their unit.

``resolution`` is CREMI's, ``voxel_size`` funlib's, ``element_size_um`` ilastik's and Fiji's.
"""

ORIGIN = {"origin_nm": 1.0, "offset": 1.0}
"""Attributes that hold an origin; ``offset`` is CREMI's and funlib's, in nm."""

BESIDE = ("axis_names", "units")
"""funlib's attributes that say in which order and unit its others are written."""

FIXED = ("resolution_nm", "origin_nm", "element_size_um")
"""Attributes whose own name says the unit and whose order is z, y, x."""


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """A voxel size as it was found.

    Parameters
    ----------
    nm
        Along z, y, x; ``None`` where none was found.
    unit
        The unit that it is written in; ``None`` where the file names none.
    source
        Where it was found.
    """

    nm: Nanometres | None = None
    unit: str | None = None
    source: str | None = None


def voxel_size_in(attributes: Mapping[str, Any]) -> VoxelSize:
    """The first attribute that holds three lengths above 0."""
    for key, factor in VOXEL_SIZE.items():
        size = _three(attributes, key, factor)
        if size is not None and min(size) > 0:
            unit = {"resolution_nm": "nm", "element_size_um": "µm"}.get(key) or next(iter(_units(attributes)), None)
            return VoxelSize(size, unit or None, f"attribute {key}" + ("" if unit else " (no unit: nm)"))
    return VoxelSize()


def origin_in(attributes: Mapping[str, Any]) -> Nanometres:
    """The origin in nm; 0 where no attribute holds it."""
    origins = (_three(attributes, key, factor) for key, factor in ORIGIN.items())
    return next((origin for origin in origins if origin is not None), (0.0, 0.0, 0.0))


def axis_names_in(attributes: Mapping[str, Any]) -> list[str] | None:
    """funlib's ``axis_names``, without its mark for axes that are no lengths; ``None`` where there are none."""
    names = _texts(attributes, "axis_names")
    return [name.rstrip("^") for name in names] or None


def three_numbers(values: object) -> tuple[float, float, float] | None:
    """Three finite numbers; ``None`` for anything else."""
    try:
        numbers = np.asarray(values)
    except ValueError:
        return None
    if numbers.shape != (3,) or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        return None
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _three(attributes: Mapping[str, Any], key: str, factor: float) -> Nanometres | None:
    """Three finite numbers under a key, in nm and in z, y, x."""
    values = three_numbers(attributes.get(key, ()))
    units, order = (_units(attributes), _order(attributes)) if key not in FIXED else ([], "zyx")
    factors = [factor if unit == "" else nanometres_of(unit) for unit in units] or [factor] * 3
    if values is None or len(factors) != 3 or None in factors:
        return None
    lengths = {axis: v * f for axis, v, f in zip(order, values, factors, strict=True) if f is not None}
    return lengths["z"], lengths["y"], lengths["x"]


def _order(attributes: Mapping[str, Any]) -> str:
    """The axes that lengths are written for, in their order."""
    order = "".join(name.lower() for name in axis_names_in(attributes) or () if name.lower() in ("z", "y", "x"))
    return order if sorted(order) == ["x", "y", "z"] else "zyx"


def _units(attributes: Mapping[str, Any]) -> list[str]:
    """funlib's units of the axes that are lengths; empty where none are given."""
    units, names = _texts(attributes, "units"), axis_names_in(attributes) or []
    if len(units) == len(names) != 3:
        units = [unit for unit, name in zip(units, names, strict=True) if name.lower() in ("z", "y", "x")]
    return units


def _texts(attributes: Mapping[str, Any], key: str) -> list[str]:
    values = np.asarray(attributes.get(key, ()), dtype=object)
    return [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values] if values.ndim == 1 else []
