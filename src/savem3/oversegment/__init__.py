"""Oversegmentation: a boundary map becomes fragments that no cell border crosses (method, section 6).

Enters: a `BoundaryMap`. Leaves: `Labels` 1 to n without background; every voxel belongs to a fragment. In three stages,
each exact in blocks: `Drain` (the height, the basins that water runs into, and the joining of small and shallow ones as
far as a block can tell), `Settle` (what only all blocks together can tell), and `Fragment` (the voxels). `oversegment`
runs them in memory. Isotropic volumes are cut in 3D, others section by section.
"""

from savem3.oversegment.drain import Drain, drain
from savem3.oversegment.fragments import Fragment, oversegment
from savem3.oversegment.height import halo_of, height_of
from savem3.oversegment.recipe import STANDARD, OversegmentRecipe
from savem3.oversegment.settle import Settle, settle

__all__ = [
    "STANDARD",
    "Drain",
    "Fragment",
    "OversegmentRecipe",
    "Settle",
    "drain",
    "halo_of",
    "height_of",
    "oversegment",
    "settle",
]
