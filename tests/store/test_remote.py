"""Volumes behind a URL: a server that drops, cuts, refuses and fails; and nothing is asked for without a URL."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from test_every_format import FOLDER, save_n5, save_precomputed, save_zarr

from savem3.grid import Grid
from savem3.store import UnreadableVolume, open_image, places, write_image
from savem3.store.remote import is_url, parts_of
from savem3.volume import Image

SIZE = (30.0, 6.0, 4.0)
VOXELS = np.random.default_rng(0).integers(1, 256, (5, 9, 7), np.uint8)
SAVE = {"precomputed": save_precomputed, "zarr": save_zarr, "n5": save_n5}


@dataclass
class Server:
    """A web server of a folder, and how it misbehaves; ``asked`` is what it was asked for."""

    folder: Path
    fault: str = "none"
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        handler.close_connection = True
        file = self.folder / unquote(handler.path).strip("/")
        fails = self.fault in ("500", "403")
        if self.fault == "drop" and len(self.asked) % 2:
            return
        if fails or not file.is_file():
            handler.send_error(int(self.fault) if fails else 404)
            return
        content = file.read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if self.fault == "cut" else content)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.mark.parametrize("prefix", ["", "own://"])
@pytest.mark.parametrize("name", SAVE)
def test_a_volume_behind_a_url_is_the_one_on_the_disk(name: str, prefix: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    path = SAVE[name](tmp_path / FOLDER, VOXELS, SIZE)
    below = "/volumes/raw" if name == "n5" else ""
    image = open_image(f"{prefix.replace('own', name)}{server.url}/{FOLDER}/{path.name}{below}")
    here = open_image(path)
    assert image.grid == here.grid
    np.testing.assert_array_equal(image.load().voxels, VOXELS)


@pytest.mark.parametrize("level", ["", ":0", "/0"])
def test_a_level_of_a_pyramid_behind_a_url_is_named(level: str, server: Server, tmp_path: Path) -> None:
    grid = Grid(VOXELS.shape, SIZE, (300.0, 60.0, 40.0))
    write_image(Image(VOXELS, grid), tmp_path / "a.zarr")
    image = open_image(f"{server.url}/a.zarr{level}")
    assert image.grid == grid
    np.testing.assert_array_equal(image.load().voxels, VOXELS)


def test_a_server_that_drops_every_second_connection_is_asked_again(server: Server, tmp_path: Path) -> None:
    path = save_precomputed(tmp_path, VOXELS, SIZE)
    server.fault = "drop"
    np.testing.assert_array_equal(open_image(f"{server.url}/{path.name}").load().voxels, VOXELS)


@pytest.mark.parametrize(
    ("fault", "asked", "says"),
    [
        ("cut", 3, "All 2 retry attempts failed: .*partial file"),
        ("500", 3, "All 2 retry attempts failed: Internal Server Error"),
        ("403", 1, "Forbidden"),
    ],
)
def test_a_server_that_fails_is_given_up_in_one_sentence(
    fault: str, asked: int, says: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "TRIES", 3)
    path = save_precomputed(tmp_path, VOXELS, SIZE)
    server.fault = fault
    with pytest.raises(
        UnreadableVolume, match=rf"^http.*/{path.name}/info must be within reach, got: .*{says}"
    ) as error:
        open_image(f"precomputed://{server.url}/{path.name}")
    assert "\n" not in str(error.value)
    assert len(server.asked) == asked


@pytest.mark.parametrize(("fault", "says"), [("cut", "partial file"), ("500", "Internal Server Error")])
def test_a_chunk_that_does_not_arrive_is_given_up_in_one_sentence(
    fault: str, says: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "TRIES", 2)
    image = open_image(f"{server.url}/{save_precomputed(tmp_path, VOXELS, SIZE).name}")
    server.fault = fault
    with pytest.raises(UnreadableVolume, match=rf"must have intact chunks, got: .*{says}") as error:
        image.load()
    assert "\n" not in str(error.value)


def test_nothing_at_a_url_is_answered_with_what_was_looked_for(server: Server) -> None:
    with pytest.raises(UnreadableVolume, match=r"lead to a precomputed, Zarr or N5 volume, got none of its metadata"):
        open_image(f"{server.url}/nothing")
    with pytest.raises(UnreadableVolume, match=r"lead to a n5 volume, got none of its metadata files at 'n5://http"):
        open_image(f"n5://{server.url}/nothing")


@pytest.mark.parametrize("kind", ["image", "segmentation"])
def test_a_missing_chunk_is_background_in_a_segmentation_only(kind: str, server: Server, tmp_path: Path) -> None:
    path = save_precomputed(tmp_path, VOXELS, SIZE)
    info = json.loads((path / "info").read_text()) | {"type": kind}
    (path / "info").write_text(json.dumps(info))
    next((path / "s").iterdir()).unlink()
    image = open_image(f"{server.url}/{path.name}")
    if kind == "segmentation":
        assert not image.load().voxels.any()
        return
    with pytest.raises(UnreadableVolume, match="must have intact chunks"):
        image.load()


def test_only_the_chunks_of_a_window_are_asked_for(server: Server, tmp_path: Path) -> None:
    path = save_precomputed(tmp_path, VOXELS, SIZE)
    info = json.loads((path / "info").read_text())
    info["scales"][0] |= {"size": [2**20, 2**20, 2**11], "chunk_sizes": [list(VOXELS.shape[::-1])]}
    (path / "info").write_text(json.dumps(info))
    image = open_image(f"{server.url}/{path.name}")
    server.asked.clear()
    assert int(image.voxels[4, 8, 6]) == int(VOXELS[4, 8, 6])
    assert server.asked == [f"/{path.name}/s/2-9_2-11_3-8"]


def test_paths_without_a_scheme_are_no_urls() -> None:
    for path in ("a.zarr", "/data/https/a.zarr", "C:/a.h5:raw", "a.h5://raw", Path("gs") / "a"):
        assert not is_url(path)
    for path in (
        "https://h/a",
        "gs://b/a",
        "s3://b/a",
        "precomputed://gs://b/a",
        "zarr3://http://h:80/a",
        "n5://s3://b",
    ):
        assert is_url(path)


@pytest.mark.parametrize(
    ("url", "format", "address", "inside"),
    [
        ("https://h:8080/a/b.zarr", None, "https://h:8080/a/b.zarr", None),
        ("https://h:8080/a/b.zarr:2", None, "https://h:8080/a/b.zarr", "2"),
        (
            "precomputed://gs://bucket/fib/raw:8_8_8",
            "precomputed",
            "https://storage.googleapis.com/bucket/fib/raw",
            "8_8_8",
        ),
        ("zarr2://s3://bucket/a.zarr/", "zarr", "https://bucket.s3.amazonaws.com/a.zarr", None),
    ],
)
def test_a_url_says_format_place_and_level(url: str, format: str | None, address: str, inside: str | None) -> None:
    found, place, named = parts_of(url)
    assert (found, place.address, named) == (format, address, inside)


@pytest.mark.parametrize("url", ["precomputed://file:///a", "n5://a", "https://"])
def test_a_url_of_no_known_way_is_refused(url: str) -> None:
    with pytest.raises(UnreadableVolume, match="path must be a URL that begins with http, https, gs, s3, got"):
        open_image(url)
