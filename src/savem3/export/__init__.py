"""Labels for other programs: precomputed, agglomerations, meshes, skeletons, tables. Not built yet.

Enters: `Labels` and the `RegionGraph` they were cut from. Leaves: files in the format of another program; z, y, x
becomes x, y, z here and nowhere else. Ids that a format cannot hold are refused, never shortened.

METHOD: section 8 scores skeletons (ERL); the formats are ours to choose.
"""

__all__: list[str] = []
