"""Blocks: a pure function of a tile, applied to every tile of a volume.

Enters: tiles and a function. Leaves: its results in the order of the tiles, the same for every block size, block order
and number of workers. Here also stand the two things that several rooms do block by block: compiled loops, and the
faces between touching regions in integer sums (method, section 6).
"""

from savem3.blocks.executor import each
from savem3.blocks.faces import Faces, collect_faces, join_faces
from savem3.blocks.kernel import kernel
from savem3.blocks.product import BlockFunction, Product, Table, Tables
from savem3.store import Progress

__all__ = [
    "BlockFunction",
    "Faces",
    "Product",
    "Progress",
    "Table",
    "Tables",
    "collect_faces",
    "each",
    "join_faces",
    "kernel",
]
