"""How far to trust labels that no truth exists for.

Enter: `Labels`, the weighed `RegionGraph` and the boundary map that they came from, and what was measured of the
bodies. Leave: numbers about coverage, borders on planes, continuity, sizes and shapes, each against the volume's own
medians; calibrated probabilities of merges and splits and an estimate of VoI; and the list of places that a person
should look at first (`rank`).

METHOD: section 7 says which evidence each edge carries; the paper has no such report: this room is ours.
"""

from savem3.quality.agreement import KEPT, kept_share
from savem3.quality.branches import (
    ARM_NM,
    NEAR_NM,
    Branches,
    branches,
    count_of,
    crossing_places,
    ending_places,
)
from savem3.quality.confirming import confirm, confirm_there
from savem3.quality.contacts import locate
from savem3.quality.continuity import DROPPED, Continuity, continuity, section_places
from savem3.quality.doubts import Doubts, doubt_places, find_doubts
from savem3.quality.place import KINDS, Place, rank
from savem3.quality.profile import MEMBRANE, Profile, profile
from savem3.quality.seams import PILED_UP, Seam, find_seams, seam_places
from savem3.quality.shapes import ENCLOSED, ISLAND_UM3, SHEET, Census, enclosed_by, is_island, shape_places, sheetness
from savem3.quality.tracing import Trace, trace

__all__ = [
    "ARM_NM",
    "DROPPED",
    "ENCLOSED",
    "ISLAND_UM3",
    "KEPT",
    "KINDS",
    "MEMBRANE",
    "NEAR_NM",
    "PILED_UP",
    "SHEET",
    "Branches",
    "Census",
    "Continuity",
    "Doubts",
    "Place",
    "Profile",
    "Seam",
    "Trace",
    "branches",
    "confirm",
    "confirm_there",
    "continuity",
    "count_of",
    "crossing_places",
    "doubt_places",
    "enclosed_by",
    "ending_places",
    "find_doubts",
    "find_seams",
    "is_island",
    "kept_share",
    "locate",
    "profile",
    "rank",
    "seam_places",
    "section_places",
    "shape_places",
    "sheetness",
    "trace",
]
