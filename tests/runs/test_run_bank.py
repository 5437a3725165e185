"""The commands of the bank, as a user types them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from savem3.bank import DATASETS, Download
from savem3.cli import run

BANK = str(Path(__file__).parents[1] / "bank")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A table of two small datasets, of which one is in a folder with a space in its name."""
    monkeypatch.syspath_prepend(BANK)
    from tiny_datasets import small, write

    cards = {name: small(DATASETS[name]) for name in ("axonem_h", "cremi_a")}
    for module in ("savem3.runs.bank", "savem3.bank.own"):
        __import__(module)
        monkeypatch.setattr(sys.modules[module], "DATASETS", cards)
    folder = tmp_path / "my data"
    folder.mkdir()
    write(cards["axonem_h"], folder)
    return folder, cards


def said(capsys) -> str:
    return capsys.readouterr().out


def refusal(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_all_datasets_are_listed_a_line_each_with_what_is_here(tiny, capsys):
    folder, _ = tiny
    assert run(["bank", "list"]) == 0
    header, axonem, cremi = said(capsys).splitlines()
    assert header.split()[:3] == ["name", "superset", "imaging"]
    assert axonem.split()[:3] == ["axonem_h", "H01", "ATUM-SEM"]
    assert cremi.split()[:3] == ["cremi_a", "FAFB", "ssTEM"]
    assert run(["bank", "list", "--folder", str(folder)]) == 0
    _, axonem, cremi = said(capsys).splitlines()
    assert axonem.endswith("  here")
    assert cremi.endswith("  not here")


def test_the_list_for_machines_has_what_the_cards_have(tiny, capsys):
    folder, cards = tiny
    assert run(["bank", "list", "--folder", str(folder), "--json"]) == 0
    listed = json.loads(said(capsys))
    assert [one["name"] for one in listed] == sorted(cards)
    assert [one["here"] for one in listed] == [True, False]
    assert listed[0]["voxel_size_nm"] == [30, 8, 8]
    assert listed[0]["blocks"][0]["layouts"][0]["padding"] == [2, 3, 5]


def test_a_dataset_is_shown_with_its_terms_and_the_tree_of_its_files(capsys):
    assert run(["bank", "show", "cremi_a"]) == 0
    shown = " ".join(said(capsys).split())
    for part in ("FAFB", "40 × 4 × 4 nm", "unknown: see the page", "cremi.org/data", "either", "or"):
        assert part in shown
    assert "sample_A_20160501.hdf:volumes/labels/neuron_ids labels" in shown


def test_every_dataset_can_be_shown(capsys):
    for name in DATASETS:
        assert run(["bank", "show", name, "--json"]) == 0
        assert json.loads(said(capsys))["name"] == name
        assert run(["bank", "show", name]) == 0
        assert DATASETS[name].superset in said(capsys)


def test_the_check_exits_with_0_where_all_is_as_it_should_be(tiny, capsys):
    folder, cards = tiny
    assert run(["bank", "check", "axonem_h", str(folder)]) == 0
    lines = said(capsys).splitlines()
    assert len(lines) == len(cards["axonem_h"].blocks)
    assert all("as it should be" in line for line in lines)


def test_the_check_exits_with_2_and_says_what_is_missing(tiny, capsys):
    folder, _ = tiny
    assert run(["bank", "check", "cremi_a", str(folder)]) == 2
    assert "sample_A_20160501.hdf; get it from cremi.org/data" in said(capsys)
    next(folder.rglob("seg_950-0-0x.h5")).unlink()
    assert run(["bank", "check", "axonem_h", str(folder), "--json"]) == 2
    first, second = json.loads(said(capsys))
    assert first["is_missing"]
    assert "seg_950-0-0*.h5" in first["problem"]
    assert second["problem"] == ""


def test_of_all_datasets_those_that_are_not_here_are_named(tiny, capsys):
    folder, _ = tiny
    assert run(["bank", "check", "all", str(folder)]) == 0
    assert said(capsys).splitlines()[-1] == "not here: cremi_a"


def test_an_empty_folder_does_not_pass(tiny, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run(["bank", "check", "all", str(tmp_path / "empty")]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "cremia"], "name must be that of a dataset, got 'cremia'; did you mean 'cremi_a'?"),
        (["check", "cremi_a", "nowhere"], "folder must be there, got 'nowhere'"),
        (["fetch", "hemibrain", "nowhere"], "get it from github.com/funkelab/lsd"),
        (["chek", "cremi_a", "."], 'Did you mean "check"?'),
    ],
)
def test_a_mistake_is_one_sentence(words, message, capsys):
    assert run(["bank", *words]) == 2
    assert message in refusal(capsys)


@pytest.fixture
def published(tiny, monkeypatch):
    """The second dataset, as an archive behind a server on this machine."""
    from file_server import Served, serving
    from tiny_datasets import write

    folder, cards = tiny
    write(cards["cremi_a"], folder / "there")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(folder / "there/sample_A_20160501.hdf", "sample_A_20160501.hdf")
    with serving(Served(content.getvalue())) as served:
        sha256 = hashlib.sha256(served.content).hexdigest()
        (block,) = cards["cremi_a"].blocks
        (layout,) = block.layouts
        places = {what: f"cremi/{place}" for what, place in layout.places.items()}
        block = replace(block, layouts=(replace(layout, **places),))
        download = Download(served.url, "cremi.zip", 2**20, sha256=sha256)
        cards["cremi_a"] = replace(cards["cremi_a"], blocks=(block,), downloads=(download,))
        yield served


def test_a_dataset_is_fetched_unpacked_and_then_here(published, tiny, capsys):
    folder, _ = tiny
    assert run(["bank", "fetch", "cremi_a", str(folder), "--json"]) == 0
    assert "unknown: see the page" in said(capsys)
    assert run(["bank", "check", "cremi_a", str(folder)]) == 0
    assert not (folder / "cremi.zip").exists()
    assert run(["bank", "fetch", "cremi_a", str(folder), "--json"]) == 0
    assert len(published.ranges) == 1


def test_offline_nothing_is_fetched(published, tiny, monkeypatch, capsys):
    for name in ("SAVEM3_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    folder, _ = tiny
    assert run(["bank", "fetch", "cremi_a", str(folder), "--offline"]) == 2
    assert "must lie on this machine with --offline" in refusal(capsys)
    assert published.ranges == []
    assert not (folder / "cremi").exists()


def test_no_other_command_asks_the_network(published, tiny, capsys):
    folder, _ = tiny
    for words in (["list", "--folder", str(folder)], ["show", "cremi_a"], ["check", "all", str(folder)]):
        run(["bank", *words])
    assert published.ranges == []


def test_options_of_the_bank_may_come_from_a_file(tiny, tmp_path, capsys):
    folder, _ = tiny
    file = tmp_path / "options.toml"
    file.write_text(f"[bank.list]\nfolder = '{folder}'\njson = true\n")
    assert run(["bank", "list", "--config", str(file)]) == 0
    assert json.loads(said(capsys))[0]["here"]
    file.write_text("[bank.lst]\njson = true\n")
    assert run(["bank", "list", "--config", str(file)]) == 3
    assert "did you mean 'list'?" in refusal(capsys)
