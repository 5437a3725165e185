"""Results that are kept: a finished cell is not run again, a changed input is named, what is missing is told."""

from __future__ import annotations

import json

import pytest

from savem3.bench.cells import Cells, digest_of_values
from savem3.bench.manifest import describe_machine, digest_of_file, digests_of, write_manifest
from savem3.bench.plots import LARGEST_BYTES, draw_bars
from savem3.bench.request import Bench, Result, split_name, split_volume
from savem3.bench.tables import Table, cell_of, grid_of, spread, write_tables


def fail():
    pytest.fail("run again")


def test_a_finished_cell_is_not_run_again(tmp_path):
    first = Cells(tmp_path).do("a, b", "FIB-25", of={"model": "x"}, make=lambda: ({"voi": 1.25}, {"beta": 0.9}))
    again = Cells(tmp_path).do("a, b", "FIB-25", of={"model": "x"}, make=fail)
    assert again == first
    assert (again.values, again.says) == ({"voi": 1.25}, {"beta": 0.9})


def test_a_changed_input_is_named_and_refused_unless_it_may_be_run_again(tmp_path):
    Cells(tmp_path).do("row", "V", of={"volume": {"raw.h5": "abc"}, "beta": 0.5}, make=lambda: ({"voi": 1.0}, {}))
    changed = {"volume": {"raw.h5": "def"}, "beta": 0.5}
    with pytest.raises(ValueError, match=r"row on V must be of the same inputs, got others \(volume.raw.h5 was abc"):
        Cells(tmp_path).do("row", "V", of=changed, make=fail)
    result = Cells(tmp_path, renew=True).do("row", "V", of=changed, make=lambda: ({"voi": 2.0}, {}))
    assert result.values == {"voi": 2.0}
    assert Cells(tmp_path).do("row", "V", of=changed, make=fail) == result


def test_a_missing_package_leaves_a_cell_empty_and_is_tried_again(tmp_path):
    def without():
        raise ModuleNotFoundError("needs the package waterz")

    result = Cells(tmp_path).do("WaterZ", "V", of={}, make=without)
    assert (result.was_run, result.says) == (False, {"not run": "needs the package waterz"})
    assert Cells(tmp_path).do("WaterZ", "V", of={}, make=lambda: ({"voi": 1.0}, {})).was_run


def test_only_tables_run_nothing(tmp_path):
    assert not Cells(tmp_path, only_tables=True).do("row", "V", of={}, make=fail).was_run


def test_cells_whose_names_look_alike_are_kept_apart(tmp_path):
    cells = Cells(tmp_path)
    names = {cells.file_of(row, "V", seed) for row in ("a, b", "a b", "a/b") for seed in (0, 1)}
    assert len(names) == 6


def test_an_interrupted_cell_leaves_no_half_result(tmp_path):
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cells(tmp_path).do("row", "V", of={}, make=stopped)
    assert list(tmp_path.glob("*.json")) == []


def test_the_order_of_keys_changes_no_digest():
    assert digest_of_values({"a": 1, "b": [2]}) == digest_of_values({"b": [2], "a": 1})
    assert digest_of_values({"a": 1}) != digest_of_values({"a": 2})


def test_a_folder_has_a_digest_that_any_file_changes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = digest_of_file(tmp_path / "a")
    (tmp_path / "a" / "y").write_text("")
    assert digest_of_file(tmp_path / "a") != before


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path):
    files = [tmp_path / "a" / "scores.jsonl", tmp_path / "b" / "scores.jsonl", tmp_path / "raw.h5"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(file.parent.name)
    assert list(digests_of([*files, tmp_path / "none"])) == ["a/scores.jsonl", "b/scores.jsonl", "raw.h5"]


def test_a_manifest_names_no_folder_of_the_machine(tmp_path):
    bench = Bench(tmp_path / "data", tmp_path / "out", peers=(f"PyTC={tmp_path}/main.h5@AC3",), students=("s=/x/y.st",))
    (tmp_path / "raw.h5").write_text("voxels")
    file = write_manifest("3d", bench, inputs=[tmp_path / "raw.h5"], outputs=[], busy=1.234, folder=tmp_path)
    content = json.loads(file.read_text())
    assert str(tmp_path) not in file.read_text()
    assert content["asked"]["peers"] == ["PyTC=main.h5@AC3"]
    assert content["asked"]["students"] == ["s=y.st"]
    assert content["inputs"] == {"raw.h5": digest_of_file(tmp_path / "raw.h5")}
    assert content["machine"]["busy_before"] == 1.23
    assert describe_machine()["cores"] >= 1


def test_names_and_places_are_taken_apart():
    assert split_name("HQ=folder/hq") == ("HQ", "folder/hq")
    assert split_name("folder/hq.safetensors") == ("hq", "folder/hq.safetensors")
    assert split_volume("a@b/masks.tif@FIB-25") == ("a@b/masks.tif", "FIB-25")
    with pytest.raises(ValueError, match=r"must be given as PATH@VOLUME, got 'masks\.tif'"):
        split_volume("masks.tif")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"seeds": 0}, "seeds must be at least 1"), ({"threads": 0}, "threads must"), ({"renew": True}, "only_tables")],
)
def test_what_cannot_be_asked_for_is_refused(tmp_path, changes, says):
    with pytest.raises(ValueError, match=says):
        Bench(tmp_path, tmp_path, **changes, only_tables="renew" in changes)


RESULTS = (
    Result("a", "V", {"voi": 1.0, "arand": 0.1}, 0),
    Result("a", "V", {"voi": 2.0, "arand": 0.1}, 1),
    Result("b", "V", {"voi": 0.5}, 0),
    Result("b", "W", says={"not run": "no file"}),
)


def test_a_table_has_means_and_spreads_over_seeds_and_says_what_was_not_run():
    table = grid_of(RESULTS, ("voi", "arand"), title="T", says="", columns=("W", "V"), published={"c": {"X": ".7"}})
    assert table.head == ("method", "W", "V", "X")
    assert table.rows[0] == ("a", "not run", "1.500 ± 0.707 / 0.100 ± 0.000", "not run")
    assert table.rows[1] == ("b", "not run", "0.500 / –", "not run")
    assert table.rows[2] == ("*c* (published)", "", "", "*.7*")


def test_one_seed_has_no_spread():
    assert spread([1.0]) == "1.000"
    assert spread([1.0, float("nan")]) == "1.000"
    assert cell_of([], ("voi",)) == "not run"


def test_tables_are_written_with_every_number_beside_them(tmp_path):
    table = Table("T", "Says.", ("method", "V"), (("a", "1"),))
    markdown, numbers = write_tables([table], RESULTS, title="All", says="Above.", folder=tmp_path)
    assert "## T\n\nSays.\n\n| method | V |\n|---|---|\n| a | 1 |\n" in markdown.read_text()
    lines = numbers.read_text().splitlines()
    assert lines[0] == "method,volume,seed,metric,value,says"
    assert lines[1] == "a,V,0,voi,1.0,"
    assert lines[-1] == "b,W,0,not run,,not run: no file"


def test_a_picture_is_small_and_absent_where_nothing_was_run(tmp_path):
    many = [Result(f"method {n}", v, {"voi": float(n)}) for n in range(30) for v in ("V", "W", "X")]
    drawn = draw_bars(many, "voi", title="VoI", path=tmp_path / "voi.png")
    assert drawn is not None
    assert drawn.stat().st_size <= LARGEST_BYTES
    assert draw_bars(many, "erl", title="ERL", path=tmp_path / "erl.png") is None
    assert not (tmp_path / "erl.png").exists()
