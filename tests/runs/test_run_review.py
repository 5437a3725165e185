"""Review and settle as commands: from a queue to labels, with one reviewer and with several."""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.request
import webbrowser
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "review"))
from queues import cells, make_folder

from savem3.cli import run
from savem3.review import open_folder, writing
from savem3.runs.review import run_review
from savem3.store import open_labels


def say(folder: Path, reviewer: str, *verdicts: str) -> None:
    """Verdicts on the first items of a queue."""
    with writing(folder, reviewer) as log:
        for item, verdict in zip(open_folder(folder).items, verdicts, strict=False):
            log.say(item.id, verdict)


def digest(folder: Path) -> str:
    """Of all files of a folder and their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "données 测试 a b", datasets=("wall", "other.2"), count=6)


def test_a_queue_is_served_until_it_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi", reason='needs fastapi: pip install "savem3[review]"')
    pytest.importorskip("uvicorn", reason='needs uvicorn: pip install "savem3[review]"')
    opened, said, stop, ready = list[str](), list[str](), Event(), Event()

    def open_it(url: str) -> bool:
        opened.append(url)
        ready.set()
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    options = {"say": said.append, "reviewer": "anna", "datasets": ("other.2",), "stop": stop}
    thread = Thread(target=run_review, args=(folder,), kwargs=options)
    thread.start()
    assert ready.wait(20)
    with urllib.request.urlopen(opened[0], timeout=10) as answer:
        assert answer.status == 200
        url = answer.url
    with pytest.raises(FileExistsError, match="another --reviewer"):
        run_review(folder, say=print, reviewer="anna", opens_browser=False)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert said[0].startswith("6 masks to look at; 'anna' has settled 0")
    assert said[1] == f"open {url} in a browser of this machine; Ctrl-C ends it"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_without_fastapi_the_cure_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name in ("savem3.review.serving", "savem3.review.answers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("savem3.review.serving", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ValueError, match=r'pip install "savem3\[review\]"'):
        run_review(folder, say=print, opens_browser=False)


def test_the_command_says_what_is_no_review_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(tmp_path), "--no-browser"]) == 2
    assert "a review folder must hold an intact review.json" in capsys.readouterr().err


def test_a_reviewer_with_a_bad_name_and_a_dataset_that_is_not_there_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fastapi", reason='needs fastapi: pip install "savem3[review]"')
    assert run(["review", str(folder), "--no-browser", "--reviewer", "../anna"]) == 2
    assert "reviewer must be a name" in capsys.readouterr().err
    assert run(["review", str(folder), "--no-browser", "--dataset", "wal"]) == 2
    assert "dataset must be one of wall, other.2, got wal" in capsys.readouterr().err


def test_settled_labels_are_those_of_the_verdicts_and_the_folder_is_only_read(folder: Path, tmp_path: Path) -> None:
    say(folder, "anna", "new", "reject", "old", "skip")
    before = digest(folder)
    for out in ("a", "b"):
        assert run(["settle", str(folder), str(tmp_path / out)]) == 0
    assert digest(folder) == before
    settled = open_labels(tmp_path / "a" / "wall" / "labels.zarr").load()
    assert settled.grid.voxel_size == (30.0, 6.0, 4.0)
    items, old = open_folder(folder).items, cells((3, 40, 52))
    assert not (settled.voxels[0] == items[1].label).any()
    assert (settled.voxels[0] == items[0].label).sum() > (old[0] == items[0].label).sum()
    np.testing.assert_array_equal(settled.voxels[1:], old[1:])
    np.testing.assert_array_equal(open_labels(tmp_path / "a" / "other.2" / "labels.zarr").load().voxels, old)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    facts = json.loads((tmp_path / "a" / "settled.json").read_text())
    assert facts["outcomes"] == {"new": 1, "old": 1, "open": 9, "reject": 1}
    assert facts["items"][items[1].id] == "reject"
    assert facts["logs"]["anna"]["records"] == 4


def test_conflicts_are_listed_and_refused_until_somebody_settles_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(folder, "anna", "new", "new", "old")
    say(folder, "boris", "new", "reject", "skip")
    first = open_folder(folder).items[1].id
    out = tmp_path / "out"
    assert run(["settle", str(folder), str(out)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"got 1 items on which they differ: {first} (anna: new, boris: reject)" in told
    assert not out.exists()
    assert run(["settle", str(folder), str(out), "--on-conflict", "newest"]) == 0
    assert json.loads((out / "settled.json").read_text())["items"][first] == "reject"
    assert run(["settle", str(folder), str(out), "--on-conflict", "old"]) == 4
    assert run(["settle", str(folder), str(out), "--on-conflict", "old", "--overwrite"]) == 0
    assert json.loads((out / "settled.json").read_text())["items"][first] == "open"
    assert run(["settle", str(folder), str(tmp_path / "one"), "--logs", "anna"]) == 0
    say(folder, "lead", "skip", "old")
    assert run(["settle", str(folder), str(tmp_path / "led"), "--referee", "lead"]) == 0
    assert json.loads((tmp_path / "led" / "settled.json").read_text())["items"][first] == "old"


def test_a_log_of_another_queue_or_none_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["settle", str(folder), str(tmp_path / "out")]) == 2
    assert "savem3 review FOLDER makes one" in " ".join(capsys.readouterr().err.split())
    with writing(folder, "anna") as log:
        log.say("elsewhere:z0:label1", "new")
    assert run(["settle", str(folder), str(tmp_path / "out")]) == 2
    assert "got a record of elsewhere:z0:label1" in " ".join(capsys.readouterr().err.split())
