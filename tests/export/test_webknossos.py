import json
from pathlib import Path

import numpy as np
import pytest

from savem3.export import LAYER, write_data_source
from savem3.grid import Grid
from savem3.store import write_labels
from savem3.volume import Labels

zarr = pytest.importorskip("zarr")


def test_every_level_is_named_with_what_it_joins_along_x_y_z(tmp_path: Path) -> None:
    grid = Grid((70, 66, 150), (30.0, 6.0, 4.0))
    write_labels(Labels(np.ones(grid.shape, np.uint64), grid), tmp_path / f"{LAYER}.zarr")
    (tmp_path / f"{LAYER}.zarr").rename(tmp_path / LAYER)
    write_data_source(tmp_path, name="some", grid=grid, largest=1, agglomeration="view")
    described = json.loads((tmp_path / "datasource-properties.json").read_text())
    levels = described["dataLayers"][0]["mags"]
    assert len(levels) == len(list(zarr.open_group(tmp_path / LAYER, mode="r").arrays())) > 1
    for level in levels:
        shape = zarr.open_array(tmp_path / level["path"], mode="r").shape
        assert shape == tuple(-(-n // f) for n, f in zip(grid.shape, reversed(level["mag"]), strict=True))
    assert levels[1]["mag"][2] < levels[1]["mag"][0], "sections are thick, so they are joined last"
