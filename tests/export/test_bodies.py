import numpy as np
import pytest

from savem3.export import body_columns, central_voxels, contact_columns, measure, write_csv, write_parquet
from savem3.grid import Grid
from savem3.volume import BoundaryMap, Labels

GRID = Grid((7, 9, 11), (30.0, 6.0, 4.0), (60.0, 18.0, 8.0))


def labels_of(voxels: np.ndarray, grid: Grid = GRID) -> Labels:
    return Labels(voxels.astype(np.uint64), grid)


def two_boxes() -> Labels:
    voxels = np.zeros(GRID.shape)
    voxels[1:3, 2:5, 3:7] = 5
    voxels[1:3, 2:5, 7:10] = 2**40
    return labels_of(voxels)


def test_a_box_of_known_size_has_its_volume_surface_and_place() -> None:
    table = body_columns(measure(two_boxes()).bodies, GRID)
    row = table["id"].tolist().index(5)
    assert table["voxels"][row] == 2 * 3 * 4
    assert table["volume_um3"][row] == pytest.approx(60 * 18 * 16 / 1e9)
    assert table["surface_um2"][row] == pytest.approx(2 * (60 * 18 + 60 * 16 + 18 * 16) / 1e6)
    assert [table[f"{a}_start_nm"][row] for a in "zyx"] == [90, 30, 20]
    assert [table[f"{a}_stop_nm"][row] for a in "zyx"] == [150, 48, 36]
    assert [table[f"{a}_um"][row] for a in "zyx"] == pytest.approx([0.120, 0.039, 0.028])
    assert not table["touches_border"].any()


def test_a_contact_has_its_faces_area_and_mean_boundary() -> None:
    boundary = np.zeros(GRID.shape, np.uint8)
    boundary[1, :, 6], boundary[2, :, 7] = 100, 40
    contacts = measure(two_boxes(), BoundaryMap(boundary, GRID)).contacts
    table = contact_columns(contacts, GRID, with_boundary=True)
    assert contacts.pairs.tolist() == [[5, 2**40]]
    assert contacts.faces.tolist() == [[0, 0, 6]]
    assert table["area_um2"][0] == pytest.approx(60 * 18 / 1e6)
    assert table["mean_boundary"][0] == 70


def test_where_the_volume_ends_is_no_surface_but_a_border() -> None:
    bodies = measure(labels_of(np.ones(GRID.shape))).bodies
    assert bodies.faces.tolist() == [[0, 0, 0]]
    assert bodies.at_border.all()


@pytest.mark.parametrize("block", [(1, 2, 3), (4, 4, 4), (7, 9, 1)])
def test_no_block_size_changes_a_number(block: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    labels = labels_of(random.integers(0, 5, GRID.shape))
    boundary = BoundaryMap(random.integers(0, 256, GRID.shape).astype(np.uint8), GRID)
    whole, parts = measure(labels, boundary), measure(labels, boundary, block=block)
    for kind in ("bodies", "contacts"):
        for name in getattr(whole, kind).__slots__:
            np.testing.assert_array_equal(getattr(getattr(whole, kind), name), getattr(getattr(parts, kind), name))
    places = central_voxels(labels, whole.bodies)
    np.testing.assert_array_equal(places, central_voxels(labels, whole.bodies, block=block))
    assert [int(labels.voxels[tuple(place)]) for place in places] == whole.bodies.ids.tolist()


def test_tables_are_read_back_with_their_units(tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = body_columns(measure(two_boxes()).bodies, GRID, lengths_um={5: 1.5}, fragments={5: 2})
    write_csv(table, tmp_path / "bodies.csv")
    write_parquet(table, tmp_path / "bodies.parquet")
    read = parquet.read_table(tmp_path / "bodies.parquet")
    assert read["id"].to_pylist() == [5, 2**40]
    assert b"nm" in read.schema.field("y_stop_nm").metadata[b"description"]
    first, *rows = (tmp_path / "bodies.csv").read_text().splitlines()
    assert first.split(",") == read.column_names
    assert rows[1].split(",")[first.split(",").index("length_um")] == ""
    assert float(rows[0].split(",")[2]) == read["volume_um3"][0].as_py()


def test_a_boundary_map_of_another_shape_is_refused() -> None:
    other = Grid((1, 2, 3), (30.0, 6.0, 4.0))
    with pytest.raises(ValueError, match="boundary must have the labels' shape"):
        measure(two_boxes(), BoundaryMap(np.zeros(other.shape, np.uint8), other))


def test_the_voxel_nearest_to_the_centre_is_the_first_of_the_nearest() -> None:
    labels = two_boxes()
    assert central_voxels(labels, measure(labels).bodies).tolist() == [[1, 3, 4], [1, 3, 8]]


def test_nearness_is_counted_in_nm() -> None:
    voxels = np.zeros(GRID.shape)
    voxels[[0, 2, 6], 4, 5], voxels[3, 4, [1, 10]] = 1, 1
    labels = labels_of(voxels)  # the centre is (2.8, 4, 5.2): 0.8 of a section is further than 4.2 voxels along x
    assert central_voxels(labels, measure(labels).bodies).tolist() == [[3, 4, 1]]
