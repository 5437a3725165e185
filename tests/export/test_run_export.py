"""Whole exports of a run, by the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from savem3.cli import run
from savem3.grid import Grid
from savem3.store import write_boundary, write_labels
from savem3.volume import BoundaryMap, Labels

zarr = pytest.importorskip("zarr")

GRID = Grid((20, 24, 40), (30.0, 6.0, 4.0), (60.0, 18.0, 8.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run whose neuron 2 is fragments 2 and 3, side by side along x."""
    fragments = np.zeros(GRID.shape, np.uint64)
    fragments[15:19, 14:20, 5:9] = 1
    fragments[2:6, 2:12, 3:20] = 2
    fragments[2:6, 2:12, 20:38] = 3
    write_labels(Labels(fragments, GRID), tmp_path / "run" / "fragments.zarr")
    write_labels(Labels(np.minimum(fragments, 2), GRID), tmp_path / "run" / "labels.zarr")
    write_boundary(BoundaryMap(np.full(GRID.shape, 51, np.uint8), GRID), tmp_path / "run" / "boundary.zarr")
    numbers = {
        "sizes": np.array([96, 680, 720]),
        "count": np.array([40]),
        "total": np.array([40 * 51]),
        "minimum": np.array([51]),
        "maximum": np.array([51]),
        "clusters": np.array([1, 2, 2]),
    }
    save_file({"edges": np.array([[2, 3]], np.uint64), **numbers}, tmp_path / "run" / "graph.safetensors")
    (tmp_path / "run" / "run.json").write_text(json.dumps({"identity": {"model": "some"}}))
    return tmp_path / "run"


def export(*arguments: object) -> None:
    assert run(["export", *map(str, arguments), "--json"]) == 0


def test_a_data_set_of_webknossos_leads_to_all_its_parts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    export("webknossos", folder, out, "--name", "view")
    described = json.loads((out / "datasource-properties.json").read_text())
    assert described["scale"] == {"factor": [4.0, 6.0, 30.0], "unit": "nanometer"}
    (layer,) = described["dataLayers"]
    assert layer["boundingBox"] == {"topLeft": [0, 0, 0], "width": 40, "height": 24, "depth": 20}
    assert layer["largestSegmentId"] == 3
    finest = zarr.open_group(folder / "fragments.zarr", mode="r")["0"][...]
    for mag in layer["mags"]:
        array = zarr.open_array(out / mag["path"], mode="r")
        order = [mag["axisOrder"][axis] for axis in "xyz"]
        coarse = [-(-finest.shape[axis] // factor) for axis, factor in zip(order, mag["mag"], strict=True)]
        assert [array.shape[axis] for axis in order] == coarse
    np.testing.assert_array_equal(zarr.open_array(out / layer["mags"][0]["path"], mode="r")[...], finest)
    (attached,) = layer["attachments"]["agglomerates"]
    group = zarr.open_group(out / attached["path"], mode="r")
    assert (attached["name"], attached["dataFormat"]) == ("view", "zarr3")
    assert group["segment_to_agglomerate"][...].tolist() == [0, 1, 2, 2]
    assert group["agglomerate_to_edges"][...].tolist() == [[0, 1]]
    np.testing.assert_allclose(group["agglomerate_to_affinities"][...], [0.8])
    places = group["agglomerate_to_positions"][...]
    assert [int(finest[z, y, x]) for x, y, z in places] == group["agglomerate_to_segments"][...].tolist()


def test_skeletons_lie_within_their_objects_and_only_those_asked_for(folder: Path, tmp_path: Path) -> None:
    export("skeletons", folder, tmp_path / "all", "--smallest", "500")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["2.swc", "export.json"]
    rows = np.loadtxt(tmp_path / "all" / "2.swc", ndmin=2)
    assert (rows[:, 2:5] > [20, 30, 120]).all()
    assert (rows[:, 2:5] < [160, 90, 240]).all()
    assert np.ptp(rows[:, 2]) > 80
    export("skeletons", folder, tmp_path / "one", "--ids", "1")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["1.swc", "export.json"]


def test_tables_of_a_run_count_fragments_and_measure_boundaries(folder: Path, tmp_path: Path) -> None:
    export("tables", folder, tmp_path / "tables", "--skeletons", "--smallest", "500")
    names, *rows = (line.split(",") for line in (tmp_path / "tables" / "bodies.csv").read_text().splitlines())
    fragments, length = names.index("fragments"), names.index("length_um")
    assert [row[fragments] for row in rows] == ["1", "2"]
    assert rows[0][length] == ""
    assert 0.08 < float(rows[1][length]) < 0.3
    assert "mean_boundary" in (tmp_path / "tables" / "contacts.csv").read_text()


@pytest.mark.parametrize("what", ["labels", "fragments", "boundary"])
def test_a_volume_has_its_record_beside(folder: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out.h5"
    export("volume", folder, out, "--what", what)
    record = json.loads((tmp_path / "out.h5.export.json").read_text())
    assert (record["export"], record["options"], record["from"]) == ("volume", {"what": what}, "run")
    assert record["run"] == {"model": "some"}


def test_a_part_of_a_run_has_no_agglomeration(folder: Path, tmp_path: Path) -> None:
    assert run(["export", "webknossos", str(folder), str(tmp_path / "set"), "--sections", "0:9", "--json"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
