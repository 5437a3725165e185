"""A small run directory, made by hand: two neurons of four fragments in 30 × 6 × 4 nm voxels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from savem3.grid import Grid
from savem3.store import write_boundary, write_image, write_labels
from savem3.volume import BoundaryMap, Image, Labels

GRID = Grid((6, 20, 28), (30.0, 6.0, 4.0), (60.0, 0.0, 40.0))
GREY = np.random.default_rng(0).integers(0, 256, GRID.shape, dtype=np.uint8)
PIECES = (1 + np.arange(28) // 7 + np.zeros(GRID.shape)).astype(np.uint64)
NEURONS = (PIECES + 1) // 2


def make_run(folder: Path, *, state: str = "finished") -> Path:
    """The directory ``run``, beside it ``raw.h5``."""
    run = folder / "run"
    run.mkdir()
    place = {"shape": GRID.shape, "voxel_size": GRID.voxel_size, "origin": GRID.origin, "sha256": "0"}
    (run / "run.json").write_text(json.dumps({"state": state, "identity": {"input": place}, "source": {}}))
    write_image(Image(GREY, GRID), folder / "raw.h5")
    write_boundary(BoundaryMap(GREY, GRID), run / "boundary.zarr")
    write_labels(Labels(PIECES, GRID), run / "fragments.zarr")
    write_labels(Labels(NEURONS, GRID), run / "labels.zarr")
    return run
