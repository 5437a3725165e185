"""Oversegmentation: a boundary map becomes fragments that no cell border crosses (method, section 6).

Enters: a `BoundaryMap`. Leaves: `Labels` 1 to n without background; every voxel belongs to a fragment. In three steps,
each exact in blocks: the height (`height_of`), the basins that water runs into (`find_basins`), and the joining of
small and shallow ones (`merge_basins`). Isotropic volumes are cut in 3D, others section by section.
"""

from savem3.oversegment.basins import merge_basins
from savem3.oversegment.fragments import oversegment
from savem3.oversegment.height import halo_of, height_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.watershed import Basins, find_basins

__all__ = [
    "STANDARD",
    "Basins",
    "OversegmentRecipe",
    "find_basins",
    "halo_of",
    "height_of",
    "merge_basins",
    "oversegment",
]
