"""A run in the browser, without the browser."""

from __future__ import annotations

import sys
import urllib.request
import webbrowser
from pathlib import Path
from threading import Event, Thread

import pytest
from made_runs import make_run

from savem3.cli import run
from savem3.runs.view import run_browse


def test_a_run_is_served_until_it_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
    opened, said, stop, ready = list[str](), list[str](), Event(), Event()

    def open_it(url: str) -> bool:
        opened.append(url)
        ready.set()
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    thread = Thread(target=run_browse, args=(make_run(tmp_path),), kwargs={"say": said.append, "stop": stop})
    thread.start()
    assert ready.wait(20)
    with urllib.request.urlopen(opened[0], timeout=10) as answer:
        assert answer.status == 200
        url = answer.url
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert "pass --raw" in said[0]
    assert said[1] == f"open {url} in a browser of this machine; Ctrl-C ends it"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_without_neuroglancer_the_cure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "neuroglancer" or name == "savem3.view.serving"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("savem3.view.serving", raising=False)
    monkeypatch.setitem(sys.modules, "neuroglancer", None)
    with pytest.raises(ValueError, match=r'pip install "savem3\[view\]"'):
        run_browse(make_run(tmp_path), say=print, opens_browser=False)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run must be a folder that 'savem3 reconstruct' made"):
        run_browse(tmp_path, say=print, opens_browser=False)


def test_the_command_says_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["view", str(tmp_path), "--no-browser"]) == 2
    assert "run must be a folder that 'savem3 reconstruct' made" in capsys.readouterr().err


def test_the_command_serves_on_the_port_that_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr("savem3.runs.view.run_browse", lambda *_, **options: asked.append(options))
    assert run(["view", str(tmp_path), "--no-browser", "--port", "8888", "--raw", "a.h5:raw"]) == 0
    assert (asked[0]["port"], asked[0]["opens_browser"], asked[0]["raw"]) == (8888, False, "a.h5:raw")
