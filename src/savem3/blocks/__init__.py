"""Blocks: a pure function of a tile, applied to every tile of a volume.

Enters: block functions and the blocks of a volume. Leaves: what they give, written once, recorded and checked, the same
for every block size, block order, number of workers and number of interruptions. A `Stage` is one function over all
blocks; `run_stages` has stages done by an executor (threads, processes, a cluster); the `Ledger` holds a record of each
finished block. In memory, `each` does the same without files. Here also stand the two things that several rooms do
block by block: compiled loops, and the faces between touching regions in integer sums (method, section 6).
"""

from savem3.blocks.cluster import Dask, Slurm
from savem3.blocks.coarsen import Coarsen
from savem3.blocks.course import Damage, drop_scratch, mend, run_stages, verify_stages
from savem3.blocks.executor import EXECUTORS, Executor, each, executor_of, held
from savem3.blocks.faces import Faces, collect_faces, count_voxels, faces_of, join_faces
from savem3.blocks.ledger import Ledger, Receipt
from savem3.blocks.lookup import ends_of, look_up
from savem3.blocks.outcome import DISK_FULL, Failure, Finished
from savem3.blocks.ownership import LOCK, owning
from savem3.blocks.processes import Processes
from savem3.blocks.product import BlockFunction, Product, Table, Tables
from savem3.blocks.signals import Terminated, stopping_on_sigterm
from savem3.blocks.stage import BlocksFailed, Stage, find_damage, run_stage
from savem3.blocks.survey import Survey, survey
from savem3.blocks.threads import Threads
from savem3.kernel import kernel
from savem3.store import Progress

__all__ = [
    "DISK_FULL",
    "EXECUTORS",
    "LOCK",
    "BlockFunction",
    "BlocksFailed",
    "Coarsen",
    "Damage",
    "Dask",
    "Executor",
    "Faces",
    "Failure",
    "Finished",
    "Ledger",
    "Processes",
    "Product",
    "Progress",
    "Receipt",
    "Slurm",
    "Stage",
    "Survey",
    "Table",
    "Tables",
    "Terminated",
    "Threads",
    "collect_faces",
    "count_voxels",
    "drop_scratch",
    "each",
    "ends_of",
    "executor_of",
    "faces_of",
    "find_damage",
    "held",
    "join_faces",
    "kernel",
    "look_up",
    "mend",
    "owning",
    "run_stage",
    "run_stages",
    "stopping_on_sigterm",
    "survey",
    "verify_stages",
]
