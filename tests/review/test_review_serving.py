"""The page over real connections: what it asks for, and more than thirty ways of asking that change nothing."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from queues import cells, make_folder

pytest.importorskip("fastapi", reason='needs fastapi: pip install "savem3[review]"')
pytest.importorskip("uvicorn", reason='needs uvicorn: pip install "savem3[review]"')
from savem3.guard import ADDRESS
from savem3.review import Log, Session, open_folder, writing
from savem3.review.asking import LARGEST_BODY, MOST_RUNS
from savem3.review.serving import Page, serving

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Served:
    """A page that is served and the log behind it."""

    page: Page
    log: Log

    @property
    def token(self) -> str:
        return self.page.guard.token

    @property
    def seen(self) -> int:
        return len(self.log.reading.records)

    def ask(self, path: str, *, method: str = "GET", body: bytes = b"", say: dict[str, str] | None = None) -> Answer:
        """An answer; headers as the page itself would send them, but for what is said otherwise."""
        own = {"Origin": self.page.guard.origin, **JSON} if method == "POST" else {}
        headers = {"Host": self.page.guard.host, "Content-Length": str(len(body)), **own, **(say or {})}
        connection = http.client.HTTPConnection(*address_of(self.page), timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def tell(self, place: str, facts: Any) -> Answer:
        return self.ask(f"/{place}/{self.token}", method="POST", body=json.dumps(facts).encode())


def address_of(page: Page) -> tuple[str, int]:
    host, _, port = page.guard.host.partition(":")
    return host, int(port)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = make_folder(tmp_path_factory.mktemp("served") / "queue")
    (folder / "secret").write_text("secret")
    (folder / "wall" / "way_out").symlink_to(folder / "secret")
    with writing(folder, "anna") as log, serving(Session(open_folder(folder), log, {})) as page:
        yield Served(page, log)


def item_of(content: bytes) -> tuple[dict[str, Any], np.ndarray]:
    length = int.from_bytes(content[:4], "little")
    facts = json.loads(content[4 : 4 + length])
    return facts, np.frombuffer(content[4 + length :], np.uint8).reshape(-1, *facts["window"][2:])


def test_the_page_its_files_and_its_items_are_served(served: Served) -> None:
    status, headers, content = served.ask(f"/v/{served.token}/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    for name in ("page.js", "picture.js", "masks.js", "page.css", "icon.svg"):
        status, headers, file = served.ask(f"/asset/{served.token}/{name}")
        assert status == 200
        assert len(file) > 100
    assert b"http" not in content
    listed = json.loads(served.ask(f"/items/{served.token}/0")[2])
    assert (listed["count"], len(listed["items"])) == (8, 8)
    facts, grey = item_of(served.ask(f"/item/{served.token}/7")[2])
    assert facts["label"] == str(2**60 + 104)
    assert grey.shape == (2, 40, 52)
    top, left, height, width = facts["crop"]
    label = cells((3, 40, 52))[0, top : top + height, left : left + width] == int(facts["label"])
    runs = np.repeat(np.arange(len(facts["old"])) % 2 == 1, facts["old"]).reshape(height, width)
    np.testing.assert_array_equal(runs, label)


def test_every_answer_forbids_the_page_to_load_from_elsewhere(served: Served) -> None:
    for path in (f"/v/{served.token}/", f"/item/{served.token}/0", f"/item/{served.token}/99", "/nothing"):
        headers = served.ask(path)[1]
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_a_verdict_is_on_disk_when_it_is_answered_and_can_be_taken_back(served: Served) -> None:
    before = served.seen
    status, _, content = served.tell("say", {"number": 3, "verdict": "new", "seen": before})
    assert status == 200
    assert json.loads(content) == {"seen": before + 1, "number": 3, "state": "new", "edit": None, "others_said": {}}
    assert len(served.log.path.read_bytes().splitlines()) == before + 1
    status, _, content = served.tell("undo", {"seen": before + 1})
    assert (status, json.loads(content)["state"]) == (200, "open")
    assert len(served.log.path.read_bytes().splitlines()) == before + 2


def test_what_was_drawn_comes_back(served: Served) -> None:
    facts, _ = item_of(served.ask(f"/item/{served.token}/5")[2])
    size = facts["crop"][2] * facts["crop"][3]
    told = {"number": 5, "verdict": "mend", "edit": [2, 3, size - 5], "seen": served.seen}
    assert served.tell("say", told)[0] == 200
    facts, _ = item_of(served.ask(f"/item/{served.token}/5")[2])
    assert (facts["state"], facts["edit"]) == ("mend", [2, 3, size - 5])
    assert served.tell("undo", {"seen": served.seen})[0] == 200


def test_a_page_that_is_behind_is_told_so(served: Served) -> None:
    before = served.seen
    assert served.tell("say", {"number": 6, "verdict": "old", "seen": before})[0] == 200
    assert served.tell("say", {"number": 7, "verdict": "old", "seen": before})[0] == 200
    assert served.tell("say", {"number": 6, "verdict": "new", "seen": before})[0] == 409
    assert served.tell("undo", {"seen": before})[0] == 409
    assert served.tell("say", {"number": 6, "verdict": "new", "seen": before + 99})[0] == 409
    assert served.seen == before + 2


def test_a_ticket_opens_the_page_once(served: Served) -> None:
    path = served.page.url_once.removeprefix(served.page.guard.origin)
    status, headers, _ = served.ask(path)
    assert (status, headers["location"]) == (302, f"/v/{served.token}/")
    assert served.ask(path)[0] == 404
    assert served.token not in served.page.url_once


GOOD = b'{"number": 0, "verdict": "old", "seen": 0}'
SAY = "/say/{token}"
POSTS: dict[str, tuple[int, str, bytes, dict[str, str]]] = {
    "rebound name": (403, SAY, GOOD, {"Host": "evil.example"}),
    "rebound name with the port": (403, SAY, GOOD, {"Host": "evil.example:{port}"}),
    "other name of this machine": (403, SAY, GOOD, {"Host": "localhost:{port}"}),
    "no host": (400, SAY, GOOD, {"Host": ""}),
    "foreign origin": (403, SAY, GOOD, {"Origin": "http://evil.example"}),
    "opaque origin": (403, SAY, GOOD, {"Origin": "null"}),
    "no origin": (403, SAY, GOOD, {"Origin": ""}),
    "origin of another port": (403, SAY, GOOD, {"Origin": "http://127.0.0.1:1"}),
    "https": (403, SAY, GOOD, {"Origin": "https://127.0.0.1:{port}"}),
    "foreign site": (403, SAY, GOOD, {"Sec-Fetch-Site": "cross-site"}),
    "no token": (404, "/say/", GOOD, {}),
    "wrong token": (404, "/say/00000000000000000000000000000000", GOOD, {}),
    "token as a query": (404, "/say/?token={token}", GOOD, {}),
    "query behind the token": (400, SAY + "?a=b", GOOD, {}),
    "form": (415, SAY, b"number=0&verdict=old&seen=0", {"Content-Type": "application/x-www-form-urlencoded"}),
    "upload": (415, SAY, GOOD, {"Content-Type": "multipart/form-data; boundary=a"}),
    "text": (415, SAY, GOOD, {"Content-Type": "text/plain"}),
    "body of no kind": (415, SAY, GOOD, {"Content-Type": ""}),
    "post to an item": (405, "/item/{token}/0", GOOD, {}),
    "post to the page": (405, "/v/{token}/", GOOD, {}),
    "post with a ticket": (405, "/open/{token}", GOOD, {}),
    "traversal": (400, "/say/{token}/../../etc/passwd", GOOD, {}),
    "more behind the token": (404, SAY + "/1", GOOD, {}),
    "declared too large": (413, SAY, GOOD, {"Content-Length": str(LARGEST_BODY + 1)}),
    "declared absurdly large": (413, SAY, GOOD, {"Content-Length": "9" * 19}),
    "web socket": (400, SAY, GOOD, {"Upgrade": "websocket", "Connection": "Upgrade"}),
    "nothing": (422, SAY, b"", {}),
    "no JSON": (422, SAY, b"number", {}),
    "half of it": (422, SAY, GOOD[:-1], {}),
    "no UTF-8": (422, SAY, GOOD[:-1] + b', "\xff": 1}', {}),
    "a list": (422, SAY, b"[" + GOOD + b"]", {}),
    "nested deeply": (422, SAY, b"[" * 200_000, {}),
    "unknown key": (422, SAY, GOOD[:-1] + b', "path": "/etc/passwd"}', {}),
    "key twice": (422, SAY, GOOD[:-1] + b', "number": 1}', {}),
    "missing key": (422, SAY, b'{"number": 0, "verdict": "old"}', {}),
    "unknown verdict": (422, SAY, GOOD.replace(b"old", b"all"), {}),
    "verdict undo": (422, SAY, GOOD.replace(b"old", b"undo"), {}),
    "number as a text": (422, SAY, GOOD.replace(b": 0,", b': "0",'), {}),
    "number as a float": (422, SAY, GOOD.replace(b": 0,", b": 0.0,"), {}),
    "number as a truth": (422, SAY, GOOD.replace(b": 0,", b": true,"), {}),
    "number below 0": (422, SAY, GOOD.replace(b": 0,", b": -1,"), {}),
    "number of no item": (404, SAY, GOOD.replace(b": 0,", b": 8,"), {}),
    "huge number": (422, SAY, GOOD.replace(b": 0,", b": 1" + b"0" * 400 + b","), {}),
    "number of many digits": (422, SAY, GOOD.replace(b": 0,", b": 1" + b"0" * 9000 + b","), {}),
    "infinite number": (422, SAY, GOOD.replace(b": 0,", b": 1e999,"), {}),
    "NaN": (422, SAY, GOOD.replace(b": 0,", b": NaN,"), {}),
    "path for a number": (422, SAY, GOOD.replace(b": 0,", b': "../../secret",'), {}),
    "mend without an edit": (422, SAY, GOOD.replace(b"old", b"mend"), {}),
    "edit without mend": (422, SAY, GOOD[:-1] + b', "edit": [1]}', {}),
}
MEND = GOOD.replace(b"old", b"mend")[:-1] + b', "edit": '
EDITS = {
    "no runs": b"[]",
    "run below 0": b"[-1, 145]",
    "run of 0": b"[10, 0, 134]",
    "run as a float": b"[10.0, 134]",
    "too short": b"[10]",
    "outside the crop": b"[10, 100000]",
    "overflow": b"[10, 9007199254740991]",
    "wrap around": b"[18446744073709551616, 10]",
    "run as a text": b'["10"]',
    "nested": b"[[10]]",
    "object": b'{"0": 10}',
    "too many": b"[" + b"1," * MOST_RUNS + b"1]",
}
POSTS |= {f"edit: {why}": (422, SAY, MEND + runs + b"}", {}) for why, runs in EDITS.items()}


@pytest.mark.parametrize("why", POSTS)
def test_hostile_posts_are_refused_and_change_nothing(served: Served, why: str) -> None:
    status, path, body, say = POSTS[why]
    before = served.log.path.read_bytes() if served.log.path.exists() else b""
    known = {"token": served.token, "port": str(address_of(served.page)[1])}
    say = {name: value.format(**known) for name, value in say.items()}
    answered, headers, content = served.ask(path.format(**known), method="POST", body=body, say=say)
    assert answered == status
    assert b"secret" not in content
    assert "access-control-allow-origin" not in headers
    assert (served.log.path.read_bytes() if served.log.path.exists() else b"") == before


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [
        (404, "GET", "/"),
        (404, "GET", "/v/{other}/"),
        (404, "GET", "/v/{token}x/"),
        (404, "GET", "/v/{token}"),
        (405, "GET", "/say/{token}"),
        (404, "GET", "/docs/{token}"),
        (404, "GET", "/openapi.json"),
        (404, "GET", "/item/{token}/8"),
        (404, "GET", "/item/{token}/-1"),
        (404, "GET", "/item/{token}/0.5"),
        (404, "GET", "/item/{token}/99999999999999999999999999"),
        (404, "GET", "/asset/{token}/serving.py"),
        (404, "GET", "/asset/{token}/page.html.j2"),
        (404, "GET", "/asset/{token}/secret"),
        (400, "GET", "/asset/{token}/../secret"),
        (400, "GET", "/asset/{token}/%2e%2e/secret"),
        (404, "GET", "/asset/{token}/wall/way_out"),
        (400, "GET", "/asset/{token}/..\\secret"),
        (400, "GET", "//evil.example/"),
        (400, "GET", "/v/{token}/?next=http://evil.example"),
        (404, "GET", "/open/{other}"),
        (405, "OPTIONS", "/say/{token}"),
        (405, "PUT", "/say/{token}"),
        (405, "DELETE", "/item/{token}/0"),
        (405, "TRACE", "/v/{token}/"),
    ],
)
def test_what_is_not_served_is_refused_without_a_word(served: Served, status: int, method: str, path: str) -> None:
    before = served.seen
    answered, _, content = served.ask(path.format(token=served.token, other="0" * 32), method=method)
    assert answered == status
    assert content == b""
    assert served.seen == before


def raw(served: Served, request: bytes) -> bytes:
    """What comes back for bytes that no client would send."""
    with socket.create_connection(address_of(served.page), timeout=5) as connection, suppress(ConnectionError):
        connection.sendall(request)
        return connection.recv(4096)
    return b""


def test_bodies_without_a_length_are_counted(served: Served) -> None:
    before, head = served.seen, f"POST /say/{served.token} HTTP/1.1\r\nHost: {served.page.guard.host}\r\n"
    head += (
        f"Origin: {served.page.guard.origin}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    size = LARGEST_BODY // 2 + 1
    chunk = f"{size:x}\r\n".encode() + b" " * size + b"\r\n"
    answer = raw(served, head.encode() + chunk + chunk + b"0\r\n\r\n")
    assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0]
    assert served.seen == before


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v/{token}/ HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
        b"POST /say/{token} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nOrigin: http://a.example\r\n"
        b"Content-Type: application/json\r\nContent-Length: 42\r\n\r\n" + GOOD,
        b"GET /v/{token}/ HTTP/1.1\r\nHost: {host}\r\nX: " + b"a" * 80_000 + b"\r\n\r\n",
        b"GET http://{host}/v/{token}/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"GET /v/{token}/ HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64 + b"\r\n\r\n",
    ],
    ids=["two hosts", "two origins", "long header", "whole address", "web socket", "TLS"],
)
def test_requests_that_no_page_sends_are_refused(served: Served, request_: bytes) -> None:
    before = served.seen
    known = {b"{token}": served.token.encode(), b"{host}": served.page.guard.host.encode()}
    for name, value in known.items():
        request_ = request_.replace(name, value)
    answer = raw(served, request_)
    assert answer == b"" or answer.split(b" ")[1][:1] == b"4"
    assert served.seen == before
    assert served.ask(f"/v/{served.token}/")[0] == 200


def test_only_this_machine_is_listened_to(served: Served) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("needs Linux's table of connections")
    listening = [line.split()[1] for line in table.read_text().splitlines()[1:]]
    host, port = address_of(served.page)
    assert host == ADDRESS == "127.0.0.1"
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


def test_a_taken_port_is_an_error(served: Served) -> None:
    port = address_of(served.page)[1]
    with pytest.raises(OSError, match="in use"), serving(served.page.answers.session, port=port):
        pass
