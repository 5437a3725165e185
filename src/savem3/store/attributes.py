"""Voxel size and origin as HDF5 and Zarr attributes write them, always in z, y, x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from savem3.grid import Nanometres

VOXEL_SIZE = {"resolution_nm": 1.0, "resolution": 1.0, "voxel_size": 1.0, "element_size_um": 1000.0}
"""Attributes that hold a voxel size, the first found counts, and the nm of their unit.

``resolution`` is CREMI's, ``voxel_size`` funlib's, ``element_size_um`` ilastik's and Fiji's.
"""

ORIGIN = {"origin_nm": 1.0, "offset": 1.0}
"""Attributes that hold an origin; ``offset`` is CREMI's and funlib's, in nm."""


def voxel_size_in(attributes: Mapping[str, Any]) -> Nanometres | None:
    """The voxel size in nm; ``None`` where no attribute holds three lengths above 0."""
    sizes = (_three(attributes, key, unit) for key, unit in VOXEL_SIZE.items())
    return next((size for size in sizes if size is not None and min(size) > 0), None)


def origin_in(attributes: Mapping[str, Any]) -> Nanometres:
    """The origin in nm; 0 where no attribute holds it."""
    origins = (_three(attributes, key, unit) for key, unit in ORIGIN.items())
    return next((origin for origin in origins if origin is not None), (0.0, 0.0, 0.0))


def _three(attributes: Mapping[str, Any], key: str, unit: float) -> Nanometres | None:
    """Three finite numbers under a key, times the unit."""
    values = np.asarray(attributes.get(key, ()))
    if values.shape != (3,) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    z, y, x = (float(value) * unit for value in values)
    return z, y, x
