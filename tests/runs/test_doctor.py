import json

import pytest

from savem3.runs import doctor
from savem3.runs.doctor import EXTRAS, NEEDED, WORKS, Finding, run_doctor
from savem3.shipped import MODELS


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Speeds for an instant, and extras looked at without starting anything."""
    monkeypatch.setattr(doctor, "BUSY_S", 0.0)
    monkeypatch.setattr(doctor, "WORKS", dict.fromkeys(WORKS, lambda: "works"))
    monkeypatch.setattr(doctor, "EXTRAS", {"view": ("no_such_module",), "bench": ("json.decoder",)})


def told(capsys):
    healthy = run_doctor(as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["healthy"] == healthy
    return healthy, {finding["name"]: finding for finding in facts["findings"]}


def test_a_sound_installation_is_healthy_and_an_absent_extra_is_no_fault(capsys):
    healthy, found = told(capsys)
    assert healthy
    assert found["view"]["state"] == "absent"
    assert found["view"]["text"] == 'not installed: pip install "savem3[view]"'
    assert found["bench"]["text"] == "works"
    assert found["savem3-fast"]["state"] == "ok"
    assert set(NEEDED) <= set(found)


def test_a_package_that_is_missing_or_cannot_be_imported_is_broken_and_comes_with_its_cure(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", {"numpy": "no_such_module"})
    healthy, found = told(capsys)
    assert not healthy
    assert found["numpy"]["text"].startswith('not installed: pip install "numpy>=')


def test_a_changed_model_is_broken(tmp_path, capsys, monkeypatch):
    content = bytearray((MODELS / "savem3-fast.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "mine.safetensors").write_bytes(content)
    monkeypatch.setattr(doctor, "MODELS", tmp_path)
    healthy, found = told(capsys)
    assert not healthy
    assert "SHA-256" in found["mine"]["text"]


def test_an_extra_that_is_there_and_fails_says_why_and_does_not_stop_a_run(capsys, monkeypatch):
    def fail():
        raise RuntimeError("no port is free")

    monkeypatch.setattr(doctor, "WORKS", {"bench": fail})
    monkeypatch.setattr(doctor, "EXTRAS", {"bench": ("json",)})
    healthy, found = told(capsys)
    assert healthy
    assert found["bench"] == {
        **{"group": "extras", "name": "bench", "state": "absent"},
        "text": "installed, but RuntimeError: no port is free",
    }


def test_a_folder_that_cannot_be_written_is_broken(tmp_path):
    found = doctor._look("folders", "here", lambda: doctor._writable(tmp_path / "none"))
    assert found.state == "broken"


def test_people_read_a_table_that_ends_with_what_is_broken(capsys):
    from rich.console import Console

    found = [Finding("program", "numpy", "ok", "2.3"), Finding("program", "torch", "broken", "not installed: [cure]")]
    doctor.show(found, console=Console(width=100, no_color=True))
    said = capsys.readouterr().out
    assert "not installed: [cure]" in said
    assert said.splitlines()[-1] == "broken: torch"


def test_every_extra_of_the_package_but_those_of_developers_is_looked_at():
    from importlib.metadata import metadata

    assert {*EXTRAS, "dev", "docs"} == set(metadata("savem3").get_all("Provides-Extra"))
    assert set(EXTRAS) == set(WORKS)
