"""Labels for other programs: precomputed, agglomerations, meshes, skeletons, tables; and students for other programs.

Enters: `Labels`, a `BoundaryMap` or an `Image`, and the `RegionGraph` that labels were cut from; a student's weights.
Leaves: files in the format of another program; z, y, x becomes x, y, z here alone. Ids that a format cannot hold are
refused, never shortened. Volumes are read block by block, and no block size changes a byte.

METHOD: section 8 scores skeletons (ERL); the formats are ours to choose.
"""

from savem3.export.agglomeration import Agglomeration, agglomeration_of, write_agglomeration
from savem3.export.bioimageio import prepare, write_bioimageio
from savem3.export.blueprints import BLUEPRINTS, draw_student
from savem3.export.bodies import Bodies, Contacts, Measured, measure
from savem3.export.meshes import Mesh, mesh_tiles, write_meshes
from savem3.export.places import central_voxels
from savem3.export.polygons import join_meshes, write_obj, write_ply
from savem3.export.precomputed import link, write_precomputed, write_properties
from savem3.export.skeletons import Skeleton, skeletonise, write_skeletons, write_swc
from savem3.export.tables import COLUMNS, body_columns, contact_columns, write_csv, write_parquet
from savem3.export.webknossos import LAYER, write_data_source

__all__ = [
    "BLUEPRINTS",
    "COLUMNS",
    "LAYER",
    "Agglomeration",
    "Bodies",
    "Contacts",
    "Measured",
    "Mesh",
    "Skeleton",
    "agglomeration_of",
    "body_columns",
    "central_voxels",
    "contact_columns",
    "draw_student",
    "join_meshes",
    "link",
    "measure",
    "mesh_tiles",
    "prepare",
    "skeletonise",
    "write_agglomeration",
    "write_bioimageio",
    "write_csv",
    "write_data_source",
    "write_meshes",
    "write_obj",
    "write_parquet",
    "write_ply",
    "write_precomputed",
    "write_properties",
    "write_skeletons",
    "write_swc",
]
