"""The data engine: what people drew becomes what a teacher can learn from. Not built yet.

Enters: `Image` and `Labels` of one annotated volume. Leaves: `Labels` on the same grid, first cleansed (a person sees
the masks that a refining model disagrees with), then unified (masks that two rounds of training agree on are redrawn).
Ids are kept, a label at IoU 0.7 or less is left as it was, and the result is a partition.

METHOD: section 3, "Data engine"; choice 2.
"""

__all__: list[str] = []
