"""The data engine: what people drew becomes what a teacher can learn from.

Enters: `Image` and `Labels` of one annotated volume, and whoever answers prompts. Leaves: `Labels` on the same grid,
first cleansed (`cleanse`: a list of operations and a record by which they can be done again), then refined and unified
(`unify_section`: what a model draws anew replaces what it agrees with, and a person is asked about the rest). Ids are
kept, a label at IoU 0.7 or less is left as it was, the result is a partition, and a second run changes nothing.

METHOD: section 3, "Data engine"; choice 2.
"""

from savem3.engine.aligning import Move, find_move
from savem3.engine.cleansing import Cleansed, CleanseSections, cleanse, records_of, refuse_other, replay
from savem3.engine.erasing import Clear, HideLabels, HideSections
from savem3.engine.operations import OPERATIONS, operation_of, told
from savem3.engine.placing import place
from savem3.engine.recipe import TAUGHT_GAIN, RedrawRecipe, refinement, unification
from savem3.engine.redrawing import Redrawn, redraw
from savem3.engine.scaling import Resample
from savem3.engine.section import Operation, Section
from savem3.engine.tidying import Erode, Tidy
from savem3.engine.unifying import FATES, UnifiedSection, unify_section
from savem3.engine.volumes import UnifySections, proposals_of

__all__ = [
    "FATES",
    "OPERATIONS",
    "TAUGHT_GAIN",
    "CleanseSections",
    "Cleansed",
    "Clear",
    "Erode",
    "HideLabels",
    "HideSections",
    "Move",
    "Operation",
    "RedrawRecipe",
    "Redrawn",
    "Resample",
    "Section",
    "Tidy",
    "UnifiedSection",
    "UnifySections",
    "cleanse",
    "find_move",
    "operation_of",
    "place",
    "proposals_of",
    "records_of",
    "redraw",
    "refinement",
    "refuse_other",
    "replay",
    "told",
    "unification",
    "unify_section",
]
