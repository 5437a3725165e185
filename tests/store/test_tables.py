import pickle  # noqa: TID251 - as a worker process would receive it

import numpy as np
import pytest

from savem3.store.tables import TableFile, TableFiles, digest_of_file, write_table


@pytest.fixture
def arrays():
    return {"pairs": np.arange(12).reshape(6, 2), "none": np.zeros((0, 3), np.uint32), "ends": np.arange(5.0)}


def test_a_table_comes_back_as_it_was(tmp_path, arrays):
    write_table(tmp_path / "0.safetensors", arrays)
    read = TableFile(tmp_path / "0.safetensors")
    assert sorted(read) == sorted(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name][...], values)
        np.testing.assert_array_equal(np.asarray(read[name]), values)
        assert len(read[name]) == len(values)
        assert read.load()[name].dtype == values.dtype


def test_rows_can_be_read_alone_in_another_process(tmp_path, arrays):
    write_table(tmp_path / "t.safetensors", arrays)
    column = pickle.loads(pickle.dumps(TableFile(tmp_path / "t.safetensors")))["pairs"]  # noqa: S301
    np.testing.assert_array_equal(column[2:4], [[4, 5], [6, 7]])
    assert column[3:3].shape == (0, 2)


def test_the_digest_is_that_of_the_file_whatever_the_order_of_the_names(tmp_path, arrays):
    one = write_table(tmp_path / "1", arrays)
    two = write_table(tmp_path / "2", dict(reversed(arrays.items())))
    assert one == two == digest_of_file(tmp_path / "1")
    assert write_table(tmp_path / "3", {**arrays, "ends": np.arange(1, 6.0)}) != one


def test_tables_of_a_stage_are_read_one_by_one(tmp_path):
    for i in range(3):
        write_table(tmp_path / f"{i}.safetensors", {"number": np.array([i])})
    tables = TableFiles(tmp_path, 3)
    assert [int(table["number"][0]) for table in tables] == [0, 1, 2]
    assert len(tables) == 3
    with pytest.raises(IndexError, match="3 tables"):
        tables[3]


def test_a_name_that_is_not_there_is_a_key_error(tmp_path, arrays):
    write_table(tmp_path / "t", arrays)
    with pytest.raises(KeyError, match="edges"):
        TableFile(tmp_path / "t")["edges"]


def test_of_an_array_without_rows_any_slice_is_empty(tmp_path, arrays):
    write_table(tmp_path / "0.safetensors", arrays)
    column = TableFile(tmp_path / "0.safetensors")["none"]
    assert column[0:4].shape == column[:].shape == column[...].shape == (0, 3)
