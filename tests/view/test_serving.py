"""The local page over real connections."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import NEURONS, make_run

pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
from savem3.view.contents import contents_of
from savem3.view.page import Page
from savem3.view.serving import LARGEST_BODY, serving

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("served")
    run = make_run(folder)
    (folder / "secret").write_text("secret")
    mesh = run / "out" / "mesh"
    mesh.mkdir(parents=True)
    (mesh / "info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
    (mesh / "way_out").symlink_to(folder / "secret")
    contents = contents_of(run, raw=f"{folder}/raw.h5:raw")
    with serving(contents.pyramids, surfaces=contents.surfaces) as served:
        yield served


def ask(page: Page, path: str, *, method: str = "GET", body: bytes = b"", say: dict[str, str] | None = None) -> Answer:
    """An answer; headers as a page of the server's own would send them, but for what is said otherwise."""
    headers = {"Host": page.guard.host, **({"Origin": page.guard.origin} if method == "POST" else {}), **(say or {})}
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_page_its_client_and_its_volumes_are_served(page: Page) -> None:
    status, headers, content = ask(page, f"/v/{page.token}/")
    assert (status, headers["content-type"]) == (200, "text/html")
    assert b"<script" in content
    name = content.decode().split('src="')[1].split('"')[0]
    assert ask(page, f"/v/{page.token}/{name}")[0] == 200
    info = json.loads(ask(page, f"/data/{page.token}/labels/info")[2])
    assert info["scales"][0]["size"] == [28, 20, 6]
    piece = ask(page, f"/data/{page.token}/labels/0/0-28_0-20_0-6")[2]
    np.testing.assert_array_equal(np.frombuffer(piece, "<u8").reshape(6, 20, 28), NEURONS)
    assert ask(page, f"/data/{page.token}/image/0/0-28_0-20_0-6")[0] == 200
    assert json.loads(ask(page, f"/data/{page.token}/labels/mesh/2:0")[2]) == {"fragments": ["2"]}
    assert len(ask(page, f"/data/{page.token}/labels/mesh/2")[2]) > 100
    assert ask(page, f"/files/{page.token}/0/info")[0] == 200


def test_every_answer_forbids_the_page_to_load_from_elsewhere(page: Page) -> None:
    for path in (f"/v/{page.token}/", f"/data/{page.token}/labels/info", f"/files/{page.token}/0/info", "/nothing"):
        headers = ask(page, path)[1]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"].replace("wasm-unsafe-eval", "")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_state_is_taken_from_the_page_alone(page: Page) -> None:
    before = page.viewer.shared_state.raw_state_and_generation[1]
    state: dict[str, Any] = {**page.viewer.state.to_json(), "layout": "xy"}
    body = json.dumps({"s": state, "g": 1, "pg": before, "c": "me"}).encode()
    text = {"Content-Type": "text/plain;charset=UTF-8"}
    assert (
        ask(page, f"/state/{page.token}", method="POST", body=body, say={**text, "Origin": "http://a.example"})[0]
        == 403
    )
    assert page.viewer.shared_state.raw_state_and_generation[1] == before
    assert ask(page, f"/state/{page.token}", method="POST", body=body, say=text)[0] == 200
    assert page.viewer.state.layout.type == "xy"


def test_a_ticket_opens_the_page_once(page: Page) -> None:
    path = page.url_once.removeprefix(page.guard.origin)
    status, headers, _ = ask(page, path)
    assert (status, headers["location"]) == (302, page.url)
    assert ask(page, path)[0] == 404
    assert page.token not in page.url_once


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (404, "/"),
        (404, "/v/{other}/"),
        (404, "/v/{token}x/"),
        (404, "/v/{token}/client/main.js"),
        (404, "/v/{token}/__init__.py"),
        (404, "/data/{token}/secret/info"),
        (404, "/data/{token}/image/mesh/1"),
        (404, "/data/{token}/labels/mesh/77"),
        (400, "/data/{token}/labels/mesh/18446744073709551616"),
        (400, "/data/{token}/labels/mesh/:"),
        (400, "/data/{token}/labels/0/0-29_0-20_0-6"),
        (400, "/data/{token}/labels/9/0-1_0-1_0-1"),
        (404, "/files/{token}/1/info"),
        (404, "/files/{token}/0/way_out"),
        (400, "/files/{token}/0/../../run.json"),
        (400, "/files/{token}/0/%2e%2e/%2e%2e/run.json"),
        (404, "/files/{token}/0/"),
        (404, "/credentials/{token}"),
        (404, "/neuroglancer/info/{token}.x"),
        (404, "/open/{other}"),
        (405, "/state/{token}"),
    ],
)
def test_what_is_not_served_is_refused_without_a_word(page: Page, status: int, path: str) -> None:
    answered, _, content = ask(page, path.format(token=page.token, other="0" * 32))
    assert answered == status
    assert b"secret" not in content
    assert len(content) == 0 or answered == 405


@pytest.mark.parametrize(
    ("status", "say"),
    [
        (403, {"Host": "evil.example"}),
        (403, {"Host": "localhost:1"}),
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}),
    ],
)
def test_other_names_and_origins_get_nothing(page: Page, status: int, say: dict[str, str]) -> None:
    assert ask(page, f"/v/{page.token}/", say=say)[0] == status
    assert ask(page, f"/data/{page.token}/labels/info", say=say)[0] == status


def test_large_bodies_and_headers_are_refused_before_they_are_read(page: Page) -> None:
    say = {"Content-Type": "text/plain", "Content-Length": str(LARGEST_BODY + 1)}
    with suppress(ConnectionError, http.client.BadStatusLine):
        assert ask(page, f"/state/{page.token}", method="POST", say=say)[0] in (400, 413)
    with pytest.raises((ConnectionError, http.client.BadStatusLine, http.client.RemoteDisconnected)):
        ask(page, f"/v/{page.token}/", say={"X-Long": "a" * 70_000})
    assert ask(page, f"/v/{page.token}/")[0] == 200


def test_only_this_machine_is_listened_to(page: Page) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("needs Linux's table of connections")
    listening = [line.split()[1] for line in table.read_text().splitlines()[1:]]
    assert f"0100007F:{page.port:04X}" in listening
    assert f"00000000:{page.port:04X}" not in listening


def test_a_taken_port_is_an_error(page: Page) -> None:
    with pytest.raises(OSError, match="in use"), serving(list(page.pyramids.values()), port=page.port):
        pass
