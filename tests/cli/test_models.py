"""The commands for models, as a user types them."""

import json

import pytest

from savem3.cli import run
from savem3.shipped import STUDENT, find_model


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """An empty folder of the user."""
    monkeypatch.setenv("SAVEM3_HOME", str(tmp_path / "my home"))


def test_models_travel_in_an_archive_and_are_listed_where_they_arrive(tmp_path, capsys):
    mine, parcel = tmp_path / "mine.safetensors", tmp_path / "models.tar"
    mine.write_bytes(find_model(STUDENT).read_bytes())
    assert run(["weights", "pack", str(parcel), str(mine)]) == 0
    assert run(["weights", "pack", str(parcel), str(mine)]) == 4
    assert run(["weights", "unpack", str(parcel)]) == 0
    capsys.readouterr()
    assert run(["weights", "list", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["mine"]["where"] == "home"
    assert listed["mine"]["sha256"] == listed[STUDENT]["sha256"]
    assert run(["weights", "list"]) == 0
    said = capsys.readouterr().out
    assert "licence: Apache-2.0" in said
    assert "trained on: fib25_training_sample2:train:0-59, gala_fib_train:all" in said
    assert "bundled crop" in said


def test_verifying_says_what_is_wrong_and_exits_with_2(tmp_path, capsys):
    broken = tmp_path / "broken.safetensors"
    content = bytearray(find_model(STUDENT).read_bytes())
    content[-1] ^= 1
    broken.write_bytes(content)
    assert run(["weights", "verify"]) == 0
    assert run(["weights", "verify", str(broken), STUDENT, "none"]) == 2
    said = capsys.readouterr().out
    assert "broken  must not be used: " in said
    assert "must match its SHA-256" in said
    assert f"{STUDENT}  whole" in said
    assert "none  must not be used: model must be a shipped one" in said


def test_a_hostile_archive_is_exit_code_2(tmp_path, capsys):
    hostile = tmp_path / "hostile.tar"
    hostile.write_bytes(b"PK\x03\x04" + bytes(2000))
    assert run(["weights", "unpack", str(hostile)]) == 2
    assert "must be a plain tar archive" in capsys.readouterr().err
    assert run(["weights", "unpack", str(tmp_path / "none.tar")]) == 2
