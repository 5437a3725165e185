"""What the kill tests start and kill: a run of all integer stages by two worker processes, marking each call.

python errand.py FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path

from volumes import Marked, go, integer_map, stages_in

from savem3.blocks import Processes, held

SHAPE, BLOCK = (24, 34, 32), (8, 12, 16)


def stages_of(folder):
    """The outputs of a run in a folder, and its stages, marked."""
    out, stages = stages_in(folder, integer_map(SHAPE, seed=3, voxel_size=(8.0, 6.0, 6.0)), block=BLOCK)
    marks = folder / "marks"
    marks.mkdir(parents=True, exist_ok=True)
    return out, [
        replace(stage, function=Marked(stage.function, stage.tiles, marks, folder / "done" / stage.name))
        for stage in stages
    ]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    _, stages = stages_of(folder)
    with held(Processes(2)) as workers:
        go(folder, stages, executor=workers)
