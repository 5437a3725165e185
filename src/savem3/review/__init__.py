"""A page on this machine where a person accepts, mends or rejects masks and merges. Not built yet.

Enters: volumes opened at start and a list of places to look at. Leaves: the person's decisions, one record each.
It listens on this machine only and takes ids of open volumes, never paths.

METHOD: section 3, the human in the loop. Needs the extra: ``pip install "savem3[review]"``.
"""

__all__: list[str] = []
