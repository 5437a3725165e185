"""How far to trust labels that no truth exists for. Not built yet.

Enters: `Labels`, the weighed `RegionGraph` and the boundary map they came from. Leaves: a report, a confidence for each
object, and the list of places that a person should look at first.

METHOD: section 7 says which evidence each edge carries; the paper has no such report: this room is ours.
"""

__all__: list[str] = []
