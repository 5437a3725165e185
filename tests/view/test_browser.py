"""The local page in a real browser without a window."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from made_runs import make_run
from PIL import Image as Picture

from savem3.runs.view import run_browse

pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
from savem3.view import screenshot
from savem3.view.contents import contents_of
from savem3.view.serving import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(screenshot.find_browser() is None, reason="needs a browser of Chromium's family"),
]


@dataclass(frozen=True)
class NetLog:
    """What a browser wrote down: the address and initiator of every request, and where it connected to."""

    requests: list[tuple[str, str]]
    connections: list[str]


def read_log(file: Path) -> NetLog:
    text = file.read_text().rstrip().rstrip(",")
    try:
        record: dict[str, Any] = json.loads(text)
    except ValueError:  # a browser that was ended in the middle
        record = json.loads(text + "]}")
    kinds = record["constants"]["logEventTypes"]

    def told(kind: str, fact: str) -> list[dict[str, Any]]:
        events = (event for event in record["events"] if event["type"] == kinds[kind])
        return [event["params"] for event in events if fact in event.get("params", {})]

    requests = [(params["url"], str(params.get("initiator"))) for params in told("URL_REQUEST_START_JOB", "url")]
    connections = [params["address"] for params in told("TCP_CONNECT_ATTEMPT", "address")]
    return NetLog(requests, connections)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "net.json"
    monkeypatch.setattr(screenshot, "SWITCHES", (*screenshot.SWITCHES, f"--log-net-log={file}"))
    return file


def test_all_that_the_page_asks_for_is_on_this_machine(tmp_path: Path, log: Path) -> None:
    contents = contents_of(make_run(tmp_path), raw=f"{tmp_path}/raw.h5:raw")
    with serving(contents.pyramids) as page:
        picture = screenshot.take_picture(page, size=(640, 480))
    seen = read_log(log)
    ours = [url for url, initiator in seen.requests if page.guard.origin in (initiator, url[: len(page.guard.origin)])]
    assert {urlsplit(url).hostname for url in ours} == {"127.0.0.1"}
    assert any("/labels/mesh/2" in url for url in ours)
    assert any("/image/0/" in url for url in ours)
    assert {address.rsplit(":", 1)[0] for address in seen.connections} == {"127.0.0.1"}
    assert Picture.open(io.BytesIO(picture)).size == (640, 480)


def test_a_page_that_is_told_to_load_from_elsewhere_does_not(tmp_path: Path, log: Path) -> None:
    contents = contents_of(make_run(tmp_path))
    with serving(contents.pyramids) as page:
        with page.viewer.txn() as state:
            state.layers.append(name="elsewhere", layer={"type": "image", "source": "precomputed://http://192.0.2.1/x"})
        with screenshot.browsing(page.url_once, size=(640, 480)):
            time.sleep(15)
    asked = [url for url, _ in read_log(log).requests]
    assert any(url.startswith(f"{page.guard.origin}/data/") for url in asked)
    assert not [url for url in asked if urlsplit(url).hostname == "192.0.2.1"]


def test_a_picture_shows_tissue_and_neurons_in_four_panels(tmp_path: Path) -> None:
    run, said = make_run(tmp_path), list[str]()
    run_browse(run, raw=f"{tmp_path}/raw.h5:raw", screenshot=tmp_path / "view.png", say=said.append)
    with Picture.open(tmp_path / "view.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (1200, 1600, 3)
    ground = pixels[0, 0]
    for panel in (pixels[:600, :800], pixels[:600, 800:], pixels[600:, :800], pixels[600:, 800:]):
        coloured = np.ptp(panel, axis=-1) > 60
        assert coloured.mean() > 0.005
        assert (panel == ground).all(axis=-1).mean() > 0.05
    assert said == [f"drawn: {tmp_path / 'view.png'}"]
    with pytest.raises(FileExistsError):
        run_browse(run, screenshot=tmp_path / "view.png", say=said.append)


def test_a_browser_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "find_browser", lambda: "/bin/false")
    contents = contents_of(make_run(tmp_path))
    with serving(contents.pyramids) as page, pytest.raises(ValueError, match="exit code 1"):
        screenshot.take_picture(page, patience_s=20)
    assert threading.active_count() < 20
